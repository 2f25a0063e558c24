"""The head: pooling, dropout and one dense layer that gives the logits."""

from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression

from tl_keras.backbones.catalogue import Backbone
from tl_keras.backbones.freezing import freeze_batch_normalization

LOGITS = "logits"
TINY = 1e-12


@dataclass(frozen=True)
class Classifier:
    """A backbone with a head on it.

    Attributes:
        backbone: From pixels to the feature map.
        dense: From pooled features to logits.
        dropout: Share of the pooled features that a training step leaves out.
        class_names: In the order of the logits.
    """

    backbone: Backbone
    dense: layers.Dense
    dropout: float
    class_names: tuple[str, ...]

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self.backbone.image_size

    @cached_property
    def model(self) -> keras.Model:
        """From pixels in [0, 255], `(batch, side, side, 3)`, to logits."""
        inputs = self.backbone.inputs()
        feature_map = self.backbone.model(inputs)
        return keras.Model(inputs, self._attach(feature_map), name="classifier")

    def trainable_part(self, unfreeze: int) -> keras.Model:
        """Returns what trains, batch normalization frozen.

        Args:
            unfreeze: Stages of the backbone to train; 0 for the head alone.

        Returns:
            From the feature map at the cut to logits; with `unfreeze=0` from pooled
            features to logits.
        """
        if not unfreeze:
            features = keras.Input((self.backbone.network.output.shape[-1],))
            logits = self._drop_and_classify(features)
            return keras.Model(features, logits, name="head")
        _, suffix = self.backbone.split(unfreeze)
        freeze_batch_normalization(suffix)
        return keras.Model(suffix.input, self._attach(suffix.output), name="suffix")

    def _attach(self, feature_map: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the head to a feature map."""
        features = layers.GlobalAveragePooling2D(name="pool")(feature_map)
        return self._drop_and_classify(features)

    def _drop_and_classify(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the head to pooled features."""
        return self.dense(layers.Dropout(self.dropout, name="dropout")(features))


def attach(
    backbone: Backbone, class_names: tuple[str, ...], *, dropout: float
) -> Classifier:
    """Puts a new head on a backbone.

    Args:
        backbone: The network; it is shared, not copied.
        class_names: In the order of the logits.
        dropout: Share of the pooled features that a training step leaves out.
    """
    # Logits stay in float32 under any precision policy.
    dense = layers.Dense(len(class_names), dtype="float32", name=LOGITS)
    dense.build((None, backbone.network.output.shape[-1]))
    return Classifier(backbone, dense, dropout, class_names)


def solve(features: np.ndarray, labels: np.ndarray, l2: float) -> list[np.ndarray]:
    """Solves the head as a multinomial logistic regression by L-BFGS.

    The problem is convex: this is the best linear head on these features, in a
    second, with no learning rate to choose.

    Args:
        features: Pooled features, `(images, channels)`.
        labels: Class indices, `(images,)`; every class occurs.
        l2: Strength of the penalty on the weights, on standardised features.

    Returns:
        Kernel `(channels, classes)` and bias `(classes,)` for the features as they
        are, the standardisation folded in.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    # A feature that hardly varies here must not come out magnified a thousand times.
    deviation = np.maximum(deviation, max(0.1 * deviation.mean(), TINY))
    solver = LogisticRegression(C=1 / l2, max_iter=1000)
    solver.fit((features - mean) / deviation, labels)
    weights, bias = solver.coef_, solver.intercept_
    if len(weights) == 1:
        # Of two classes scikit-learn gives the difference of the logits.
        weights = np.concatenate([-weights, weights]) / 2
        bias = np.concatenate([-bias, bias]) / 2
    kernel = weights.T / deviation[:, np.newaxis]
    return [kernel.astype(np.float32), (bias - mean @ kernel).astype(np.float32)]
