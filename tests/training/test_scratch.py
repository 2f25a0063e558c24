"""Training from random weights: all layers move."""

import numpy as np
import pytest

from tl_keras.errors import UsageError
from tl_keras.training import scratch
from tl_keras.training.history import History


@pytest.fixture
def config(config):
    return config.override(
        scratch={"name": "lenet5", "epochs": 2, "batch_size": 8},
        augment={"policy": "none"},
    )


def test_all_layers_train(config, manifest, tmp_path):
    network = scratch.build(config, manifest.class_names)
    before = network.model.get_weights()
    scratch.train(network, manifest, config, History(tmp_path))
    for old, new in zip(before, network.model.get_weights(), strict=True):
        assert not np.array_equal(old, new)


@pytest.mark.slow
def test_batch_normalization_trains_too(config, manifest, tmp_path):
    chosen = {"name": "resnet20_cifar", "epochs": 1, "patience": 1}
    config = config.override(scratch=chosen, backbone={"image_size": 8})
    network = scratch.build(config, manifest.class_names)
    statistics = [w for w in network.model.weights if "moving_mean" in w.path]
    before = [weight.numpy() for weight in statistics]
    scratch.train(network, manifest, config, History(tmp_path))
    # The first epoch's weights are kept: on one image a class nothing is worse.
    assert statistics and not np.array_equal(before[0], statistics[0].numpy())


def test_network_of_one_channel_sees_grey(config, manifest):
    network = scratch.build(config, manifest.class_names)
    red = np.zeros((1, 32, 32, 3), np.float32)
    red[..., 0] = 255
    grey = np.full((1, 32, 32, 3), 0.299 * 255, np.float32)
    np.testing.assert_allclose(network.model(red), network.model(grey), rtol=1e-3)


def test_option_reaches_the_builder(config, manifest):
    config = config.override(scratch={"options": {"variant": "original"}})
    model = scratch.build(config, ("a", "b")).model
    # 60,000 up to F6, and two classes that read its 84 units.
    assert model.count_params() == 60_000 + 2 * 85


def test_image_that_is_too_small_is_refused(config, manifest):
    config = config.override(backbone={"image_size": 16})
    with pytest.raises(UsageError, match="at least 32x32 for lenet5"):
        scratch.build(config, manifest.class_names)


def test_auxiliary_heads_are_refused_with_what_to_do(config):
    chosen = {"name": "googlenet", "options": {"auxiliary": True}}
    config = config.override(scratch=chosen, backbone={"image_size": 65})
    with pytest.raises(UsageError, match="Leave `auxiliary` out"):
        scratch.build(config, ("a", "b"))


@pytest.mark.parametrize("option", ["num_classes", "input_shape"])
def test_option_that_the_images_decide_is_refused(config, option):
    with pytest.raises(UsageError, match=r"scratch\.options.*images decide"):
        config.override(scratch={"options": {option: 3}})
