"""Figures that are one number, each with its interval."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from tl_keras.evaluation import bootstrap, counts, ranking

# Numbers x resamples, some ten seconds of each: of ranks an image and class is one, of
# counts each class that an image has or is predicted to have.
RANKED, COUNTED = 200_000_000, 2_000_000_000


class Scores:
    """From how often each image counts to figures, for all resamples together.

    Attributes:
        numbers: That a resample adds up.
    """

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
        self.numbers = sum(matrix.nnz for matrix in self._counted)
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

    The intervals are of 1,000 resamples, or of fewer, down to 200, where these would
    take longer than some ten seconds. They are left out where 200 would: those of
    `roc_auc` and `average_precision` above a million images x classes, the others
    above ten million labels.

    Args:
        scores: What counts and means give.
        ranks: What the order of the probabilities gives.
        shape: Images and classes.
    """
    images, classes = shape
    once = np.ones((1, images))
    values = scores(once)
    for name, column in ranks.once.items():
        values[name] = ranking.mean(column)
    intervals = {}
    for statistic, numbers, budget in (
        (scores, scores.numbers, COUNTED),
        (ranks.macro, images * classes, RANKED),
    ):
        resamples = bootstrap.affordable(numbers, budget)
        if resamples:
            intervals |= bootstrap.intervals(
                statistic, images, width=classes, resamples=resamples
            )
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
    by_class = {
        name: dict(zip(ranks.judged.tolist(), values[0]))
        for name, values in ranks.once.items()
    }
    return [
        row | {name: _number(by_class[name].get(place, np.nan)) for name in by_class}
        for place, row in enumerate(rows)
    ]


def _number(value: float) -> float | None:
    """Returns a number of JSON's."""
    return None if np.isnan(value) else float(value)
