"""Which weights move in training."""

import keras
import numpy as np
import pytest
from keras import layers

from tl_keras.backbones import catalogue
from tl_keras.backbones.freezing import freeze_batch_normalization


def values(model, kind):
    """Returns copies of the weights of one kind of layer."""
    found = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    return [weight.numpy() for layer in found for weight in layer.weights]


def train(model, steps=2):
    """Takes real steps of `fit`, which runs layers in training mode."""
    random = np.random.default_rng(0)
    inputs = random.normal(2, 3, (4 * steps, *model.input_shape[1:]))
    targets = random.normal(0, 1, (4 * steps, *model.output_shape[1:]))
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    model.fit(inputs, targets, batch_size=4, verbose=0)


@pytest.fixture(scope="module")
def suffix():
    """Lite0's last stage, before it is trained."""
    backbone = catalogue.load("efficientnet_lite0", weights=None, image_size=32)
    return backbone.split(1)[1]


@pytest.fixture(scope="module")
def trained(suffix):
    """Values before and after two steps with frozen batch normalization, by kind."""
    freeze_batch_normalization(suffix)
    kinds = (layers.BatchNormalization, layers.Conv2D)
    before = {kind: values(suffix, kind) for kind in kinds}
    train(suffix)
    return {kind: (before[kind], values(suffix, kind)) for kind in kinds}


def test_batch_normalization_stays_bit_equal_in_training(trained):
    before, after = trained[layers.BatchNormalization]
    assert all(np.array_equal(old, new) for old, new in zip(before, after))


def test_kernels_move_in_training(trained):
    before, after = trained[layers.Conv2D]
    assert all((old != new).any() for old, new in zip(before, after))


def test_batch_normalization_would_move_if_it_were_not_frozen():
    # Shows that the steps above are steps in which statistics move.
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, layers.BatchNormalization()(inputs))
    before = values(model, layers.BatchNormalization)
    train(model)
    after = values(model, layers.BatchNormalization)
    assert all((old != new).any() for old, new in zip(before, after))


def test_batch_normalization_inside_a_nested_model_is_frozen():
    inner_inputs = keras.Input((4, 4, 3))
    x = layers.BatchNormalization()(inner_inputs)
    inner = keras.Model(inner_inputs, layers.Conv2D(2, 1)(x))
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, inner(inputs))
    freeze_batch_normalization(model)
    before = values(model, layers.BatchNormalization)
    train(model)
    after = values(model, layers.BatchNormalization)
    assert all(np.array_equal(old, new) for old, new in zip(before, after))


def test_only_batch_normalization_is_frozen(suffix, trained):
    kept = {type(layer) for layer in suffix.layers if not layer.trainable}
    assert kept == {layers.BatchNormalization}
