"""When to say "don't know": a threshold, and what accuracy it buys for which coverage.

The share of images that are still answered is the coverage; selective classification is
the field's word for it (El-Yaniv and Wiener, 2010).
"""

from typing import Any

import numpy as np

from tl_keras.evaluation import decision, soundness
from tl_keras.training.outputs import MULTI_LABEL

# A threshold that keeps fewer validation images was not chosen but drawn.
FEWEST = 10
POINTS = 100
NAMED = 5


def summary(
    confidence: np.ndarray,
    right: np.ndarray,
    known: np.ndarray,
    threshold: float | dict[str, float] | None,
) -> dict[str, Any]:
    """Returns what a threshold does to a set of images.

    Args:
        confidence: See `decision.confidence`, `(images,)`.
        right: Whether each image's answer is right, `(images,)`.
        known: Whether it is given, `(images,)`.
        threshold: That was chosen; `None` for none.

    Returns:
        `threshold`, `coverage` (share of the images that are known), `accuracy` (of
        those; `None` of none) and `curve`: the same at other thresholds for all
        classes. Without a threshold only the curve is no `None`.
    """
    coverage = accuracy = None
    if threshold is not None:
        coverage = float(known.mean())
        accuracy = float(right[known].mean()) if known.any() else None
    return {
        "threshold": threshold,
        "coverage": coverage,
        "accuracy": accuracy,
        "curve": curve(confidence, right),
    }


def curve(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """Returns coverage and accuracy at up to 100 thresholds, from all images to few."""
    thresholds, kept, accuracy = _steps(confidence, right)
    places = np.linspace(0, len(thresholds) - 1, min(POINTS, len(thresholds)))
    return [
        {
            "threshold": float(thresholds[place]),
            "coverage": float(kept[place] / len(confidence)),
            "accuracy": float(accuracy[place]),
        }
        for place in places.round().astype(int)
    ]


def fit(
    probabilities: np.ndarray,
    targets: np.ndarray,
    class_names: tuple[str, ...],
    *,
    target: float,
    per_class: bool,
    kind: str,
) -> tuple[float | dict[str, float] | None, list[str]]:
    """Chooses the threshold that reaches an accuracy on images not trained on.

    Args:
        probabilities: `(images, classes)`.
        targets: Class indices, `(images,)`, or 0 and 1, `(images, classes)`.
        class_names: In the order of the columns.
        target: See `choose`.
        per_class: Whether each class gets one. One that cannot reach the target by
            itself takes the threshold of all.
        kind: What the logits stand for: see `training.outputs`.

    Returns:
        The threshold, or thresholds by name; `None` where no threshold reaches the
        target: then every image is known. And warnings.

    Raises:
        DataError: If a probability is no number.
    """
    soundness.require_numbers(probabilities, "probability")
    if kind == MULTI_LABEL:
        right = ((probabilities > 0.5) == (targets > 0.5)).all(axis=1)
    else:
        right = probabilities.argmax(axis=1) == targets
    common = choose(decision.confidence(probabilities, kind), right, target)
    found, lacking = {}, []
    if per_class:
        found, lacking = choose_per_class(
            probabilities, targets, class_names, target, kind
        )
    if common is None and (lacking or not per_class):
        return None, [
            f"No threshold reaches an accuracy of {target:g} on the "
            f"{len(right):,} validation images: none is set, every image is answered. "
            f"A lower evaluation.target_accuracy or more images may help."
        ]
    if not per_class:
        return common, []
    names = ", ".join(repr(name) for name in lacking[:NAMED])
    more = ", …" if len(lacking) > NAMED else ""
    doubts = [
        f"The validation images allow no threshold of its own, right in {target:.1%}, "
        f"for {names}{more}: the threshold of all images holds there."
    ]
    thresholds = {name: found.get(name, common) for name in class_names}
    return thresholds, doubts if lacking else []


def choose(confidence: np.ndarray, right: np.ndarray, target: float) -> float | None:
    """Returns the lowest threshold at which what remains is right often enough.

    It lies halfway between the last confidence that is kept and the next below, so
    that no image stands on it. A threshold that keeps fewer than 10 images is not
    taken.

    Args:
        confidence: Of images that training did not see, `(images,)`.
        right: Whether each answer is right, `(images,)`.
        target: Accuracy that is to be reached, in (0, 1].

    Returns:
        A float32's value, 0 where all images may stay; `None` where no threshold
        reaches the target.
    """
    if not len(confidence):
        return None
    confidence = confidence.astype(np.float32)
    thresholds, kept, accuracy = _steps(confidence, right)
    enough = np.flatnonzero((accuracy >= target) & (kept >= FEWEST))
    if not enough.size:
        return None
    first = enough[0]
    if first == 0:
        return 0.0
    below, lowest = thresholds[first - 1], thresholds[first]
    middle = np.float32((float(below) + float(lowest)) / 2)
    return float(middle if below < middle else lowest)


def choose_per_class(
    probabilities: np.ndarray,
    targets: np.ndarray,
    class_names: tuple[str, ...],
    target: float,
    kind: str,
) -> tuple[dict[str, float], list[str]]:
    """Returns a threshold for each class that reaches the target by itself.

    One class an image: of the images that are predicted as it. With several labels:
    of the class's own label on all images.

    Args:
        probabilities: `(images, classes)`.
        targets: Class indices, `(images,)`, or 0 and 1, `(images, classes)`.
        class_names: In the order of the columns.
        target: See `choose`.
        kind: What the logits stand for: see `training.outputs`.

    Returns:
        Thresholds by name, and the names of the classes that have none: too few
        images, or too few right ones.
    """
    found: dict[str, float] = {}
    predicted = probabilities.argmax(axis=1)
    for number, name in enumerate(class_names):
        scores = probabilities[:, number]
        if kind == MULTI_LABEL:
            right = (scores > 0.5) == (targets[:, number] > 0.5)
            threshold = choose(np.maximum(scores, 1 - scores), right, target)
        else:
            own = predicted == number
            threshold = choose(scores[own], targets[own] == number, target)
        if threshold is not None:
            found[name] = threshold
    return found, [name for name in class_names if name not in found]


def _steps(
    confidence: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns each distinct confidence, rising, and what it keeps as a threshold.

    Returns:
        The confidences, how many images are at least as sure, and their accuracy.
    """
    order = np.argsort(confidence, kind="stable")
    thresholds, first = np.unique(confidence[order], return_index=True)
    kept = len(confidence) - first
    hits = right[order][::-1].cumsum()[::-1][first]
    return thresholds, kept, hits / kept
