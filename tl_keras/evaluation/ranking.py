"""How well probabilities rank: one class against the rest, at no threshold.

scikit-learn gives the same for one set of images. Here each class is sorted once, for
all the resamples of a bootstrap together.
"""

from functools import cached_property

import numpy as np
from scipy.stats import rankdata

NAMES = ("roc_auc", "average_precision")


class Ranking:
    """Every class's images, the most probable first.

    Attributes:
        judged: Classes that have images and others, without which nothing is ranked.
    """

    def __init__(self, truth: np.ndarray, scores: np.ndarray) -> None:
        """Sorts the images of each class.

        Args:
            truth: Which classes are an image's, bool `(images, classes)`.
            scores: Their probabilities, likewise.
        """
        self._truth, self._scores = truth, scores
        positives = truth.sum(axis=0)
        self.judged = np.flatnonzero((positives > 0) & (positives < len(truth)))

    @cached_property
    def once(self) -> dict[str, np.ndarray]:
        """Each judged class's figures where every image counts once, `(1, judged)`."""
        return self.per_class(np.ones((1, len(self._truth))))

    def per_class(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns each judged class's area under the ROC curve and average precision.

        Equal probabilities count half in the first and together in the second, as in
        scikit-learn's `roc_auc_score` and `average_precision_score`.

        Args:
            weights: How often each image counts, `(resamples, images)`.

        Returns:
            `roc_auc` and `average_precision`, `(resamples, judged)`; NaN where a
            resample lacks the class or all others.
        """
        columns = [self._of_class(number, weights) for number in self.judged]
        stacked = np.array(columns).reshape(len(columns), 2, len(weights))
        return dict(zip(NAMES, stacked.transpose(1, 2, 0)))

    def macro(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the means over the classes that have both, `(resamples,)` by name."""
        return {name: mean(values) for name, values in self.per_class(weights).items()}

    def _of_class(self, number: int, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Returns one class's two figures, each `(resamples,)`."""
        scores = self._scores[:, number]
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        # The last image of each run of equal probabilities.
        ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        taken = weights[:, order].astype(float)
        total = taken.cumsum(axis=1)[:, ends]
        hits = (taken * self._truth[order, number]).cumsum(axis=1)[:, ends]
        new = np.diff(hits, axis=1, prepend=0.0)
        misses = np.diff(total - hits, axis=1, prepend=0.0)
        positives, images = hits[:, -1], total[:, -1]
        both = positives * (images - positives)
        with np.errstate(invalid="ignore", divide="ignore"):
            area = (misses * (hits - new / 2)).sum(axis=1) / both
            precision = (new * hits / np.maximum(total, 1e-300)).sum(axis=1) / positives
        undefined = both == 0
        area[undefined] = precision[undefined] = np.nan
        return area, precision


def mean(values: np.ndarray) -> np.ndarray:
    """Returns the mean over the last axis of what is not NaN."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def label_precision(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns each image's label-ranking average precision, `(images,)`.

    For each label that is true: the share of true ones among the labels that are at
    least as probable (Schapire and Singer, 2000). 1 where no label or every one is
    true, as in scikit-learn's `label_ranking_average_precision_score`, whose mean it
    is.

    Args:
        truth: Which labels are an image's, bool `(images, labels)`.
        scores: Their probabilities, likewise.
    """
    among_all = rankdata(-scores, method="max", axis=1)
    among_true = rankdata(np.where(truth, -scores, np.inf), method="max", axis=1)
    shares = np.where(truth, among_true / among_all, 0.0).sum(axis=1)
    count = truth.sum(axis=1)
    trivial = (count == 0) | (count == truth.shape[1])
    return np.where(trivial, 1.0, shares / np.maximum(count, 1))
