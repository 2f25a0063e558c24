"""Two classifiers on the same images: is one better, by how much, and is it chance?

Each image is a pair of answers, right or wrong. Only the images on which the two differ
tell them apart.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from tl_keras.evaluation.metrics import wilson

LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Numbers of images by the answers of two classifiers, A and B.

    Attributes:
        both: Right in both.
        only_a: Right in A, wrong in B.
        only_b: Wrong in A, right in B.
        neither: Wrong in both.
    """

    both: int
    only_a: int
    only_b: int
    neither: int

    @classmethod
    def of(cls, right_a: np.ndarray, right_b: np.ndarray) -> "Pairs":
        """Counts pairs of answers.

        Args:
            right_a: Whether A is right, bool `(images,)`.
            right_b: Whether B is right on the same images.
        """
        return cls(
            both=int((right_a & right_b).sum()),
            only_a=int((right_a & ~right_b).sum()),
            only_b=int((~right_a & right_b).sum()),
            neither=int((~right_a & ~right_b).sum()),
        )

    @property
    def images(self) -> int:
        """Returns the number of pairs."""
        return self.both + self.only_a + self.only_b + self.neither


def compute(pairs: Pairs) -> dict[str, Any]:
    """Returns what pairs of answers say.

    Args:
        pairs: Of one image at least.

    Returns:
        `images`, `pairs`, `accuracy_a`, `accuracy_b`, `difference` (B less A), its
        `interval` (95 %), `p_value`, and as `better` `a`, `b` or `None` where they
        cannot be told apart. JSON's types only.
    """
    p_value, total = mcnemar(pairs), pairs.images
    better = "a" if pairs.only_a > pairs.only_b else "b"
    return {
        "images": total,
        "pairs": asdict(pairs),
        "accuracy_a": (pairs.both + pairs.only_a) / total,
        "accuracy_b": (pairs.both + pairs.only_b) / total,
        "difference": (pairs.only_b - pairs.only_a) / total,
        "interval": list(difference_interval(pairs)),
        "p_value": p_value,
        "better": better if p_value < LEVEL else None,
    }


def mcnemar(pairs: Pairs) -> float:
    """Returns the two-sided p-value of both being right equally often.

    The exact form: of the images on which the two differ, each is right on half in the
    mean, and the number follows a binomial distribution (McNemar, Psychometrika 12,
    1947). It errs on the side of "cannot be told apart" where such images are few.
    """
    differing = pairs.only_a + pairs.only_b
    return float(binomtest(pairs.only_a, differing).pvalue) if differing else 1.0


def difference_interval(pairs: Pairs) -> tuple[float, float]:
    """Returns the 95 % interval of B's accuracy less A's.

    Both accuracies' Wilson intervals, put together with the correlation of the answers:
    method 10 of Newcombe, Improved confidence intervals for the difference between
    binomial proportions based on paired data, Statistics in Medicine 17, 1998.
    """
    total = pairs.images
    right_a, right_b = pairs.both + pairs.only_a, pairs.both + pairs.only_b
    share_a, share_b = right_a / total, right_b / total
    (low_a, high_a), (low_b, high_b) = wilson(right_a, total), wilson(right_b, total)
    below_a, above_a = share_a - low_a, high_a - share_a
    below_b, above_b = share_b - low_b, high_b - share_b
    phi = _correlation(pairs)
    below = below_b**2 - 2 * phi * below_b * above_a + above_a**2
    above = above_b**2 - 2 * phi * above_b * below_a + below_a**2
    difference = share_b - share_a
    return difference - math.sqrt(max(0, below)), difference + math.sqrt(max(0, above))


def _correlation(pairs: Pairs) -> float:
    """Returns the answers' correlation, corrected for continuity; 0 where undefined."""
    total = pairs.images
    right_a, right_b = pairs.both + pairs.only_a, pairs.both + pairs.only_b
    product = right_a * (total - right_a) * right_b * (total - right_b)
    if not product:
        return 0.0
    found = pairs.both * pairs.neither - pairs.only_a * pairs.only_b
    if found > 0:
        found = max(found - total / 2, 0)
    return found / math.sqrt(product)
