"""Which epoch is kept."""

import pytest

from tl_keras.training.checkpoint import Best


@pytest.mark.parametrize(
    ("accuracy", "kept"),
    # Two standard errors of 0.8 on 100 images are 0.08.
    [(0.9, True), (0.8, True), (0.73, True), (0.71, False)],
)
def test_later_epoch_is_kept_within_two_standard_errors_of_the_best(accuracy, kept):
    assert Best(0.8, 1, []).keeps(accuracy, images=100) is kept


def test_more_images_tell_smaller_differences():
    assert not Best(0.8, 1, []).keeps(0.77, images=10_000)


def test_first_epoch_is_always_kept():
    assert Best.none_yet().keeps(0.0, images=5)


def test_nothing_but_as_good_is_kept_where_all_images_are_right():
    assert not Best(1.0, 1, []).keeps(0.99, images=100)
