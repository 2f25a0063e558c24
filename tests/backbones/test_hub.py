"""Presets of KerasHub, from folders that the tests write."""

import numpy as np
import pytest

from tl_keras.backbones import catalogue, hub
from tl_keras.errors import UsageError, WeightsError
from tl_keras.training.cache import networks

SCALE, OFFSET = (0.01, 0.02, 0.03), (-1.0, -1.1, -1.2)


@pytest.fixture(scope="module")
def library():
    import keras_hub

    return keras_hub


@pytest.fixture(scope="module")
def preset(library, tmp_path_factory):
    """A folder with a small ResNet, its weights and its preprocessing."""
    folder = tmp_path_factory.mktemp("presets") / "resnet"
    network = library.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
    )
    converter = library.layers.ResNetImageConverter(
        image_size=(48, 48), scale=SCALE, offset=OFFSET
    )
    preprocessor = library.models.ResNetImageClassifierPreprocessor(converter)
    task = library.models.ResNetImageClassifier(
        backbone=network, num_classes=3, preprocessor=preprocessor
    )
    task.save_to_preset(folder)
    return folder, network, converter


@pytest.fixture
def pixels():
    random = np.random.default_rng(0)
    return random.uniform(0, 255, (2, 48, 48, 3)).astype(np.float32)


@pytest.mark.slow
def test_preset_computes_what_kerashub_does(preset, pixels):
    folder, network, converter = preset
    backbone = catalogue.load(f"hub:{folder}")
    assert backbone.image_size == 48
    expected = network(converter(pixels), training=False).numpy()
    assert expected.std() > 0
    found = backbone.model(pixels, training=False).numpy()
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_preset_is_cut_like_any_network(preset, pixels):
    backbone = catalogue.load(f"hub:{preset[0]}")
    whole = backbone.model(pixels, training=False).numpy()
    assert len(backbone.stages) == 3
    prefix, suffix = backbone.split("stack1_block0")
    assert np.allclose(suffix(prefix(pixels)).numpy(), whole, rtol=1e-5, atol=1e-5)
    assert suffix.weights and prefix.weights


@pytest.mark.slow
def test_preset_without_its_weights_is_random(preset):
    name = f"hub:{preset[0]}"
    random, loaded = catalogue.load(name, weights="none"), catalogue.load(name)
    assert random.blocks == loaded.blocks
    assert networks.fingerprints(random)[-1] != networks.fingerprints(loaded)[-1]


@pytest.mark.slow
def test_tokens_of_a_transformer_are_a_feature_map(library, tmp_path):
    network = library.models.ViTBackbone(
        image_shape=(32, 32, 3),
        patch_size=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    network.save_to_preset(tmp_path / "vit")
    backbone = catalogue.load(f"hub:{tmp_path / 'vit'}", image_size=32)
    # Four patches and the class token.
    assert backbone.model.output_shape == (None, 5, 1, 8)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    expected = network(images, training=False).numpy()
    found = backbone.model(images, training=False).numpy()
    assert np.allclose(found[:, :, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_missing_preset_says_how_to_work_offline(library, tmp_path):
    with pytest.raises(WeightsError, match="missing.*cannot be loaded.*hub:FOLDER"):
        catalogue.load(f"hub:{tmp_path / 'missing'}")


def test_missing_library_names_the_extra(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(hub.importlib, "import_module", refuse)
    with pytest.raises(UsageError, match=r"tl_keras\[keras-hub\]"):
        catalogue.load("hub:resnet_18_imagenet")
