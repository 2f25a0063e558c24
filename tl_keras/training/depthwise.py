"""Depthwise convolutions of small maps whose kernels learn by products of matrices.

TensorFlow takes about seven times as long for the gradient of a 5x5 kernel as for the
convolution. Products of all places with all places took a quarter of that on maps of
5x5 places, half on 7x7 and as much on 10x10. For a 3x3 kernel TensorFlow is faster.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import tensorflow as tf
from keras import layers

LEAST_KERNEL, MOST_PLACES = 5, 64


class DepthwiseConv2D(layers.DepthwiseConv2D):
    """Keras's layer; it computes the same, and the same gradients up to rounding."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves feature maps, `(images, height, width, channels)`."""
        if None in inputs.shape[1:]:
            # A network of images that grow has this layer, too, at any size.
            return super().call(inputs)
        outputs = _convolve(inputs, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs += self.bias
        return self.activation(outputs)


def pays(layer: layers.Layer) -> bool:
    """Tells whether a layer is one that learns faster by products."""
    # Layers derived from Keras's may compute something else.
    if type(layer) is not layers.DepthwiseConv2D:
        return False
    sides = layer.input.shape[1:3]
    return (
        layer.data_format == "channels_last"
        and layer.padding == "same"
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.depth_multiplier == 1
        and max(layer.kernel_size) >= LEAST_KERNEL
        and None not in sides
        and np.prod(sides) <= MOST_PLACES
    )


@tf.custom_gradient
def _convolve(maps: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns the convolution, and the function that gives both gradients."""
    options = dict(strides=[1, 1, 1, 1], padding="SAME")

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_maps = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(maps), filter=kernel, out_backprop=upstream, **options
        )
        return of_maps, _of_kernel(maps, upstream, kernel.shape)

    return tf.nn.depthwise_conv2d(maps, kernel, **options), gradients


def _of_kernel(
    maps: tf.Tensor, upstream: tf.Tensor, shape: tuple[int, ...]
) -> tf.Tensor:
    """Returns the kernel's gradient.

    A tap's is the sum over all pairs of places that the tap joins: of the products of
    all places with all places, a channel at a time, those are added up.

    Args:
        maps: `(images, height, width, channels)`.
        upstream: The gradient of the outputs, of the same shape.
        shape: The kernel's: `(rows, columns, channels, 1)`.
    """
    height, width, channels = maps.shape[1:]
    places = height * width
    flat = (-1, places, channels)
    left = tf.transpose(tf.reshape(maps, flat), (2, 1, 0))
    right = tf.transpose(tf.reshape(upstream, flat), (2, 0, 1))
    pairs = tf.reshape(tf.matmul(left, right), (channels, places * places))
    taps = tf.constant(_taps(height, width, *shape[:2]), maps.dtype)
    return tf.reshape(tf.transpose(tf.matmul(pairs, taps)), shape)


@cache
def _taps(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """Returns which tap joins which pair of places.

    Returns:
        0 and 1, `(pairs, taps)`; a pair is an input's place, then an output's.
    """
    down, across = _offsets(height, rows), _offsets(width, columns)
    joined = np.einsum("yvr,xuc->yxvurc", down, across)
    return joined.reshape((height * width) ** 2, rows * columns)


def _offsets(length: int, taps: int) -> np.ndarray:
    """Returns which tap of an axis joins which places, `(inputs, outputs, taps)`."""
    places = np.arange(length)
    offset = places[:, np.newaxis] - places + (taps - 1) // 2
    return (offset[..., np.newaxis] == np.arange(taps)).astype(np.float32)
