"""What is said of a classifier in words is true of its figures."""

import pytest
import small_report

from tl_keras.evaluation.report.verdict import baseline, percent, sentence, warnings

RIGHT = {
    "images": 285,
    "accuracy": 0.923,
    "accuracy_interval": [0.886, 0.949],
    "per_class": [{"class": "a", "images": 200}, {"class": "b", "images": 85}],
    "confusion_matrix": [[190, 10], [12, 73]],
}


def test_verdict_names_accuracy_images_and_interval():
    said = "The classifier is right on 92.3 % of 285 test images"
    assert sentence(RIGHT) == f"{said} (95 % interval: 88.6 % to 94.9 %)."


def test_verdict_of_several_labels_says_what_counts_as_right():
    assert "has every label right on 92.3 %" in sentence(RIGHT, multi_label=True)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1, "100 %"), (0.99999, "99.9 %"), (0, "0 %"), (0.5, "50.0 %")],
)
def test_only_all_is_a_hundred_per_cent(share, shown):
    assert percent(share) == shown


def test_baseline_is_the_share_of_the_most_frequent_class():
    assert "With 2 classes" in baseline(RIGHT) and "70.2 %" in baseline(RIGHT)


def test_without_a_confusion_matrix_there_is_no_baseline():
    assert baseline({**RIGHT, "confusion_matrix": None, "images": 0}) == ""
    without = {key: RIGHT[key] for key in RIGHT if key != "confusion_matrix"}
    assert baseline(without) == ""


def test_warnings_of_the_evaluation_are_taken_as_they_are():
    found = small_report.metrics()
    assert warnings(found, {"validation": 5}) == found["warnings"]


def test_wide_interval_of_old_figures_is_warned_of():
    (said,) = warnings({**RIGHT, "accuracy_interval": [0.7, 0.95]}, {"validation": 5})
    assert "test set is small" in said and "70.0 % to 95.0 %" in said


def test_small_classes_of_old_figures_are_named():
    rows = [{"class": f"c{n}", "images": n} for n in range(12)]
    (said,) = warnings({**RIGHT, "per_class": rows}, {"validation": 5})
    assert "c0 (0), c1 (1), c2 (2), c3 (3), c4 (4) and 5 more" in said


def test_sound_figures_have_no_warnings():
    assert warnings(RIGHT, {"validation": 5}) == []


def test_missing_validation_is_warned_of():
    (said,) = warnings(RIGHT, {"train": 9, "test": 3})
    assert "no validation images" in said
