"""Layers that train faster in the place of convolutions: the same numbers."""

import keras
import numpy as np
import pytest
from keras import layers

from tl_keras.training.products import as_products, copy_weights

PIXELS = np.random.default_rng(0).normal(size=(4, 6, 6, 3)).astype(np.float32)
TARGETS = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)


@pytest.fixture
def model():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 1, use_bias=False, name="expand")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="activated")(x)
    x = layers.Conv2D(8, 1, strides=2, name="strided")(x)
    x = layers.Conv2D(8, 1, groups=2, name="grouped")(x)
    x = layers.Conv2D(8, 3, name="wide")(x)
    model = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))
    model.get_layer("bn").trainable = False
    return model


def test_copy_computes_what_the_model_computes(model):
    np.testing.assert_allclose(
        as_products(model)(PIXELS), model(PIXELS), rtol=1e-5, atol=1e-6
    )


def test_only_plain_1x1_convolutions_become_dense(model):
    copy = as_products(model)
    dense = {layer.name for layer in copy.layers if isinstance(layer, layers.Dense)}
    assert {"expand", "activated"} < dense
    assert not dense & {"strided", "grouped", "wide"}


def test_copy_is_frozen_where_the_model_is(model):
    model.get_layer("expand").trainable = False
    copy = as_products(model)
    frozen = {layer.name for layer in copy.layers if not layer.trainable}
    assert frozen == {"bn", "expand"}


def test_model_inside_the_model_and_operations_are_copied_too():
    inputs = keras.Input((6, 6, 3))
    inner = keras.Model(inputs, layers.Conv2D(5, 1, name="inner")(inputs) + 1)
    model = keras.Model(inputs, inner(inputs) * 2)
    copy = as_products(model)
    kinds = {type(layer) for layer in copy._flatten_layers()}
    assert layers.Dense in kinds and layers.Conv2D not in kinds
    np.testing.assert_allclose(copy(PIXELS), model(PIXELS), rtol=1e-5, atol=1e-6)


def test_trained_copy_equals_the_trained_model(model):
    copy = as_products(model)
    for network in (model, copy):
        network.compile(keras.optimizers.SGD(0.01), "mse")
        network.fit(PIXELS, TARGETS, epochs=3, batch_size=4, verbose=0)
    untrained = model(PIXELS)
    copy_weights(copy, model)
    np.testing.assert_allclose(model(PIXELS), untrained, rtol=1e-4, atol=1e-5)


def test_weights_come_back_into_the_model(model):
    copy = as_products(model)
    copy.set_weights([weight + 1 for weight in copy.get_weights()])
    copy_weights(copy, model)
    for one, other in zip(copy.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(one.ravel(), other.ravel())
