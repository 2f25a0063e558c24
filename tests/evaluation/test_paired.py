"""McNemar's test and Newcombe's interval, against hand calculations."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from tl_keras.evaluation.paired import Pairs, compute, difference_interval, mcnemar


def test_pairs_are_counted():
    right_a = np.array([True, True, True, False, False, False, False])
    right_b = np.array([True, False, False, True, True, True, False])
    assert Pairs.of(right_a, right_b) == Pairs(both=1, only_a=2, only_b=3, neither=1)


def test_p_value_is_that_of_a_hand_calculation():
    # Of 8 differing images one is A's: (C(8, 0) + C(8, 1)) / 2^8, on both sides.
    pairs = Pairs(both=50, only_a=1, only_b=7, neither=5)
    assert mcnemar(pairs) == pytest.approx(2 * (1 + 8) / 256)


def test_p_value_does_not_depend_on_images_on_which_both_agree():
    few = Pairs(both=0, only_a=12, only_b=30, neither=0)
    many = Pairs(both=900, only_a=12, only_b=30, neither=80)
    assert mcnemar(few) == mcnemar(many) == binomtest(30, 42).pvalue


def test_nothing_differs_is_a_p_value_of_1():
    assert mcnemar(Pairs(both=9, only_a=0, only_b=0, neither=1)) == 1.0


def by_hand(pairs):
    """Newcombe's method 10 step by step, as the paper prints it: e, f, g, h."""
    e, f, g, h = pairs.both, pairs.only_b, pairs.only_a, pairs.neither
    n, z = e + f + g + h, 1.959963984540054

    def wilson(r):
        a, b = 2 * r + z * z, z * math.sqrt(z * z + 4 * r * (1 - r / n))
        c = 2 * (n + z * z)
        return (a - b) / c, (a + b) / c

    (l1, u1), (l2, u2) = wilson(e + f), wilson(e + g)
    product = (e + f) * (g + h) * (e + g) * (f + h)
    c = e * h - f * g
    c = c - n / 2 if c > n / 2 else 0 if c >= 0 else c
    phi = c / math.sqrt(product) if product else 0
    p1, p2 = (e + f) / n, (e + g) / n
    d, ep = p1 - l1, u2 - p2
    low = math.sqrt(d * d - 2 * phi * d * ep + ep * ep)
    u, lo = u1 - p1, p2 - l2
    high = math.sqrt(u * u - 2 * phi * u * lo + lo * lo)
    return p1 - p2 - low, p1 - p2 + high


@pytest.mark.parametrize(
    "counts", [(36, 2, 12, 0), (1, 7, 1, 12), (70, 9, 4, 17), (20, 0, 0, 0)]
)
def test_interval_is_that_of_the_papers_formula(counts):
    pairs = Pairs(**dict(zip(("both", "only_a", "only_b", "neither"), counts)))
    assert difference_interval(pairs) == pytest.approx(by_hand(pairs))


def test_interval_is_the_one_published_for_known_counts():
    # Fagerland, Lydersen & Laake, Statistics in Medicine 33, 2014, example 1: airway
    # hyper-responsiveness before and after a transplantation.
    pairs = Pairs(both=1, only_a=1, only_b=7, neither=12)
    assert difference_interval(pairs) == pytest.approx((0.026, 0.507), abs=5e-4)


def test_interval_of_equal_answers_holds_0_and_more():
    low, high = difference_interval(Pairs(both=20, only_a=0, only_b=0, neither=0))
    assert low < 0 < high


def test_interval_turns_with_the_sides():
    one = difference_interval(Pairs(both=70, only_a=4, only_b=9, neither=17))
    other = difference_interval(Pairs(both=70, only_a=9, only_b=4, neither=17))
    assert one == pytest.approx((-other[1], -other[0]))


def test_interval_holds_the_truth_in_95_of_100_draws():
    random = np.random.default_rng(0)
    counts = random.multinomial(120, [0.7, 0.06, 0.14, 0.1], size=2000)
    held = 0
    for both, only_a, only_b, neither in counts.tolist():
        pairs = Pairs(both=both, only_a=only_a, only_b=only_b, neither=neither)
        low, high = difference_interval(pairs)
        held += low <= 0.08 <= high
    assert 0.935 < held / 2000 < 0.97


@pytest.mark.parametrize(
    ("only_a", "only_b", "better"), [(2, 20, "b"), (20, 2, "a"), (9, 12, None)]
)
def test_one_is_better_only_where_chance_does_not_explain_it(only_a, only_b, better):
    found = compute(Pairs(both=60, only_a=only_a, only_b=only_b, neither=10))
    assert found["better"] == better
    assert found["difference"] == pytest.approx(
        found["accuracy_b"] - found["accuracy_a"]
    )
