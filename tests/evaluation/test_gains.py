"""What a doubling of the training images brings, and how sure that is."""

import math

import numpy as np
import pytest

from tl_keras.evaluation import gains
from tl_keras.evaluation.metrics import wilson


def draws(accuracy, images=200, repeats=3, seed=0):
    return np.random.default_rng(seed).random((repeats, images)) < accuracy


def test_interval_of_one_draw_is_wilsons():
    right = np.array([[True] * 15 + [False] * 5])
    assert gains.interval(right) == pytest.approx(wilson(15, 20))


def test_draws_that_differ_make_the_interval_wider():
    right = np.array([[True] * 10 + [False] * 10] * 2)
    apart = np.array([[True] * 16 + [False] * 4, [True] * 4 + [False] * 16])
    narrow, wide = gains.interval(right), gains.interval(apart)
    assert wide[0] < narrow[0] and wide[1] > narrow[1]


def test_gain_is_that_of_a_hand_calculation():
    fewer = np.array([[True, False, False, False]])
    more = np.array([[True, True, True, False]])
    found = gains.per_doubling(fewer, more, 2)
    half = 1.959964 * math.sqrt((4 * 0.5**2 / 3) / 4)
    assert found == pytest.approx(
        {"gain": 0.25, "low": (0.5 - half) / 2, "high": (0.5 + half) / 2}, abs=1e-6
    )


def test_interval_of_the_gain_holds_the_truth_in_95_of_100_draws():
    held = 0
    for seed in range(400):
        fewer, more = draws(0.6, seed=2 * seed), draws(0.7, seed=2 * seed + 1)
        found = gains.per_doubling(fewer, more, 1)
        held += found["low"] <= 0.1 <= found["high"]
    assert held >= 375


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "would likely help"),
        (-0.01, 0.005, "would hardly help"),
        (0.001, 0.005, "would hardly help"),
        (-0.01, 0.02, "cannot be told on 90 test images"),
        (-0.02, 0.05, "cannot be told on 90 test images"),
    ],
)
def test_answer_goes_by_the_interval(low, high, said):
    found = {"gain": (low + high) / 2, "low": low, "high": high}
    assert said in gains.answer(found, 90)
