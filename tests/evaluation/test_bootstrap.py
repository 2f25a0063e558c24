"""Percentile intervals: where they lie, and what they need."""

import numpy as np
import pytest

from tl_keras.evaluation import bootstrap

HITS = np.array([1.0] * 80 + [0.0] * 20)


def share(weights):
    return {"share": weights @ HITS / weights.sum(axis=1)}


def test_interval_of_a_share_is_close_to_the_normal_one():
    low, high = bootstrap.intervals(share, 100)["share"]
    spread = 1.96 * np.sqrt(0.8 * 0.2 / 100)
    assert (low, high) == pytest.approx((0.8 - spread, 0.8 + spread), abs=0.015)


def test_interval_is_the_same_every_time():
    first, second = (bootstrap.intervals(share, 100) for _ in range(2))
    assert first == second


def test_interval_does_not_depend_on_how_much_is_held_at_a_time(monkeypatch):
    whole = bootstrap.intervals(share, 100)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 700)
    assert bootstrap.intervals(share, 100) == whole


def test_wide_statistic_gets_few_resamples_at_a_time(monkeypatch):
    monkeypatch.setattr(bootstrap, "AT_ONCE", 700)
    sizes = []

    def noted(weights):
        sizes.append(len(weights))
        return share(weights)

    bootstrap.intervals(noted, 100, width=350)
    assert max(sizes) == 2 and sum(sizes) == bootstrap.RESAMPLES


def test_resamples_that_leave_it_undefined_do_not_count():
    def odd(weights):
        return {"x": np.where(np.arange(len(weights)) % 2, np.nan, 3.0)}

    assert bootstrap.intervals(odd, 10)["x"] == [3.0, 3.0]


def test_figure_that_is_never_defined_has_no_interval():
    never = lambda weights: {"x": np.full(len(weights), np.nan)}  # noqa: E731
    assert bootstrap.intervals(never, 10) == {}


@pytest.mark.parametrize(("numbers", "resamples"), [(10, 1000), (400, 250), (600, 0)])
def test_budget_allows_all_or_fewer_resamples_or_none(numbers, resamples):
    assert bootstrap.affordable(numbers, 100_000) == resamples
