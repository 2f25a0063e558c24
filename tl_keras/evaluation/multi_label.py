"""How good a classifier is whose images have any number of classes."""

from typing import Any

import numpy as np

from tl_keras.evaluation import abstention, calibration, ranking, remarks, soundness
from tl_keras.evaluation.calibration import without_temperature
from tl_keras.evaluation.decision import UNDECIDED, Decision, confidence
from tl_keras.evaluation.metrics import per_class, wilson
from tl_keras.evaluation.scores import Scores, scalars, with_ranks
from tl_keras.training.outputs import MULTI_LABEL

THRESHOLD = 0.5
# A probability of exactly 0 or 1 that is wrong would make the loss infinite.
TINY = 1e-7
# Below this temperature labels above that probability had another one before it than
# what float32 gives back.
COLD, SURE = 0.4, 1 - 2.0**-22
# What is of images with one class only.
UNDEFINED = ("top_3", "top_5", "balanced_accuracy", "kappa", "matthews")


def compute(
    targets: np.ndarray,
    probabilities: np.ndarray,
    class_names: tuple[str, ...],
    *,
    decision: Decision = UNDECIDED,
) -> dict[str, Any]:
    """Returns the figures of a set of predictions at a threshold of 0.5.

    Args:
        targets: 1 at each image's classes and 0 elsewhere, `(images, classes)`.
        probabilities: Each class's own, `(images, classes)`, with the decision's
            temperature in them.
        class_names: In the order of the columns.
        decision: By which an image is known or not.

    Returns:
        What `metrics.compute` does, with these differences. `accuracy` is the share of
        images of which every class is right (subset accuracy), `hamming_loss` the
        share of single labels that are wrong, `loss` the binary cross-entropy, mean
        over images and classes, `label_ranking_precision` as in
        `ranking.label_precision`. `calibration` is over all single labels and the
        certainty of each, of being there or of not being there. `top_3`, `top_5`,
        `balanced_accuracy`, `kappa` and `matthews` are `None`, and there is no
        confusion matrix. `ece_before` is `None`, too, where the temperature is so low
        that the probabilities before it cannot be told any more.

    Raises:
        DataError: If targets or probabilities are none.
    """
    truth, exact = soundness.any_classes(targets, probabilities, class_names)
    found = exact > THRESHOLD
    right = (truth == found).all(axis=1)
    each = {
        "loss": _losses(truth, exact),
        "hamming_loss": (truth != found).mean(axis=1),
        "label_ranking_precision": ranking.label_precision(truth, exact),
    }
    ranks = ranking.Ranking(truth, exact)
    figures = {
        "images": len(truth),
        "accuracy": float(right.mean()),
        "accuracy_interval": list(wilson(int(right.sum()), len(truth))),
        **dict.fromkeys(UNDEFINED),
        **scalars(Scores(truth, found, each, one_class=False), ranks, exact.shape),
        "per_class": with_ranks(per_class(truth, found, class_names), ranks),
        "calibration": _calibration(exact, truth == found, decision),
        "abstention": abstention.summary(
            confidence(exact, MULTI_LABEL),
            right,
            decision.known(exact, class_names, MULTI_LABEL),
            decision.as_dict()["threshold"],
        ),
    }
    return figures | {"warnings": remarks.of(figures, truth, class_names)}


def _losses(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns each image's mean binary cross-entropy."""
    right = np.where(truth, probabilities, 1 - probabilities)
    return -np.log(np.maximum(right, TINY)).mean(axis=1)


def _calibration(
    probabilities: np.ndarray, right: np.ndarray, decision: Decision
) -> dict[str, Any]:
    """Returns how far the labels' certainties are from their accuracy."""
    before, temperature = None, decision.temperature
    # Of a label that is 1 in float32 a low temperature leaves nothing to go back to.
    lost = temperature < COLD and (probabilities > SURE).any()
    if temperature != 1 and not lost:
        plain = without_temperature(probabilities, temperature, MULTI_LABEL)
        before = np.maximum(plain, 1 - plain)
    return calibration.summary(
        np.maximum(probabilities, 1 - probabilities),
        right,
        temperature=temperature,
        before=before,
    )
