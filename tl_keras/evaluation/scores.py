"""Figures that are one number, each with its interval."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from tl_keras.evaluation import bootstrap, counts, ranking

# Images x classes x resamples beyond which ranks get no interval: some 20 seconds.
RANKED = 500_000_000


class Scores:
    """From how often each image counts to figures, for all resamples together."""

    def __init__(
        self,
        truth: np.ndarray,
        found: np.ndarray,
        each: dict[str, np.ndarray],
        *,
        one_class: bool,
    ) -> None:
        """Keeps what the images contribute.

        Args:
            truth: Which classes are an image's, bool `(images, classes)`.
            found: Which were predicted, likewise.
            each: Figures that are means over the images, `(images,)` by name.
            one_class: Whether an image has one class, so that chance is known.
        """
        parts = (truth & found, truth, found)
        self._counted = [csr_array(part.T.astype(float)) for part in parts]
        self._each = each
        self._one_class = one_class

    def __call__(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the figures, `(resamples,)` by name.

        Args:
            weights: How often each image counts, `(resamples, images)`.
        """
        weights = weights.astype(float)
        columns = np.ascontiguousarray(weights.T)
        counted = [(matrix @ columns).T for matrix in self._counted]
        total = weights.sum(axis=1)
        found = {name: weights @ one / total for name, one in self._each.items()}
        found |= counts.averages(*counted)
        return found | (counts.agreement(*counted) if self._one_class else {})


def scalars(
    scores: Scores, ranks: ranking.Ranking, shape: tuple[int, int]
) -> dict[str, Any]:
    """Returns the figures, `None` where undefined, and their `intervals`.

    The intervals are of 1,000 resamples. Those of `roc_auc` and `average_precision`
    take fewer, from 200, where images x classes x resamples would be above 5e8, and
    are left out where 200 are too many: above 2.5 million images x classes.

    Args:
        scores: What counts and means give.
        ranks: What the order of the probabilities gives.
        shape: Images and classes.
    """
    images, classes = shape
    once = np.ones((1, images))
    values = scores(once) | ranks.macro(once)
    intervals = bootstrap.intervals(scores, images, width=classes)
    resamples = bootstrap.affordable(images * classes, RANKED)
    if resamples:
        intervals |= bootstrap.intervals(ranks.macro, images, resamples=resamples)
    found = {name: _number(value[0]) for name, value in values.items()}
    return found | {
        "intervals": {
            name: interval
            for name, interval in intervals.items()
            if found[name] is not None
        }
    }


def with_ranks(
    rows: list[dict[str, Any]], ranks: ranking.Ranking
) -> list[dict[str, Any]]:
    """Returns each class's figures with `roc_auc` and `average_precision` added."""
    found = ranks.per_class(np.ones((1, ranks.images)))
    by_class = {
        name: dict(zip(ranks.judged.tolist(), values[0]))
        for name, values in found.items()
    }
    return [
        row | {name: _number(by_class[name].get(place, np.nan)) for name in by_class}
        for place, row in enumerate(rows)
    ]


def _number(value: float) -> float | None:
    """Returns a number of JSON's."""
    return None if np.isnan(value) else float(value)
