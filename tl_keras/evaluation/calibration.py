"""Whether a probability of 0.8 is right in 80 of 100 cases, and how to mend it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logit, logsumexp, softmax

from tl_keras.evaluation import soundness
from tl_keras.training.outputs import MULTI_CLASS, MULTI_LABEL

BINS = 15
# Fewer validation images leave the probabilities as they are.
FEWEST = 20
# Bounds of the temperature: beyond them all answers are sure, or none is.
COLDEST, HOTTEST = 0.05, 20.0
TINY = np.finfo(np.float32).tiny


def summary(
    confidence: np.ndarray,
    right: np.ndarray,
    *,
    temperature: float = 1.0,
    before: np.ndarray | None = None,
) -> dict[str, Any]:
    """Returns how far confidence and accuracy are apart (Guo et al., 2017).

    Args:
        confidence: The probability of each answer, in [0, 1], any shape.
        right: Whether it is right, of the same shape.
        temperature: That is in the confidence.
        before: The confidence without it, if it is another.

    Returns:
        `ece` (expected calibration error: the mean distance of accuracy from
        confidence over 15 bins of equal width, each weighed by its answers),
        `temperature`, `ece_before` (`None` without `before`) and `bins`.
    """
    rows = bins(confidence, right)
    earlier = None if before is None else expected_error(bins(before, right))
    return {
        "ece": expected_error(rows),
        "temperature": temperature,
        "ece_before": earlier,
        "bins": rows,
    }


def bins(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Returns the bins of a reliability diagram: each from above `low` to `high`.

    Args:
        confidence: The probability of each answer, in [0, 1].
        right: Whether it is right.

    Returns:
        `low`, `high`, `images` (answers in the bin), their mean `confidence` and their
        `accuracy`, both `None` in an empty bin.
    """
    confidence, right = np.ravel(confidence).astype(float), np.ravel(right)
    edges = np.linspace(0, 1, BINS + 1)
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    sums = np.bincount(places, confidence, BINS), np.bincount(places, right, BINS)
    return [
        {
            "low": float(low),
            "high": float(high),
            "images": int(count),
            "confidence": float(mean / count) if count else None,
            "accuracy": float(share / count) if count else None,
        }
        for low, high, count, mean, share in zip(edges, edges[1:], counts, *sums)
    ]


def expected_error(rows: list[dict[str, Any]]) -> float:
    """Returns the expected calibration error of bins."""
    full = [row for row in rows if row["images"]]
    gaps = [row["images"] * abs(row["accuracy"] - row["confidence"]) for row in full]
    return float(sum(gaps) / sum(row["images"] for row in full))


def fit(logits: np.ndarray, targets: np.ndarray, kind: str) -> tuple[float, list[str]]:
    """Finds the temperature of the smallest loss (Guo et al., 2017).

    One number for all classes, so that no answer changes. Where every answer is right
    the loss falls for ever with the temperature; there the targets are Platt's (1999):
    of n right answers one more is taken to be right, and one wrong.

    Args:
        logits: Of images that training did not see, `(images, width)`.
        targets: Class indices, `(images,)`, or with several labels an image 0 and 1,
            `(images, width)`.
        kind: What the logits stand for: see `training.outputs`.

    Returns:
        The temperature, in [0.05, 20], and warnings. It is 1 with fewer than 20
        images.

    Raises:
        DataError: If a logit is no number.
    """
    soundness.require_numbers(logits, "logit")
    images = len(logits)
    if images < FEWEST:
        return 1.0, [
            f"{images} validation images are too few to fit a temperature (at least "
            f"{FEWEST}): the probabilities are as they were."
        ]
    loss = _loss(logits.astype(float), targets, kind)
    found = minimize_scalar(
        lambda log: loss(np.exp(log)),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    temperature = float(np.exp(found.x))
    if COLDEST * 1.01 < temperature < HOTTEST / 1.01:
        return temperature, []
    return temperature, [
        f"The temperature {temperature:.3g} lies at the bound of what is tried: look "
        f"at the reliability diagram before you trust the probabilities."
    ]


def _loss(
    logits: np.ndarray, targets: np.ndarray, kind: str
) -> Callable[[float], float]:
    """Returns the function from a temperature to the mean loss."""
    if kind == MULTI_CLASS:
        right = logits.argmax(axis=1) == targets
        places = np.arange(len(logits)), targets
        plain = lambda t: -log_softmax(logits / t, axis=1)[places].mean()  # noqa: E731
    else:
        wanted = targets.reshape(logits.shape) > 0.5
        # Of a target that is 0, the sigmoid of the negative logit is the right one.
        signed = np.where(wanted, logits, -logits)
        right = signed > 0
        plain = lambda t: -log_expit(signed / t).mean()  # noqa: E731
    return plain if not right.all() else _doubting(logits, kind, 1 / (right.size + 2))


def _doubting(logits: np.ndarray, kind: str, doubt: float) -> Callable[[float], float]:
    """Returns the loss of right answers of which a share counts as wrong."""

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        if kind == MULTI_CLASS:
            logs = np.sort(log_softmax(scaled, axis=1), axis=1)
            sure, unsure = logs[:, -1], logsumexp(logs[:, :-1], axis=1)
        else:
            sure, unsure = log_expit(np.abs(scaled)), log_expit(-np.abs(scaled))
        return -((1 - doubt) * sure + doubt * unsure).mean()

    return loss


def without_temperature(
    probabilities: np.ndarray, temperature: float, kind: str
) -> np.ndarray:
    """Returns the probabilities that a temperature of 1 would have given.

    Args:
        probabilities: With the temperature in them, `(images, classes)`.
        temperature: By which the logits were divided.
        kind: What the logits stand for: see `training.outputs`.
    """
    clipped = np.clip(probabilities.astype(float), TINY, 1.0)
    if kind == MULTI_LABEL:
        # The largest float32 below 1.
        return expit(temperature * logit(np.minimum(clipped, 1 - 2.0**-24)))
    # One logit against 0 is two logits of which one is 0.
    return softmax(temperature * np.log(clipped), axis=1)
