"""What folds' figures tell together: only what is defined, and within its range."""

import pytest

from tl_keras.studies import tables
from tl_keras.studies.cross_validation import summary


def folds(*accuracies, **more):
    """Results of folds, all with some figures more."""
    counts = {"train": 20, "test": 10}
    return [counts | {"accuracy": one} | more for one in accuracies]


def test_figure_that_no_fold_has_has_no_mean(capsys):
    found = summary(folds(0.5, 0.7, balanced_accuracy=None))
    assert list(found["mean"]) == ["accuracy"]
    assert found["mean"]["accuracy"] == pytest.approx(0.6)
    assert capsys.readouterr().err == ""


def test_figure_that_a_fold_lacks_has_no_mean_and_that_is_said(capsys):
    results = folds(0.5, 0.7, f1=0.5)
    results[1]["f1"] = None
    assert list(summary(results)["sd"]) == ["accuracy"]
    assert "f1 is undefined in 1 of 2 folds: no mean" in capsys.readouterr().err


def test_intervals_end_where_the_range_does():
    # Two folds: a quantile of 12.7.
    found = summary(folds(0.7, 0.9, loss=0.2))["interval"]
    assert found["accuracy"] == [0.0, 1.0]
    results = folds(0.9, 0.9)
    for one, loss in zip(results, (0.5, 1.5)):
        one["loss"] = loss
    low, high = summary(results)["interval"]["loss"]
    assert low == 0 and high > 5


def test_equally_good_folds_are_not_told_as_certainty():
    figures = summary(folds(1.0, 1.0, 1.0))
    figures["pooled"] = [{"accuracy": 1.0, "accuracy_interval": [0.886, 1.0]}]
    assert "Wilson's interval 0.886 to 1.000" in tables.accuracy_of_folds(figures)
