"""How good a classifier is, from its probabilities on images it never saw."""

import math
from typing import Any

import numpy as np
from sklearn.metrics import (
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

TOP_K = 3
# Two-sided 95 % of the normal distribution.
Z = 1.959963984540054


def compute(
    labels: np.ndarray, probabilities: np.ndarray, class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Returns the figures of a set of predictions.

    Args:
        labels: True class indices, `(images,)`.
        probabilities: `(images, classes)`.
        class_names: In the order of the probabilities.

    Returns:
        `images`, `loss`, `accuracy`, `accuracy_interval` (95 %, Wilson's), `top_3`
        (`None` below four classes, where it says nothing), macro `precision`,
        `recall` and `f1` over the classes that occur, `per_class` and
        `confusion_matrix` (rows: true, columns: predicted). JSON's types only.
    """
    classes = np.arange(len(class_names))
    predicted = probabilities.argmax(axis=1)
    hits = int((predicted == labels).sum())
    rows = per_class(labels, predicted, class_names)
    occurring = [row for row in rows if row["images"]]
    macro = {
        name: float(np.mean([row[name] for row in occurring]))
        for name in ("precision", "recall", "f1")
    }
    top = None
    if len(class_names) > TOP_K:
        top = top_k_accuracy_score(labels, probabilities, k=TOP_K, labels=classes)
    # In float32 a row's sum misses 1 by more than scikit-learn accepts.
    exact = probabilities.astype(float)
    exact /= exact.sum(axis=1, keepdims=True)
    return {
        "images": len(labels),
        "loss": float(log_loss(labels, exact, labels=classes)),
        "accuracy": hits / len(labels),
        "accuracy_interval": list(wilson(hits, len(labels))),
        "top_3": None if top is None else float(top),
        **macro,
        "per_class": rows,
        "confusion_matrix": confusion_matrix(
            labels, predicted, labels=classes
        ).tolist(),
    }


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share (Wilson, 1927).

    Unlike hits ± 2 standard errors it stays within [0, 1] and does not shrink to
    nothing where every image is right.
    """
    share = hits / total
    centre = share + Z**2 / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    scale = 1 + Z**2 / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def per_class(
    labels: np.ndarray, predicted: np.ndarray, class_names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Returns precision, recall and F1 of each class; 0 where undefined.

    Args:
        labels: True class indices, `(images,)`, or which classes are true,
            `(images, classes)`.
        predicted: The same, as predicted.
        class_names: In the order of the indices.
    """
    columns = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(class_names)), zero_division=0
    )
    return [
        {
            "class": name,
            "images": int(images),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
        }
        for name, precision, recall, f1, images in zip(class_names, *columns)
    ]
