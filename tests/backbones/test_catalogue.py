"""Backbones by name: sizes, preprocessing, fingerprints."""

import numpy as np
import pytest

from tl_keras.backbones import catalogue
from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.errors import UsageError, WeightsError
from tl_keras.training.cache import networks

NAME = "efficientnet_lite0"


def fingerprint(backbone):
    """Returns a digest of all weights and the preprocessing."""
    return networks.fingerprints(backbone)[-1]


@pytest.fixture(scope="module")
def backbone():
    return catalogue.load(NAME, weights=None, image_size=32)


@pytest.fixture(scope="module")
def other():
    return catalogue.load(NAME, weights=None, image_size=32)


def test_names_are_the_catalogues_in_order():
    assert catalogue.names() == sorted(catalogue.CATALOGUE)


@pytest.mark.parametrize(
    ("widths", "heights", "expected"),
    [
        ([96], [96], 224),
        ([95], [96], 160),
        ([72] * 5, [72] * 5, 160),
        ([640] * 5, [480] * 5, 224),
        ([32, 32, 200], [32, 32, 200], 160),
        ([32, 200, 200], [32, 200, 200], 224),
        ([9216], [1], 224),
    ],
    ids=str,
)
def test_image_size_follows_the_median_area(widths, heights, expected):
    assert catalogue.image_size_for(NAME, widths, heights) == expected


def test_image_size_does_not_depend_on_the_order_of_the_pictures():
    widths, heights = [300, 20, 20], [200, 20, 20]
    forth = catalogue.image_size_for(NAME, widths, heights)
    assert forth == catalogue.image_size_for(NAME, widths[::-1], heights[::-1])


@pytest.mark.parametrize("call", [catalogue.load, catalogue.image_size_for])
def test_unknown_backbone_is_answered_with_the_nearest_one(call):
    arguments = ([10], [10]) if call is catalogue.image_size_for else ()
    with pytest.raises(
        UsageError,
        match=f"Unknown backbone 'efficientnet_light0'. Did you mean '{NAME}'",
    ):
        call("efficientnet_light0", *arguments)


@pytest.mark.parametrize("size", [31, 1, 0])
def test_image_size_below_the_minimum_is_refused(size):
    with pytest.raises(UsageError, match=f"at least 32 for {NAME}. Received: {size}"):
        catalogue.load(NAME, weights=None, image_size=size)


@pytest.mark.parametrize("size", [(64, 64, 1), (64, 64, 4), 64.0, "64", True], ids=str)
def test_image_size_that_is_no_whole_number_is_refused(size):
    with pytest.raises(UsageError, match="one whole number, .* 3 channels. Received"):
        catalogue.load(NAME, weights=None, image_size=size)


@pytest.mark.parametrize("weights", ["imagenet21k", "", "None", "missing.weights.h5"])
def test_unknown_weights_are_refused(weights):
    with pytest.raises(UsageError, match="must be imagenet, package, none, a weights"):
        catalogue.load(NAME, weights=weights)


@pytest.mark.parametrize(
    ("name", "weights"), [("resnet18", "imagenet"), ("vgg16", "package")]
)
def test_weights_that_are_not_published_are_refused(name, weights):
    with pytest.raises(UsageError, match=f"{name} has no {weights} weights. Give a"):
        catalogue.load(name, weights=weights, image_size=32)


def test_none_is_random_weights():
    assert catalogue.find_weights(NAME, "none") is None


@pytest.mark.parametrize("weights", ["imagenet", "package"])
def test_packages_weights_go_by_two_names(weights):
    assert catalogue.find_weights(NAME, weights).suffix == ".pth"


def test_weights_file_is_loaded(tmp_path, backbone, other):
    path = tmp_path / "mine.weights.h5"
    backbone.network.save_weights(path)
    loaded = catalogue.load(NAME, weights=str(path), image_size=32)
    assert fingerprint(loaded) == fingerprint(backbone) != fingerprint(other)


def test_weights_of_another_network_are_refused(tmp_path, backbone):
    path = tmp_path / "mine.weights.h5"
    backbone.network.save_weights(path)
    with pytest.raises(WeightsError, match=r"mine\.weights\.h5 does not fit"):
        catalogue.load("resnet20_cifar", weights=str(path), image_size=32)


def test_address_of_weights_needs_their_sha256():
    with pytest.raises(UsageError, match="needs the file's sha256"):
        catalogue.load(NAME, weights="https://example.com/x.weights.h5")


def test_ours_goes_by_the_plain_name_and_keras_is_named():
    ours, theirs = CATALOGUE["resnet50"], CATALOGUE["keras:resnet50"]
    assert ours.build is not theirs.build
    assert ours.weights == theirs.weights and ours.preprocess == theirs.preprocess


def test_model_takes_images_of_the_size_asked_for(backbone):
    assert backbone.model.input_shape == (None, 32, 32, 3)


def test_model_takes_pixels_from_0_to_255(backbone):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    by_hand = backbone.network((pixels.astype(np.float32) - 127) / 128).numpy()
    assert np.allclose(backbone.model(pixels), by_hand, rtol=1e-5, atol=1e-6)


def test_feature_map_of_bytes_is_finite(backbone):
    pixels = np.full((1, 32, 32, 3), 255, np.uint8)
    assert np.isfinite(backbone.model(pixels).numpy()).all()


def test_model_shares_its_weights_with_the_network(backbone):
    pairs = zip(backbone.model.weights, backbone.network.weights)
    assert all(ours is theirs for ours, theirs in pairs)


def test_graph_does_not_depend_on_the_weights(backbone, other):
    assert backbone.network.get_config() == other.network.get_config()


def test_fingerprint_is_the_same_twice(backbone):
    assert fingerprint(backbone) == fingerprint(backbone)


def test_fingerprint_tells_random_weights_apart(backbone, other):
    assert fingerprint(backbone) != fingerprint(other)


def test_fingerprint_is_that_of_equal_weights(backbone, other):
    before = other.network.get_weights()
    other.network.set_weights(backbone.network.get_weights())
    changed = fingerprint(other)
    other.network.set_weights(before)
    assert changed == fingerprint(backbone)


@pytest.mark.parametrize("layer", ["stem_conv", "block4b_bn", "top_bn"])
def test_fingerprint_changes_when_one_weight_changes(other, layer):
    before = fingerprint(other)
    weight = other.network.get_layer(layer).weights[-1]
    values = weight.numpy()
    values.flat[-1] = np.nextafter(values.flat[-1], np.float32(9))
    weight.assign(values)
    assert fingerprint(other) != before


def test_fingerprint_does_not_change_when_the_network_runs(backbone):
    before = fingerprint(backbone)
    backbone.model(np.zeros((1, 32, 32, 3)), training=False)
    assert fingerprint(backbone) == before


@pytest.mark.slow
def test_native_size_is_taken_by_default():
    backbone = catalogue.load(NAME, weights=None)
    assert backbone.image_size == 224


@pytest.mark.slow
def test_imagenet_weights_give_the_same_fingerprint_at_every_size():
    sizes = (32, 224)
    assert len({fingerprint(catalogue.load(NAME, image_size=n)) for n in sizes}) == 1
