"""Test figures as scalars."""

from tl_keras.evaluation.board import figures


def tags(summary):
    return {value.tag: round(value.tensor.float_val[0], 4) for value in summary.value}


def metrics(classes=2, **more):
    row = {"images": 3, "precision": 0.5, "recall": 0.25, "f1": 0.33}
    rows = [{"class": f"c{number}", **row} for number in range(classes)]
    return {"images": 6, "accuracy": 0.5, "top_3": None, "per_class": rows, **more}


def test_single_numbers_have_charts_and_nothing_else_has():
    more = {"accuracy_interval": [0.1, 0.9], "confusion_matrix": [[1]], "kappa": 1}
    found = tags(figures.overall(metrics(**more)))
    assert found == {"test/accuracy": 0.5, "test/kappa": 1}


def test_calibration_error_has_a_chart():
    found = tags(figures.overall(metrics(calibration={"ece": 0.25, "bins": []})))
    assert found["test/calibration_error"] == 0.25


def test_each_class_has_three_charts():
    found = tags(figures.of_classes(metrics()))
    assert found == {
        **{f"precision/c{number}": 0.5 for number in range(2)},
        **{f"recall/c{number}": 0.25 for number in range(2)},
        **{f"f1/c{number}": 0.33 for number in range(2)},
    }


def test_classes_have_no_charts_where_they_are_many():
    assert len(figures.of_classes(metrics(50)).value) == 150
    assert len(figures.of_classes(metrics(51)).value) == 0
