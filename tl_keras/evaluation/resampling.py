"""What the figures of folds tell together: mean, spread, and how sure the mean is."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Returns mean and standard deviation (of a sample) of the folds' figures."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return float(np.mean(values)), sd


def interval(
    values: Sequence[float], test_share: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Returns the interval of the mean over folds.

    Folds share their training images, so that the deviation over the root of their
    number is far too small. The corrected resampled t interval adds the test images
    over the training images to the 1 / folds under the root (Nadeau & Bengio, Inference
    for the Generalization Error, Machine Learning 52, 2003).

    Args:
        values: A figure of each fold, of all repeats; two at least.
        test_share: Test images over training images of a fold.
        confidence: Of the interval.
    """
    mean, sd = spread(values)
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    half = float(quantile * sd * math.sqrt(1 / len(values) + test_share))
    return mean - half, mean + half
