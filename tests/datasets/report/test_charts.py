"""Marks and ticks of a chart lie where they should."""

import pytest

from tl_keras.datasets.report.charts import LARGEST_MARK, MOST_TICKS, scatter, ticks


def test_images_of_one_size_need_no_chart():
    assert scatter({(72, 72): 1898}) is None


def test_marks_stay_inside_the_axes():
    marks = scatter({(1, 1): 1, (5000, 20): 3, (640, 480): 900}).marks
    assert all(0 < place < 1 for mark in marks for place in (mark.x, mark.y))


def test_square_images_lie_on_the_diagonal():
    marks = scatter({(64, 64): 2, (100, 30): 1}).marks
    assert [mark.x == pytest.approx(mark.y) for mark in marks] == [True, False]


def test_area_stands_for_the_number_of_images():
    large, small = scatter({(64, 64): 100, (640, 480): 25}).marks
    assert (large.radius, small.radius) == (LARGEST_MARK, LARGEST_MARK / 2)


def test_many_sizes_become_few_marks():
    shapes = {(300 + side, 200 + side): 1 for side in range(100)}
    marks = scatter({**shapes, (10, 10): 1}).marks
    assert len(marks) < 20 and sum(mark.images for mark in marks) == 101


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((270, 500), [300, 350, 400, 450, 500]),
        ((71, 73), [71, 72, 73]),
        ((9, 1100), [10, 20, 50, 100, 200, 500, 1000]),
        ((0.9, 13000), [1, 10, 100, 1000, 10000]),
    ],
)
def test_ticks_are_round_numbers(ends, expected):
    assert ticks(*ends) == expected


@pytest.mark.parametrize("high", [2, 3, 7, 20, 99, 500, 70_000, 3_000_000])
def test_an_axis_has_few_ticks(high):
    assert 1 <= len(ticks(1, high)) <= MOST_TICKS
