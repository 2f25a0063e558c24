"""Local response normalization, shared by AlexNet and GoogLeNet.

Section 3.3 of Krizhevsky et al., 2012:
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="tl_keras")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the squares around it, along the channels.

    A value `a` becomes `a / (k + alpha * s) ** beta`, where `s` is the sum (not the
    mean) of the squares over `2 * depth_radius + 1` adjacent channels at the same
    place, fewer at the ends. The paper's `n = 5` is a radius of 2. It computes in
    float32, whatever the dtype of its input.

    A saved `.keras` file with this layer loads after this module is imported.
    """

    def __init__(
        self,
        *,
        depth_radius: int = 2,
        k: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs: Any,
    ) -> None:
        """Makes the layer; the defaults are the paper's constants."""
        super().__init__(**kwargs)
        self.depth_radius = depth_radius
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalizes a feature map `(batch, height, width, channels)`."""
        x = tf.nn.local_response_normalization(
            ops.cast(inputs, "float32"),
            depth_radius=self.depth_radius,
            bias=self.k,
            alpha=self.alpha,
            beta=self.beta,
        )
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        config = super().get_config()
        for name in ("depth_radius", "k", "alpha", "beta"):
            config[name] = getattr(self, name)
        return config
