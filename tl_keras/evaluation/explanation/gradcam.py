"""Grad-CAM (Selvaraju et al., 2017): https://arxiv.org/abs/1610.02391.

Where in an image a class's logit comes from: the channels of a feature map, each
weighted by the mean of the logit's gradient with respect to it (equation 1), summed,
negative sums cut off (equation 2).
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor

from tl_keras.backbones import stages
from tl_keras.errors import UsageError
from tl_keras.registry import suggestion
from tl_keras.training import outputs
from tl_keras.training.head import Classifier
from tl_keras.training.scratch import Network

# Stands for each image's most probable class.
PREDICTED = -1


def of_batch(
    classifier: Classifier | Network, layer: str | None = None
) -> Callable[[tf.Tensor, np.ndarray | None], np.ndarray]:
    """Returns a function from a batch of pixels and a class each to heat maps.

    The classifier is only read: its weights and what of it trains stay as they are,
    and batch normalization uses its statistics, whatever is frozen.

    Args:
        classifier: The network.
        layer: The block or layer whose output is explained; `None` for the last
            feature map of more than one place.

    Returns:
        From pixels in [0, 255], `(batch, side, side, 3)`, and class indices,
        `(batch,)`, or `None` for the most probable classes, to float32 in [0, 1],
        `(batch, side, side)`. The largest value of each map is 1, unless nothing
        speaks for the class: then all are 0.

    Raises:
        UsageError: If the network has no such layer, or no feature map.
    """
    before, after = cut(classifier, layer)
    side, kind = classifier.image_size, classifier.outputs
    pixels = tf.TensorSpec(before.inputs[0].shape, tf.float32)
    numbers = tf.TensorSpec((None,), tf.int32)

    @tf.function(input_signature=[pixels, numbers])
    def call(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        feature_map = before(images, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(feature_map)
            scores = score(after(feature_map, training=False), classes, kind)
        return heat(feature_map, tape.gradient(scores, feature_map), side)

    def explain(images: tf.Tensor, classes: np.ndarray | None = None) -> np.ndarray:
        if classes is None:
            classes = np.full(len(images), PREDICTED)
        numbers = tf.constant(classes, tf.int32)
        return call(tf.cast(images, tf.float32), numbers).numpy()

    return explain


def score(logits: tf.Tensor, classes: tf.Tensor, kind: str) -> tf.Tensor:
    """Returns what speaks for each image's class, `(batch,)`.

    Args:
        logits: `(batch, width)`.
        classes: Class indices, `(batch,)`; `PREDICTED` takes the most probable one.
        kind: What the logits stand for: see `training.outputs`.
    """
    if kind == outputs.BINARY:
        # One logit speaks for the second class, and against the first.
        logits = tf.concat([-logits, logits], axis=-1)
    highest = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return tf.gather(logits, tf.where(classes < 0, highest, classes), batch_dims=1)


def heat(feature_map: tf.Tensor, gradient: tf.Tensor, side: int) -> tf.Tensor:
    """Returns heat maps in [0, 1], float32 `(batch, side, side)`.

    Args:
        feature_map: `(batch, height, width, channels)`.
        gradient: Of each image's score with respect to it, of the same shape.
        side: Of the images in pixels; the maps are enlarged bilinearly.
    """
    feature_map, gradient = (tf.cast(x, tf.float32) for x in (feature_map, gradient))
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * feature_map, axis=-1, keepdims=True))
    maps = tf.image.resize(maps, (side, side))[..., 0]
    return tf.math.divide_no_nan(maps, tf.reduce_max(maps, (1, 2), keepdims=True))


def cut(
    classifier: Classifier | Network, layer: str | None = None
) -> tuple[keras.Model, keras.Model]:
    """Cuts a classifier at a feature map; the layers are shared.

    Args:
        classifier: The network.
        layer: See `of_batch`.

    Returns:
        From pixels in [0, 255] to the feature map, and from there to logits.

    Raises:
        UsageError: If the network has no such layer, or no feature map.
    """
    if isinstance(classifier, Classifier):
        backbone, head = classifier.backbone, classifier.head
        end = _layer(backbone.network, layer)
        suffix = backbone.between(end, None)
        after = keras.Model(suffix.input, head(suffix.output), name="after")
        return backbone.prefix(end), after
    model = classifier.model
    inner = model.layers[-1]
    feature_map = stages.output_of(inner, _layer(inner, layer))
    start = keras.Model(inner.input, feature_map, name="start")
    prepared = model.get_layer("preprocessing").output
    before = keras.Model(model.input, start(prepared), name="before")
    return before, keras.Model(feature_map, inner.output, name="after")


def _layer(network: keras.Model, wanted: str | None) -> str:
    """Returns the layer whose output is the feature map asked for.

    Raises:
        UsageError: If there is none.
    """
    found = {
        name: output
        for name in stages.cut_layers(network)
        if _is_map(output := stages.output_of(network, name))
    }
    blocks = {
        block.name: block.end for block in stages.blocks(network) if block.end in found
    }
    if wanted is not None:
        if wanted in found or wanted in blocks:
            return wanted if wanted in found else blocks[wanted]
        raise UsageError(
            f"Unknown layer {wanted!r} of {network.name}: it has none of that name "
            f"that gives a feature map and that every path runs through."
            f"{suggestion(wanted, blocks)}"
        )
    if not found:
        raise UsageError(
            f"{network.name} has no feature map of more than one place for Grad-CAM "
            f"to explain. Use the method 'occlusion'."
        )
    return list(found)[-1]


def _is_map(output: KerasTensor) -> bool:
    """Tells whether an output has places to tell apart."""
    return len(output.shape) == 4 and output.shape[1] * output.shape[2] > 1
