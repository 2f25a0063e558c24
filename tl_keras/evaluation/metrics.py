"""How good a classifier is, from its probabilities on images it never saw."""

import math
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tl_keras.evaluation import abstention, calibration, remarks, soundness
from tl_keras.evaluation.calibration import without_temperature
from tl_keras.evaluation.decision import UNDECIDED, Decision, confidence
from tl_keras.evaluation.ranking import Ranking
from tl_keras.evaluation.scores import Scores, scalars, with_ranks
from tl_keras.training.outputs import MULTI_CLASS

TOP = (3, 5)

# Two-sided 95 % of the normal distribution.
Z = 1.959963984540054
# As scikit-learn has it: a sure and wrong answer must not cost infinitely much.
TINY = np.finfo(float).eps
CONFUSED = 10


def compute(
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: tuple[str, ...],
    *,
    decision: Decision = UNDECIDED,
) -> dict[str, Any]:
    """Returns the figures of a set of predictions, one class an image.

    Args:
        labels: True class indices, `(images,)`.
        probabilities: `(images, classes)`, with the decision's temperature in them.
        class_names: In the order of the probabilities.
        decision: By which an image is known or not.

    Returns:
        `images`, `loss`, `accuracy`, `accuracy_interval` (95 %, Wilson's), `top_3` and
        `top_5` (`None` below four and six classes, where they say nothing), what
        `counts.averages` and `counts.agreement` give, `roc_auc` and
        `average_precision` (one class against the rest, mean over the classes that
        have both), `intervals` (95 %, bootstrap), `per_class`, `confusion_matrix`
        (rows: true, columns: predicted), `confused` (the pairs most often taken for
        one another), `calibration`, `abstention` and `warnings`. `None` where a figure
        is undefined. JSON's types only.

    Raises:
        DataError: If labels or probabilities are none.
    """
    labels, exact = soundness.one_class(labels, probabilities, class_names)
    classes = np.arange(len(class_names))
    # What was equal may differ once it is divided by the sum: only the loss needs that.
    rows = np.asarray(probabilities)
    predicted = rows.argmax(axis=1)
    right = predicted == labels
    truth, found = (
        labels[:, np.newaxis] == classes,
        predicted[:, np.newaxis] == classes,
    )
    each = {"loss": _losses(labels, exact), **_top(labels, rows)}
    ranks = Ranking(truth, rows)
    matrix = confusion_matrix(labels, predicted, labels=classes)
    figures = {
        "images": len(labels),
        "accuracy": float(right.mean()),
        "accuracy_interval": list(wilson(int(right.sum()), len(labels))),
        **{f"top_{k}": None for k in TOP},
        **scalars(Scores(truth, found, each, one_class=True), ranks, rows.shape),
        "per_class": with_ranks(per_class(labels, predicted, class_names), ranks),
        "confusion_matrix": matrix.tolist(),
        "confused": confused(matrix, class_names),
        "calibration": _calibration(rows, right, decision),
        "abstention": abstention.summary(
            confidence(rows, MULTI_CLASS),
            right,
            decision.known(rows, class_names, MULTI_CLASS),
            decision.as_dict()["threshold"],
        ),
    }
    return figures | {"warnings": remarks.of(figures, labels, class_names)}


def _losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns each image's cross-entropy."""
    own = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.clip(own, TINY, 1 - TINY))


def _top(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Tells whether each image's class is among the most probable.

    Of equally probable classes the last comes first, as with scikit-learn's
    `top_k_accuracy_score`.
    """
    own = probabilities[np.arange(len(labels)), labels][:, np.newaxis]
    later = np.arange(probabilities.shape[1]) > labels[:, np.newaxis]
    before = (probabilities > own) | ((probabilities == own) & later)
    places = before.sum(axis=1)
    return {f"top_{k}": places < k for k in TOP if probabilities.shape[1] > k}


def _calibration(
    probabilities: np.ndarray, right: np.ndarray, decision: Decision
) -> dict[str, Any]:
    """Returns how far the answers' probabilities are from their accuracy."""
    before, temperature = None, decision.temperature
    if temperature != 1:
        plain = without_temperature(probabilities, temperature, MULTI_CLASS)
        before = confidence(plain, MULTI_CLASS)
    return calibration.summary(
        confidence(probabilities, MULTI_CLASS),
        right,
        temperature=temperature,
        before=before,
    )


def confused(matrix: np.ndarray, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Returns the pairs of classes that are confused most often, the worst first.

    Args:
        matrix: Images, rows true and columns predicted.
        class_names: In the order of both.

    Returns:
        Up to ten of `true`, `predicted`, `images` and `share` (of the true class's).
    """
    wrong = np.array(matrix)
    totals = wrong.sum(axis=1)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    pairs = [divmod(int(place), len(wrong)) for place in order]
    return [
        {
            "true": class_names[true],
            "predicted": class_names[predicted],
            "images": int(wrong[true, predicted]),
            "share": float(wrong[true, predicted] / totals[true]),
        }
        for true, predicted in pairs
        if wrong[true, predicted]
    ]


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
