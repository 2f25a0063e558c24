"""Mean, deviation and interval of folds."""

import math

import pytest

from tl_keras.evaluation import resampling


def test_spread_is_mean_and_sample_deviation():
    assert resampling.spread([0.8, 0.9, 0.7]) == pytest.approx((0.8, 0.1))


def test_interval_is_that_of_a_hand_calculation():
    # Quantile of t with 4 degrees of freedom: 2.7764 (any table).
    low, high = resampling.interval([0.8, 0.9, 0.7, 0.85, 0.75], test_share=0.25)
    half = 2.776445 * math.sqrt(0.00625) * math.sqrt(1 / 5 + 0.25)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=1e-6)


def test_more_repeats_of_the_same_folds_cannot_make_the_mean_sure():
    values = [0.8, 0.9, 0.7, 0.85, 0.75] * 200
    low, high = resampling.interval(values, test_share=0.25)
    assert high - low > 0.9 * 2 * 1.96 * 0.0707 * 0.5
