"""Depthwise convolutions that learn by products: the same numbers and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tl_keras.training import depthwise
from tl_keras.training.products import as_products


def connected(side=5, channels=3, **options):
    """Returns a layer that was called on maps, with random weights."""
    inputs = keras.Input((*np.broadcast_to(side, 2).tolist(), channels))
    options = {"kernel_size": 5, "padding": "same", **options}
    layer = layers.DepthwiseConv2D(bias_initializer="random_normal", **options)
    layer(inputs)
    return layer


def gradients(layer, maps):
    """Returns outputs and the gradients of their weighted sum."""
    weights = tf.random.stateless_normal(tf.shape(layer(maps)), (7, 7))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps)
        total = tf.reduce_sum(outputs * weights)
    return outputs, *tape.gradient(total, [maps, *layer.trainable_weights])


@pytest.mark.parametrize("side", [(5, 5), (7, 7), (2, 3), (1, 8)], ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"kernel_size": (3, 7)}, {"kernel_size": 6}, {"activation": "relu"}],
    ids=str,
)
def test_outputs_and_gradients_are_those_of_keras(side, options):
    theirs = connected(side, **options)
    ours = depthwise.DepthwiseConv2D.from_config(theirs.get_config())
    maps = tf.random.stateless_normal((4, *side, 3), (1, 2))
    ours.build(maps.shape)
    ours.set_weights(theirs.get_weights())
    for one, other in zip(gradients(ours, maps), gradients(theirs, maps), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_it_pays_where_kernels_are_large_and_maps_small():
    assert depthwise.pays(connected())
    assert depthwise.pays(connected(8))


@pytest.mark.parametrize(
    "layer",
    [
        connected(9),
        connected(kernel_size=3),
        connected(padding="valid"),
        connected(strides=2),
        connected(dilation_rate=2),
        connected(depth_multiplier=2),
    ],
    ids=["large map", "3x3", "valid", "strides", "dilated", "two a channel"],
)
def test_it_does_not_pay_elsewhere(layer):
    assert not depthwise.pays(layer)


def test_maps_of_open_size_stay_with_keras():
    layer = layers.DepthwiseConv2D(5, padding="same")
    layer(keras.Input((None, None, 3)))
    assert not depthwise.pays(layer)


def test_copy_of_a_model_learns_by_products_and_keeps_what_is_frozen():
    inputs = keras.Input((5, 5, 3))
    x = layers.DepthwiseConv2D(5, padding="same", name="large", trainable=False)(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", name="small")(x)
    model = keras.Model(inputs, layers.Flatten()(x))
    copy = as_products(model)
    assert type(copy.get_layer("large")) is depthwise.DepthwiseConv2D
    assert type(copy.get_layer("small")) is layers.DepthwiseConv2D
    assert not copy.get_layer("large").trainable
    maps = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(copy(maps), model(maps), rtol=1e-5, atol=1e-6)


def test_maps_whose_size_is_open_in_the_graph_learn_too():
    # As in a model of images that grow, which shares these layers.
    theirs = connected()
    ours = depthwise.DepthwiseConv2D.from_config(theirs.get_config())
    maps = tf.random.stateless_normal((4, 6, 6, 3), (1, 2))
    ours.build(maps.shape)
    ours.set_weights(theirs.get_weights())
    open_size = tf.TensorSpec((None, None, None, 3))
    traced = tf.function(lambda given: gradients(ours, given)[1:], [open_size])
    for one, other in zip(traced(maps), gradients(theirs, maps)[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
