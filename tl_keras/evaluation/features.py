"""What a classifier makes of an image before its last layer: its features."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tl_keras.errors import UsageError
from tl_keras.training.head import Classifier
from tl_keras.training.heads import LOGITS
from tl_keras.training.scratch import Network


def of_batch(classifier: Classifier | Network) -> Callable[[tf.Tensor], np.ndarray]:
    """Returns a function from a batch of pixels to features, float32.

    It stands in for `classify` in `predictions.probabilities`, which gives the features
    of a manifest's images in its order.

    Args:
        classifier: The network.
    """
    model = network(classifier)
    pixels = tf.TensorSpec(model.inputs[0].shape, tf.float32)
    call = tf.function(
        lambda images: tf.cast(model(images, training=False), tf.float32),
        input_signature=[pixels],
    )
    return lambda images: call(tf.cast(images, tf.float32)).numpy()


def network(classifier: Classifier | Network) -> keras.Model:
    """Returns a model from pixels in [0, 255] to the last dense layer's input.

    Args:
        classifier: Its layers are shared.

    Returns:
        From `(batch, side, side, 3)` to `(batch, features)`.

    Raises:
        UsageError: If the network ends in no dense layer.
    """
    if isinstance(classifier, Classifier):
        inputs = classifier.backbone.inputs()
        feature_map = classifier.backbone.model(inputs)
        head = classifier.head
        last = keras.Model(head.input, head.get_layer(LOGITS).input)
        return keras.Model(inputs, last(feature_map), name="features")
    model = classifier.model
    inner = model.layers[-1]
    dense = [layer for layer in inner.layers if isinstance(layer, keras.layers.Dense)]
    if not dense:
        raise UsageError(
            f"{inner.name} ends in no dense layer: there are no features before it."
        )
    last = keras.Model(inner.input, dense[-1].input)
    prepared = model.get_layer("preprocessing").output
    return keras.Model(model.input, last(prepared), name="features")
