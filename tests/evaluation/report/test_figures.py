"""The rows of the tables of figures, of new and of old metrics."""

import small_report

from tl_keras.evaluation.report.figures import class_columns, confused, scalars

OLD = {
    "images": 5,
    "loss": 0.5,
    "accuracy": 0.8,
    "accuracy_interval": [0.4, 0.96],
    "top_3": None,
    "per_class": [
        {"class": "a", "images": 3, "precision": 1.0, "recall": 0.7, "f1": 0.8},
        {"class": "b", "images": 2, "precision": 0.7, "recall": 1.0, "f1": 0.8},
    ],
    "confusion_matrix": [[2, 1], [0, 2]],
}


def test_unknown_figures_have_no_row():
    assert [one.name for one in scalars(OLD)] == ["Accuracy", "Loss"]


def test_accuracy_has_its_own_interval():
    assert scalars(OLD)[0].interval == (0.4, 0.96)


def test_other_figures_have_their_bootstrap_intervals():
    found = {one.name: one.interval for one in scalars(small_report.metrics())}
    assert found["ROC AUC"] == (0.95, 0.99) and found["Loss"] is None


def test_accuracy_of_several_labels_has_another_name():
    assert scalars(OLD, multi_label=True)[0].name == "Exact match"


def test_figures_over_all_labels_are_of_several_labels_alone():
    for several in (False, True):
        found = scalars(OLD | {"micro_f1": 0.8}, multi_label=several)
        assert ("F1, micro" in [one.name for one in found]) == several


def test_columns_without_any_value_are_left_out():
    assert list(class_columns(OLD)) == ["images", "precision", "recall", "f1"]
    assert "roc_auc" in class_columns(small_report.metrics())


def test_confused_pairs_are_counted_where_the_figures_have_none():
    (pair,) = confused(OLD)
    assert (pair.true, pair.predicted, pair.images) == ("a", "b", 1)
    assert pair.share == 1 / 3


def test_confused_pairs_of_the_figures_are_taken():
    given = {"true": "b", "predicted": "a", "images": 7, "share": 0.5, "more": 1}
    (pair,) = confused({**OLD, "confused": [given]})
    assert (pair.true, pair.images) == ("b", 7)


def test_worst_pairs_come_first():
    found = confused({**OLD, "confusion_matrix": [[2, 1], [4, 2]]})
    assert [pair.images for pair in found] == [4, 1]


def test_without_a_matrix_there_are_no_pairs():
    del (old := dict(OLD))["confusion_matrix"]
    assert confused(old) == []
