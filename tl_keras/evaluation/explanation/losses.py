"""The images that a classifier is most wrong about, or least sure of."""

from dataclasses import dataclass

import numpy as np

from tl_keras.datasets.manifest import LABEL_SEPARATOR, Manifest
from tl_keras.errors import DataError
from tl_keras.evaluation import predictions

# A probability of 0 for what is true would make the loss infinite.
TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An image and what the classifier says of it.

    Attributes:
        row: Its place in the manifest.
        path: As the manifest has it.
        true: Its class; of several labels all, joined by `|`.
        predicted: The most probable class, or all that are more probable than not.
        probability: Of the most probable class, in [0, 1].
        loss: Cross-entropy; with several labels the mean over the classes.
    """

    row: int
    path: str
    true: str
    predicted: str
    probability: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class TopLoss:
    """One of the images with the highest loss.

    Attributes:
        judged: The image and what the classifier says of it.
        explained: The class that the heat map is of.
        thumbnail: The image, as a PNG file's bytes.
        overlay: The same with the heat map over it.
    """

    judged: Judged
    explained: str
    thumbnail: bytes
    overlay: bytes


def judge(
    manifest: Manifest, predicted: np.ndarray, class_names: tuple[str, ...]
) -> list[Judged]:
    """Returns what the classifier says of each image, the highest loss first.

    Args:
        manifest: The images.
        predicted: Probabilities, `(images, classes)`, in the manifest's order.
        class_names: In the order of the columns.

    Raises:
        DataError: If an image is of a class that is not among `class_names`, or a
            probability is no number.
    """
    predicted = numbers(predicted)
    found = of_images(manifest.targets(class_names), predicted)
    # Equal losses keep the manifest's order.
    return [
        Judged(
            row=int(place),
            path=manifest.rows[place].path,
            true=manifest.rows[place].label,
            predicted=predictions.label(
                predicted[place], class_names, manifest.multi_label
            ),
            probability=float(predicted[place].max()),
            loss=float(found[place]),
        )
        for place in np.argsort(-found, kind="stable")
    ]


def numbers(predicted: np.ndarray) -> np.ndarray:
    """Returns probabilities as they are, and refuses what is none.

    Of NaN, the first class would pass for the most probable one.

    Args:
        predicted: Probabilities, `(images, classes)`.

    Raises:
        DataError: If there is NaN or infinity among them.
    """
    bad = int((~np.isfinite(predicted)).any(axis=1).sum())
    if bad:
        raise DataError(
            f"The predictions of {bad:,} of {len(predicted):,} images are no numbers "
            f"(NaN or infinity): the weights are spoilt. Train again, with a lower "
            f"learning rate."
        )
    return predicted


def of_images(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Returns each image's cross-entropy, float64 `(images,)`.

    Args:
        targets: Class indices, `(images,)`, or 1 at each image's classes and 0
            elsewhere, `(images, classes)`.
        predicted: Probabilities, `(images, classes)`.
    """
    predicted = np.asarray(predicted, np.float64)
    if targets.ndim == 1:
        right = predicted[np.arange(len(targets)), targets]
        return -np.log(np.maximum(right, TINY))
    right = np.where(targets > 0.5, predicted, 1 - predicted)
    return -np.log(np.maximum(right, TINY)).mean(axis=1)


def is_wrong(judged: Judged) -> bool:
    """Tells whether other classes are predicted than are true, in whatever order."""
    return classes(judged.true) != classes(judged.predicted)


def classes(label: str) -> set[str]:
    """Returns the classes in a label: one, or any number joined by `|`."""
    return set(label.split(LABEL_SEPARATOR)) - {""}
