"""Figures that follow from counts alone: of each class, how often true, predicted, hit.

All of them take many resamples at once: the classes are the last axis.
"""

import numpy as np


def averages(
    hits: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns precision, recall and F1, averaged over the classes in three ways.

    Macro (`precision`, …) is the mean over the classes that occur, `weighted_…` weighs
    each class by its images, `micro_…` adds the counts up first. 0 where undefined, as
    scikit-learn has it with `zero_division=0`.

    Args:
        hits: Images of each class that were predicted as it, `(…, classes)`.
        true: Images of each class, likewise.
        predicted: Images predicted as each class, likewise.

    Returns:
        Arrays `(…,)` by name.
    """
    found: dict[str, np.ndarray] = {}
    occurs = true > 0
    columns = {
        "precision": (hits, predicted),
        "recall": (hits, true),
        "f1": (2 * hits, true + predicted),
    }
    for name, (above, below) in columns.items():
        each = _ratio(above, below)
        found[name] = _ratio((each * occurs).sum(-1), occurs.sum(-1))
        found[f"weighted_{name}"] = _ratio((each * true).sum(-1), true.sum(-1))
        found[f"micro_{name}"] = _ratio(above.sum(-1), below.sum(-1))
    return found


def agreement(
    hits: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns how far truth and prediction agree beyond chance, one class an image.

    `kappa` is Cohen's (1960), `matthews` the correlation coefficient for any number of
    classes (Gorodkin, 2004), `balanced_accuracy` the mean recall of the classes that
    occur. NaN where the images are of one class: then chance alone is always right.

    Args:
        hits: See `averages`.
        true: Likewise.
        predicted: Likewise.

    Returns:
        Arrays `(…,)` by name.
    """
    images = true.sum(-1)
    both = (true * predicted).sum(-1)
    right = hits.sum(-1) * images
    spread = (images**2 - (true**2).sum(-1)) * (images**2 - (predicted**2).sum(-1))
    several = (true > 0).sum(-1) > 1
    kappa = _ratio(right - both, images**2 - both)
    matthews = _ratio(right - both, np.sqrt(spread))
    return {
        "balanced_accuracy": averages(hits, true, predicted)["recall"],
        "kappa": np.where(several, kappa, np.nan),
        "matthews": np.where(several, matthews, np.nan),
    }


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Returns a ratio, and 0 where it is undefined."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)
