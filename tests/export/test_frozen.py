"""The frozen graph: what it computes, and what is folded away."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tl_keras.export.frozen import freeze

SIDE = 16


def random_statistics(model):
    """Gives batch normalization statistics that change what it computes."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights(
                [random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights]
            )
    return model


def network(*convolutions):
    """Returns a network of convolutions with batch normalization and dropout."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((SIDE, SIDE, 3), name="images")
    x = layers.Rescaling(1 / 127.5, -1.0)(x)
    for convolution in convolutions:
        x = layers.BatchNormalization()(convolution(x))
        x = layers.Dropout(0.5)(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return random_statistics(keras.Model(inputs, [layers.Dense(3)(x), x]))


def pixels(count=4):
    random = np.random.default_rng(1)
    return random.integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def operations(frozen):
    return Counter(node.op for node in frozen.graph.node)


CONVOLUTIONS = {
    "full": lambda: layers.Conv2D(4, 3, use_bias=False),
    "with a bias": lambda: layers.Conv2D(4, 3, bias_initializer="random_normal"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, use_bias=False),
    "depthwise, two of each": lambda: layers.DepthwiseConv2D(
        3, depth_multiplier=2, bias_initializer="random_normal"
    ),
    "strided": lambda: layers.Conv2D(4, 3, 2, padding="same", use_bias=False),
    "in groups": lambda: layers.Conv2D(6, 3, groups=3, use_bias=False),
    "in groups, strided": lambda: layers.Conv2D(9, 3, 2, groups=3, padding="same"),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_batch_normalization_is_folded_and_nothing_changes(name):
    model = network(CONVOLUTIONS[name](), CONVOLUTIONS[name]())
    frozen = freeze(model, "multi_class", 2.0)
    given = pixels()
    logits, features = model(given.astype(np.float32), training=False)
    expected = keras.ops.softmax(logits / 2.0)
    found = frozen.function()(tf.constant(given))
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], features, atol=1e-5)
    count = operations(frozen)
    assert not count["Rsqrt"] and not count["PartitionedCall"]
    # One product scales the pixels, one the logits.
    if not name.startswith("in groups"):
        assert count["Mul"] <= 2


def test_grouped_convolution_is_left_as_it_was():
    model = network(CONVOLUTIONS["in groups"]())
    (layer,) = [one for one in model.layers if isinstance(one, layers.Conv2D)]
    freeze(model, "multi_class", 1.0)
    assert "convolution_op" not in vars(layer)


def test_no_operation_of_training_is_left():
    count = operations(freeze(network(CONVOLUTIONS["full"]()), "multi_class", 1.0))
    names = " ".join(count)
    assert "FusedBatchNorm" not in names and "Random" not in names
    assert not {"VarHandleOp", "ReadVariableOp", "AssignVariableOp"} & set(count)


def test_factor_of_what_is_used_twice_stays():
    """The convolution's own result counts, too: its kernel must not change."""
    inputs = keras.Input((SIDE, SIDE, 3), name="images")
    convolved = layers.Conv2D(4, 3, use_bias=False)(inputs)
    normal = layers.BatchNormalization()(convolved)
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()([convolved, normal]))
    model = random_statistics(keras.Model(inputs, [layers.Dense(3)(x), x]))
    given = pixels()
    found = freeze(model, "multi_class", 1.0).function()(tf.constant(given))
    expected = model(given.astype(np.float32), training=False)[1]
    np.testing.assert_allclose(found[1], expected, rtol=1e-4)


def test_first_output_alone_can_be_taken():
    frozen = freeze(network(CONVOLUTIONS["full"]()), "multi_class", 1.0)
    assert [part.shape for part in frozen.function(1)(tf.constant(pixels(2)))] == [
        (2, 3)
    ]


def test_network_is_frozen_to_the_same_graph_twice():
    model = network(CONVOLUTIONS["depthwise"]())
    both = [freeze(model, "multi_class", 1.0) for _ in range(2)]
    given = tf.constant(pixels())
    first, second = (one.function(1)(given)[0].numpy() for one in both)
    assert first.tobytes() == second.tobytes()
