"""95 % intervals of figures for which there is no formula."""

from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
# Fewer say nothing of the 2.5th percentile.
FEWEST = 200
PERCENTILES = (2.5, 97.5)
# Numbers that are held at a time: 16 MB of each array.
AT_ONCE = 2_000_000

Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]


def intervals(
    statistic: Statistic,
    images: int,
    *,
    width: int = 1,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Returns percentile intervals of figures (Efron, 1979) over resampled images.

    Args:
        statistic: From how often each image was drawn, `(resamples, images)`, to
            figures by name, each `(resamples,)`, NaN where undefined.
        images: Number of images.
        width: Numbers that a resample needs at a time, where it is more than one an
            image.
        resamples: How many are drawn.
        seed: The same gives the same intervals.

    Returns:
        `[low, high]` by name; none of a figure that no resample defines.
    """
    random = np.random.default_rng(seed)
    size = max(1, min(resamples, AT_ONCE // max(images, width)))
    parts = [
        statistic(_weights(random, min(size, resamples - first), images))
        for first in range(0, resamples, size)
    ]
    found = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        values = values[~np.isnan(values)]
        if values.size:
            found[name] = np.percentile(values, PERCENTILES).tolist()
    return found


def affordable(numbers: int, budget: int) -> int:
    """Returns how many resamples a budget allows; 0 where these would be too few.

    Args:
        numbers: That a resample takes.
        budget: In all.
    """
    allowed = min(RESAMPLES, budget // max(1, numbers))
    return allowed if allowed >= FEWEST else 0


def _weights(random: np.random.Generator, count: int, images: int) -> np.ndarray:
    """Draws as many images as there are, `count` times; returns how often each."""
    drawn = random.integers(images, size=(count, images))
    drawn += images * np.arange(count)[:, np.newaxis]
    return np.bincount(drawn.ravel(), minlength=count * images).reshape(count, images)
