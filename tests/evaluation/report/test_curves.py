"""Points and ticks of the charts lie where they should."""

import math
from dataclasses import replace

import pytest
import small_report

from tl_keras.evaluation.report import curves
from tl_keras.evaluation.report.curves import BOTTOM, LEFT, RIGHT, TOP, of_epochs


def points(chart, name):
    """Returns all points of a line."""
    line = next(one for one in chart.lines if one.name == name)
    return [point for part in line.parts for point in part]


def test_one_epoch_needs_no_chart():
    assert of_epochs(small_report.epochs(1, 0), "loss") is None


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_points_stay_inside_the_box(name):
    chart = of_epochs(small_report.epochs(), name)
    found = [*points(chart, "training"), *points(chart, "validation")]
    assert len(found) == 14
    assert all(LEFT < x < RIGHT and TOP <= y <= BOTTOM for x, y in found)


def test_both_phases_are_on_one_axis_and_the_second_has_its_mark():
    chart = of_epochs(small_report.epochs(head=2, fine_tune=3), "loss")
    (first, head), (second, fine_tune) = chart.phases
    assert (first, head, fine_tune) == (LEFT, "head", "fine-tune")
    xs = [x for x, _ in points(chart, "training")]
    assert xs == sorted(xs) and xs[1] < second < xs[2]


def test_lines_do_not_lead_from_one_phase_into_the_next():
    chart = of_epochs(small_report.epochs(head=2, fine_tune=3), "loss")
    assert [len(part) for part in chart.lines[0].parts] == [2, 3]


def test_without_validation_there_is_no_second_line():
    chart = of_epochs(small_report.epochs(validated=False), "accuracy")
    assert points(chart, "validation") == [] and points(chart, "training")


def test_loss_that_is_no_number_breaks_the_line():
    found = list(small_report.epochs(head=0, fine_tune=5))
    found[2] = replace(found[2], loss=math.nan)
    chart = of_epochs(found, "loss")
    assert [len(part) for part in chart.lines[0].parts] == [2, 2]


def test_loss_that_is_never_a_number_has_no_chart():
    found = [replace(one, loss=math.inf) for one in small_report.epochs()]
    found = [replace(one, val_loss=math.nan) for one in found]
    assert of_epochs(found, "loss") is None


def test_accuracy_that_is_always_1_is_drawn():
    perfect = [
        replace(one, accuracy=1.0, val_accuracy=1.0) for one in small_report.epochs()
    ]
    chart = of_epochs(perfect, "accuracy")
    assert {y for _, y in points(chart, "training")} == {TOP}


@pytest.mark.parametrize("high", [0.003, 0.1, 0.7, 1, 2.37, 19, 12345.6])
def test_ticks_are_few_and_inside(high):
    chart = of_epochs(
        [replace(one, loss=high) for one in small_report.epochs(validated=False)],
        "loss",
    )
    assert 2 <= len(chart.y.ticks) <= 7
    assert all(chart.y.low <= tick <= chart.y.high for tick in chart.y.ticks)


def test_ticks_are_round():
    losses = [replace(one, loss=2.37) for one in small_report.epochs(validated=False)]
    assert of_epochs(losses, "loss").y.ticks == (0, 0.5, 1, 1.5, 2)


@pytest.mark.parametrize("many", [2, 3, 7, 40, 300])
def test_ticks_of_epochs_are_whole_numbers(many):
    chart = of_epochs(small_report.epochs(0, many), "loss")
    assert all(tick == int(tick) for tick in chart.x.ticks)
    assert 2 <= len(chart.x.ticks) <= 7


def test_marks_are_left_out_where_they_would_run_together():
    marked = [
        of_epochs(small_report.epochs(0, many), "loss").lines[0].marked
        for many in (curves.MARKED, curves.MARKED + 1)
    ]
    assert marked == [True, False]


def test_empty_bins_are_not_drawn():
    bins = small_report.metrics()["calibration"]["bins"]
    assert len(curves.reliability(bins)) == len(bins) - 1


def test_calibrated_bin_lies_on_the_diagonal():
    (found,) = curves.reliability([dict(confidence=0.5, accuracy=0.5, images=3)])
    assert found.x == (LEFT + RIGHT) / 2 and found.y == (TOP + BOTTOM) / 2


def test_area_of_a_bin_stands_for_its_images():
    bins = [dict(confidence=0.5, accuracy=0.5, images=many) for many in (25, 100)]
    assert [one.radius for one in curves.reliability(bins)] == [10, 5]


def test_coverage_rises_from_left_to_right():
    curve = small_report.metrics()["abstention"]["curve"]
    _, line = curves.coverage({"curve": curve[::-1]})
    xs = [x for x, _ in line.parts[0]]
    assert xs == sorted(xs) and len(xs) == 5


@pytest.mark.parametrize("given", [None, {}, {"curve": None}, {"curve": []}])
def test_without_a_curve_there_is_no_chart(given):
    assert curves.coverage(given) is None


def test_thresholds_that_answer_nothing_are_left_out():
    curve = [
        dict(coverage=0.0, accuracy=None),
        dict(coverage=0.5, accuracy=1.0),
        dict(coverage=1.0, accuracy=0.9),
    ]
    _, line = curves.coverage({"curve": curve})
    assert len(line.parts[0]) == 2
