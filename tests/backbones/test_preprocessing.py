"""Preprocessing is that of the network's family, inside the network."""

import keras
import numpy as np
import pytest
from keras import applications

from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.backbones.keras_applications import ROWS, build
from tl_keras.backbones.preprocessing import GRAY, LITE, MEAN, TF_128, TORCH

# Row of the table → the module whose `preprocess_input` belongs to it. Those of
# EfficientNet, ConvNeXt and MobileNet V3 return the pixels as they are: their networks
# preprocess inside.
MODULES = {
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "resnet50": "resnet",
    "resnet101": "resnet",
    "resnet152": "resnet",
    "resnet50_v2": "resnet_v2",
    "resnet101_v2": "resnet_v2",
    "resnet152_v2": "resnet_v2",
    "inception_v3": "inception_v3",
    "inception_resnet_v2": "inception_resnet_v2",
    "xception": "xception",
    "mobilenet": "mobilenet",
    "mobilenet_v2": "mobilenet_v2",
    "densenet121": "densenet",
    "densenet169": "densenet",
    "densenet201": "densenet",
    "nasnet_mobile": "nasnet",
    "nasnet_large": "nasnet",
}
INSIDE = {
    "efficientnet_v2_b0": "EfficientNetV2B0",
    "efficientnet_v2_s": "EfficientNetV2S",
    "convnext_tiny": "ConvNeXtTiny",
    "mobilenet_v3_small": "MobileNetV3Small",
}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("name", MODULES)
def test_preprocessing_is_that_of_keras(name, images):
    theirs = getattr(applications, MODULES[name]).preprocess_input(images.copy())
    ours = ROWS[name].preprocess(images)
    assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_every_row_is_compared_with_keras():
    families = ("efficientnet_", "convnext_", "mobilenet_v3_")
    assert set(ROWS) == {
        *MODULES,
        *(name for name in ROWS if name.startswith(families)),
    }


def test_our_networks_take_what_their_weights_were_trained_on():
    for name in ("vgg16", "resnet50", "xception", "inception_v3", "mobilenet"):
        assert CATALOGUE[name].preprocess == ROWS[name].preprocess


def test_torch_takes_off_the_mean_and_divides_by_the_deviation():
    pixels = 255 * np.array([MEAN], np.float32).reshape(1, 1, 1, 3)
    assert np.allclose(TORCH(pixels), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("preprocess", "expected"),
    [(LITE, [-127 / 128, 0, 1]), (TF_128, [-1, -1 / 128, 127 / 128])],
)
def test_division_by_128(preprocess, expected):
    pixels = np.array([0.0, 127.0, 255.0], np.float32)
    assert np.asarray(preprocess(pixels)).tolist() == expected


def test_gray_is_the_luminance(images):
    shades = images @ np.array([0.2989, 0.587, 0.114], np.float32)
    found = np.asarray(GRAY(images))
    assert found.shape == (2, 32, 32, 1) and GRAY.depth == 1
    assert np.allclose(found[..., 0], shades / 127.5 - 1, atol=1e-4)


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "lenet5"])
def test_preprocessing_is_saved_with_the_network(name, images, tmp_path):
    inputs = keras.Input((32, 32, 3))
    preprocess = CATALOGUE[name].preprocess
    model = keras.Model(inputs, preprocess(inputs))
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert np.array_equal(loaded(images), preprocess(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", INSIDE)
def test_preprocessing_before_the_network_equals_keras_inside_it(name, images):
    row = ROWS[name]
    ours = build(row.builder, num_classes=None, input_shape=(32, 32, 3))
    theirs = getattr(applications, INSIDE[name])(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    theirs.set_weights(ours.get_weights())
    expected = theirs(images).numpy()
    found = ours(row.preprocess(images)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_efficientnet_is_normalised_as_keras_does_with_imagenet_weights(
    images, tmp_path, monkeypatch
):
    """Keras adds a layer for `weights="imagenet"` alone; ours is always so."""
    full = applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    normalization = full.get_layer(index=2)
    # The published file has the deviations where the layer expects variances.
    normalization.set_weights(
        [np.array(MEAN), np.array([0.229, 0.224, 0.225]), np.array(0)]
    )
    path = tmp_path / "imagenet.weights.h5"
    full.save_weights(path)
    monkeypatch.setattr(
        "keras.src.applications.efficientnet.file_utils.get_file",
        lambda *args, **kwargs: str(path),
    )
    theirs = applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(32, 32, 3)
    )
    ours = build("EfficientNetB0", num_classes=None, input_shape=(32, 32, 3))
    ours.set_weights(full.get_weights()[3:])
    expected = theirs(images).numpy()
    found = ours(ROWS["efficientnet_b0"].preprocess(images)).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    without = full(images).numpy()
    assert np.abs(without - expected).max() > 1e-2 * np.abs(expected).max()
