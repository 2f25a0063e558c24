"""What logits stand for: the width, loss, accuracy and probabilities of each kind.

`multi_class`: one logit a class, a softmax over them, one class an image. `binary`: one
logit, the second class's against the first's. `multi_label`: one logit a class, each
with a sigmoid of its own, any number of classes an image.
"""

import keras
import numpy as np
from keras import KerasTensor, ops

MULTI_CLASS, BINARY, MULTI_LABEL = "multi_class", "binary", "multi_label"


def width(kind: str, classes: int) -> int:
    """Returns the number of logits."""
    return 1 if kind == BINARY else classes


def probabilities(logits: KerasTensor | np.ndarray, kind: str) -> KerasTensor:
    """Returns the class probabilities, `(images, classes)`, whatever the kind is.

    Args:
        logits: `(images, width)`.
        kind: `multi_class`, `binary` or `multi_label`.
    """
    if kind == MULTI_CLASS:
        return ops.softmax(logits)
    if kind == BINARY:
        # 1 - p would be 0 wherever p is close to 1.
        logits = ops.concatenate([-logits, logits], axis=-1)
    return ops.sigmoid(logits)


def loss(kind: str, label_smoothing: float) -> keras.losses.Loss:
    """Returns the cross-entropy of targets and logits, `(images, width)` both."""
    if kind == MULTI_CLASS:
        loss = keras.losses.CategoricalCrossentropy
    else:
        loss = keras.losses.BinaryCrossentropy
    return loss(from_logits=True, label_smoothing=label_smoothing)


def accuracy(kind: str) -> keras.metrics.Metric:
    """Returns the share of right answers: of images, or of labels with multi-label."""
    if kind == MULTI_CLASS:
        return keras.metrics.CategoricalAccuracy(name="accuracy")
    # Keras's own takes thresholds between 0 and 1 only, and no mixed targets.
    return keras.metrics.MeanMetricWrapper(_right, name="accuracy")


def counted_accuracy(kind: str) -> keras.metrics.Metric:
    """Returns the same of the images that have a weight, whatever it is.

    Several replicas fill up their batches with images of weight 0.
    """
    multi_class = kind == MULTI_CLASS
    return _Counted(
        keras.metrics.categorical_accuracy if multi_class else _right, name="accuracy"
    )


class _Counted(keras.metrics.MeanMetricWrapper):
    """The mean over the images with a weight; each of them counts alike."""

    def update_state(
        self,
        targets: KerasTensor,
        logits: KerasTensor,
        sample_weight: KerasTensor | None = None,
    ) -> None:
        """Adds a batch."""
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight > 0, "float32")
        super().update_state(targets, logits, sample_weight)


def _right(targets: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """Returns the share of an image's logits that lie on their targets' side."""
    return ops.mean(ops.equal(logits > 0, targets > 0.5), axis=-1)


def targets(labels: np.ndarray, width: int) -> np.ndarray:
    """Returns what the logits are compared with, float32 `(images, width)`.

    Args:
        labels: Class indices, `(images,)`, or targets, `(images, width)`.
        width: Number of logits.
    """
    if labels.ndim == 2:
        return labels.astype(np.float32)
    if width == 1:
        return labels[:, np.newaxis].astype(np.float32)
    return np.eye(width, dtype=np.float32)[labels]
