"""Test-time augmentation: a prediction from several fixed views of an image.

Nothing is drawn at random, and nothing is trained: each view is classified by itself,
and the probabilities are averaged. What that gains depends on the images; what it costs
is one pass a view. Where a mirrored image means something else, as digits, letters and
signs do, the views that mirror are wrong.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.datasets import batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.evaluation import paired
from tl_keras.evaluation.multi_label import THRESHOLD
from tl_keras.evaluation.paired import Pairs
from tl_keras.evaluation.predictions import BATCH_SIZE
from tl_keras.progress import track
from tl_keras.registry import lookup

Classify = Callable[[tf.Tensor], np.ndarray]
NONE = "none"
# Krizhevsky et al. take 224 of 256 pixels.
CROP = 0.875


def none(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns the images as they are."""
    return (images,)


def flips(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns the images and their mirror images, left for right."""
    return images, images[:, :, ::-1]


def ten_crop(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns the four corners and the centre, and their mirror images.

    Krizhevsky et al. (2012), section 4.1, https://doi.org/10.1145/3065386: crops of
    87.5 % of the side, here resized to the side that the network takes.

    Args:
        images: uint8 in [0, 255], `(batch, side, side, 3)`.
    """
    side = images.shape[1]
    kept = max(1, round(CROP * side))
    far, middle = side - kept, (side - kept) // 2
    corners = ((0, 0), (0, far), (far, 0), (far, far), (middle, middle))
    crops = [images[:, y : y + kept, x : x + kept] for y, x in corners]
    resized = [tf.image.resize(crop, (side, side)) for crop in crops]
    found = [tf.cast(tf.round(crop), tf.uint8) for crop in resized]
    return tuple(view for crop in found for view in flips(crop))


VIEWS: dict[str, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]] = {
    NONE: none,
    "flips": flips,
    "ten_crop": ten_crop,
}


def named(name: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Returns what makes the views of a name.

    Raises:
        UsageError: If the name is unknown.
    """
    return lookup(VIEWS, name, "test-time augmentation")


def of_batch(classify: Classify, name: str) -> Classify:
    """Returns a function from a batch of pixels to the mean of the probabilities.

    Args:
        classify: From a batch of pixels to class probabilities.
        name: A key of `VIEWS`.

    Returns:
        From uint8 in [0, 255], `(batch, side, side, 3)`, to float32,
        `(batch, classes)`.

    Raises:
        UsageError: If the name is unknown.
    """
    views = named(name)
    return lambda images: np.mean([classify(view) for view in views(images)], axis=0)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The predictions of images without and with test-time augmentation.

    Attributes:
        name: A key of `VIEWS`.
        views: How many an image.
        plain: Probabilities of the images as they are, `(images, classes)`.
        averaged: The mean over the views.
        seconds: Of making and classifying the views, decoding left out.
        plain_seconds: Of classifying the images as they are.
    """

    name: str
    views: int
    plain: np.ndarray
    averaged: np.ndarray
    seconds: float
    plain_seconds: float

    @property
    def cost(self) -> float:
        """How many times longer it takes to classify."""
        return self.seconds / self.plain_seconds


def compare(
    classify: Classify, manifest: Manifest, square: Square, name: str
) -> Compared:
    """Predicts a manifest's images without and with test-time augmentation.

    Each image is decoded once, and the two are timed in turns on the same batches.

    Args:
        classify: From a batch of uint8 pixels to class probabilities.
        manifest: The images.
        square: What they are made of.
        name: A key of `VIEWS`.

    Raises:
        UsageError: If the name is unknown.
        DataError: If a file is gone or was changed.
    """
    averaged = of_batch(classify, name)
    warm = tf.zeros((1, *square.shape), tf.uint8)
    # The first call traces the network.
    averaged(warm)
    found: dict[str, list[np.ndarray]] = {"plain": [], "averaged": []}
    seconds = dict.fromkeys(found, 0.0)
    data = batches.read(batches.images(manifest, square, BATCH_SIZE))
    for images in track(data, "Predicting", len(manifest.rows), BATCH_SIZE):
        for key, call in (("plain", classify), ("averaged", averaged)):
            started = time.perf_counter()
            found[key].append(call(images))
            seconds[key] += time.perf_counter() - started
    return Compared(
        name=name,
        views=len(named(name)(warm)),
        plain=np.concatenate(found["plain"]),
        averaged=np.concatenate(found["averaged"]),
        seconds=seconds["averaged"],
        plain_seconds=seconds["plain"],
    )


def gain(compared: Compared, targets: np.ndarray) -> dict[str, Any]:
    """Returns what test-time augmentation gained and cost, image by image.

    Args:
        compared: The predictions.
        targets: Class indices, `(images,)`, or 1 at each image's classes and 0
            elsewhere, `(images, classes)`.

    Returns:
        `name`, `views`, `accuracy_without`, `gain` (accuracy with, less without) and
        its `interval` (95 %), `changed` (images that are predicted as another class),
        `mended` and `spoiled` (images that became right, and wrong), `p_value` (see
        `paired.mcnemar`), `seconds` and `seconds_without` (of classifying), `cost`
        (their ratio). JSON's types only.
    """
    before, after = (_said(p, targets) for p in (compared.plain, compared.averaged))
    truth = targets[:, np.newaxis] if targets.ndim == 1 else targets > THRESHOLD
    right_before, right_after = (
        (said == truth).all(axis=1) for said in (before, after)
    )
    pairs = Pairs.of(right_before, right_after)
    return {
        "name": compared.name,
        "views": compared.views,
        "accuracy_without": float(right_before.mean()),
        "gain": (pairs.only_b - pairs.only_a) / pairs.images,
        "interval": list(paired.difference_interval(pairs)),
        "changed": int((before != after).any(axis=1).sum()),
        "mended": pairs.only_b,
        "spoiled": pairs.only_a,
        "p_value": paired.mcnemar(pairs),
        "seconds": compared.seconds,
        "seconds_without": compared.plain_seconds,
        "cost": compared.cost,
    }


def _said(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns what is predicted, to compare with the targets, a row an image."""
    if targets.ndim == 1:
        return probabilities.argmax(axis=1)[:, np.newaxis]
    return probabilities > THRESHOLD
