"""Which epoch is kept."""

import pytest

from tl_keras.training.checkpoint import Best


@pytest.mark.parametrize(
    ("accuracy", "kept"),
    # One standard error of 0.8 on 100 images is 0.04.
    [(0.9, True), (0.8, True), (0.77, True), (0.75, False)],
)
def test_later_epoch_is_kept_within_a_standard_error_of_the_best(accuracy, kept):
    assert Best(0.8, 1, []).keeps(accuracy, images=100) is kept


def test_more_images_tell_smaller_differences():
    assert not Best(0.8, 1, []).keeps(0.77, images=10_000)


def test_first_epoch_is_always_kept():
    assert Best.none_yet().keeps(0.0, images=5)


def test_nothing_but_as_good_is_kept_where_all_images_are_right():
    assert not Best(1.0, 1, []).keeps(0.99, images=100)
