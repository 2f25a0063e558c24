"""Convolutions in groups, for a graph that runs anywhere.

Keras compiles them by XLA on a CPU, which no converter takes, nor every server. In the
exported graph they are depthwise convolutions where each channel is a group of its own,
as in ConvNeXt, and a convolution for each group elsewhere.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import keras
import tensorflow as tf
from keras import layers


@contextlib.contextmanager
def in_plain_operations(model: keras.Model) -> Iterator[None]:
    """Lets a model's grouped convolutions be traced as operations of TensorFlow."""
    grouped = [
        layer
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if isinstance(layer, layers.Conv2D) and layer.groups > 1
    ]
    for layer in grouped:
        layer.convolution_op = partial(_convolve, layer)
    try:
        yield
    finally:
        for layer in grouped:
            del layer.convolution_op


def _convolve(layer: layers.Conv2D, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Returns what Keras's layer does, `(images, height, width, filters)`."""
    given = dict(padding=layer.padding.upper())
    depthwise = layer.groups == inputs.shape[-1]
    if depthwise and layer.strides[0] == layer.strides[1]:
        # `(height, width, 1, filters)`: the filters of a channel stand together.
        shape = [*kernel.shape[:2], layer.groups, layer.filters // layer.groups]
        return tf.nn.depthwise_conv2d(
            inputs,
            tf.reshape(kernel, shape),
            strides=[1, *layer.strides, 1],
            dilations=layer.dilation_rate,
            **given,
        )
    convolve: Callable[..., tf.Tensor] = partial(
        tf.nn.conv2d, strides=layer.strides, dilations=layer.dilation_rate, **given
    )
    parts = zip(
        tf.split(inputs, layer.groups, axis=-1), tf.split(kernel, layer.groups, axis=-1)
    )
    return tf.concat([convolve(*part) for part in parts], axis=-1)
