"""What more training images bring: how sure an accuracy is, and the last doubling."""

import math
from typing import Any

import numpy as np

from tl_keras.evaluation.metrics import Z, wilson

# A doubling that brings less than a point is hardly worth the work of labelling.
WORTH = 0.01


def interval(right: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % interval of an accuracy, over test images and draws.

    Wilson's interval of the test images, widened by the error of the mean over draws.

    Args:
        right: Which answers are right, bool `(draws, images)`.
    """
    accuracy, images = float(right.mean()), right.shape[1]
    low, high = wilson(accuracy * images, images)
    drawn = Z**2 * _error_of_draws(right)
    below = math.sqrt((accuracy - low) ** 2 + drawn)
    above = math.sqrt((high - accuracy) ** 2 + drawn)
    return max(0.0, accuracy - below), min(1.0, accuracy + above)


def per_doubling(
    fewer: np.ndarray, more: np.ndarray, doublings: float
) -> dict[str, float]:
    """Returns what a doubling of the training images brought, with a 95 % interval.

    The test images are the same on both sides, so that their difference image by image
    counts; the choice of the training images adds the spread over the draws.

    Args:
        fewer: Which answers are right with fewer training images, bool
            `(draws, images)`.
        more: The same with more; the number of draws may differ.
        doublings: How often the one number doubles to the other, above 0.

    Returns:
        `gain`, `low` and `high`, in shares of the test images.
    """
    by_image = more.mean(axis=0) - fewer.mean(axis=0)
    variance = by_image.var(ddof=1) / len(by_image) if len(by_image) > 1 else 1.0
    variance += _error_of_draws(fewer) + _error_of_draws(more)
    gain, half = float(by_image.mean()), Z * math.sqrt(variance)
    return {
        "gain": gain / doublings,
        "low": (gain - half) / doublings,
        "high": (gain + half) / doublings,
    }


def answer(found: dict[str, Any], images: int) -> str:
    """Says whether more training images are worth the work.

    Args:
        found: What `per_doubling` returned.
        images: Of the test.
    """
    gain, low, high = (100 * found[name] for name in ("gain", "low", "high"))
    shown = (
        f"the last doubling of the training images changed the accuracy by {gain:+.1f} "
        f"points (95 % interval {low:+.1f} to {high:+.1f})"
    )
    if found["high"] < WORTH:
        return f"More images would hardly help: {shown}."
    if found["low"] > 0:
        return (
            f"More images would likely help: {shown}. The next doubling usually "
            "brings somewhat less."
        )
    return (
        f"Whether more images would help cannot be told on {images:,} test images: "
        f"{shown}. More test images, or more --repeats, make it surer."
    )


def _error_of_draws(right: np.ndarray) -> float:
    """Returns the squared error of the mean accuracy over draws; 0 of a single one."""
    draws = len(right)
    return float(right.mean(axis=1).var(ddof=1)) / draws if draws > 1 else 0.0
