"""ResNets for CIFAR-10 against section 4.2 of the paper: counts, shapes, shortcuts."""

import keras
import numpy as np
import pytest

from tl_keras.architectures.resnet_cifar import identity, resnet_cifar
from tl_keras.backbones.stages import stages
from tl_keras.errors import UsageError

# Table 6 of the paper, in millions.
PUBLISHED_MILLIONS = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}
# By hand, n blocks a stage: kernels of 3x3, two numbers a map for the normalization,
# and the classifier.
RESNET20_TRAINABLE = (
    (9 * 3 * 16 + 2 * 16)
    + 6 * (9 * 16 * 16 + 2 * 16)
    + (9 * 16 * 32 + 2 * 32)
    + 5 * (9 * 32 * 32 + 2 * 32)
    + (9 * 32 * 64 + 2 * 64)
    + 5 * (9 * 64 * 64 + 2 * 64)
    + (64 * 10 + 10)
)
# Section 4.2's table: the side and the number of the maps of each stage.
STAGES = {
    "conv2_block3_out": (32, 32, 16),
    "conv3_block3_out": (16, 16, 32),
    "conv4_block3_out": (8, 8, 64),
}


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


@pytest.fixture(scope="module")
def resnet20():
    """ResNet-20 with its top."""
    return resnet_cifar()


@pytest.fixture(scope="module")
def plain8():
    """The plain network of 8 layers, for images with odd sides, without its top."""
    return resnet_cifar(
        depth=8, shortcut=None, num_classes=None, input_shape=(33, 30, 3)
    )


@pytest.fixture(scope="module")
def resnet8():
    """ResNet-8 of the same size."""
    return resnet_cifar(depth=8, num_classes=None, input_shape=(33, 30, 3))


def test_resnet20_has_its_number_of_parameters(resnet20):
    assert trainable(resnet20) == RESNET20_TRAINABLE == 269_722


def test_feature_map_has_the_papers_shape_after_each_stage(resnet20):
    shapes = {name: resnet20.get_layer(name).output.shape[1:] for name in STAGES}
    assert shapes == STAGES


def test_stages_end_where_the_papers_do(resnet8):
    ends = ("conv2_block1_out", "conv3_block1_out", "conv4_block1_out")
    assert stages(resnet8) == ends


def test_depth_counts_the_layers_with_kernels(resnet20):
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    assert sum(isinstance(layer, kinds) for layer in resnet20.layers) == 20


def test_shortcuts_have_no_parameters(resnet8, plain8):
    shapes = [weight.shape for weight in resnet8.weights]
    assert shapes == [weight.shape for weight in plain8.weights]


def test_plain_network_has_no_shortcut(plain8):
    assert not any(isinstance(x, keras.layers.Add) for x in plain8.layers)


def test_every_pair_of_convolutions_has_a_shortcut(resnet20):
    added = [x for x in resnet20.layers if isinstance(x, keras.layers.Add)]
    assert len(added) == 9


def test_odd_sides_are_rounded_up(resnet8):
    assert resnet8.output_shape == (None, 9, 8, 64)


def test_plain_network_is_called_plain(plain8):
    assert plain8.name == "plain8_cifar"


def test_names_do_not_depend_on_the_session(resnet8):
    again = resnet_cifar(depth=8, num_classes=None, input_shape=(33, 30, 3))
    assert [x.name for x in again.layers] == [x.name for x in resnet8.layers]


def test_identity_leaves_places_out_and_adds_maps_of_zeros():
    maps = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")
    inputs = keras.Input((5, 4, 3))
    network = keras.Model(inputs, identity(inputs, 8, 2, name="shortcut"))
    expected = np.zeros((2, 3, 2, 8), "float32")
    expected[..., :3] = maps[:, ::2, ::2]
    np.testing.assert_array_equal(network(maps), expected)


def test_identity_leaves_a_shape_that_fits_alone():
    inputs = keras.Input((4, 4, 3))
    assert identity(inputs, 3, 1, name="shortcut") is inputs


def test_saved_network_loads_without_custom_objects(resnet8, tmp_path):
    resnet8.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    maps = np.random.default_rng(0).normal(size=(1, 33, 30, 3))
    np.testing.assert_array_equal(loaded(maps), resnet8(maps))


@pytest.mark.parametrize("depth", [2, 18, 21, -4])
def test_depth_that_fits_no_number_of_blocks_is_refused(depth):
    with pytest.raises(UsageError, match=f"`depth` must be 6n .* Received: {depth}"):
        resnet_cifar(depth=depth)


def test_unknown_shortcut_is_refused():
    with pytest.raises(UsageError, match="must be 'identity' or None.*'projection'"):
        resnet_cifar(shortcut="projection")


def test_image_without_pixels_is_refused():
    with pytest.raises(UsageError, match="each at least 1"):
        resnet_cifar(input_shape=(32, 0, 3))


def test_zero_classes_are_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        resnet_cifar(num_classes=0)


@pytest.mark.slow
@pytest.mark.parametrize("shortcut", ["identity", None])
@pytest.mark.parametrize(("depth", "millions"), PUBLISHED_MILLIONS.items())
def test_depth_has_the_published_number_of_parameters(depth, millions, shortcut):
    count = trainable(resnet_cifar(depth=depth, shortcut=shortcut)) / 1e6
    # The paper gives the deepest to one digit behind the point.
    assert round(count, 1 if depth == 110 else 2) == pytest.approx(millions, abs=1e-9)
