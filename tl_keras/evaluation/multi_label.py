"""How good a classifier is whose images have any number of classes."""

from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from tl_keras.evaluation.metrics import per_class, wilson

THRESHOLD = 0.5
# A probability of exactly 0 or 1 that is wrong would make the loss infinite.
TINY = 1e-7


def compute(
    targets: np.ndarray, probabilities: np.ndarray, class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Returns the figures of a set of predictions at a threshold of 0.5.

    Args:
        targets: 1 at each image's classes and 0 elsewhere, `(images, classes)`.
        probabilities: Each class's own, `(images, classes)`.
        class_names: In the order of the columns.

    Returns:
        `images`, `loss` (binary cross-entropy, mean over images and classes),
        `accuracy` (share of images of which every class is right),
        `accuracy_interval` (95 %, Wilson's), `top_3` (`None`), macro `precision`,
        `recall` and `f1` over the classes that occur, the same over all labels
        together as `micro_…`, and `per_class`. JSON's types only.
    """
    truth, found = targets > 0.5, probabilities > THRESHOLD
    hits = int((truth == found).all(axis=1).sum())
    rows = per_class(truth, found, class_names)
    # Images may all be of no class.
    occurring = [row for row in rows if row["images"]] or rows
    names = ("precision", "recall", "f1")
    micro = precision_recall_fscore_support(
        truth, found, average="micro", zero_division=0
    )
    return {
        "images": len(targets),
        "loss": _loss(truth, probabilities),
        "accuracy": hits / len(targets),
        "accuracy_interval": list(wilson(hits, len(targets))),
        "top_3": None,
        **{name: float(np.mean([row[name] for row in occurring])) for name in names},
        **{f"micro_{name}": float(value) for name, value in zip(names, micro)},
        "per_class": rows,
    }


def _loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Returns the mean binary cross-entropy."""
    right = np.where(truth, probabilities, 1 - probabilities).astype(float)
    return float(-np.log(np.maximum(right, TINY)).mean())
