"""Rows of the cache: in any order, as an array, without a copy."""

import numpy as np
import pytest

from tl_keras.training.cache.rows import Rows

ARRAY = np.arange(60, dtype=np.float16).reshape(10, 2, 3)


@pytest.fixture
def rows(tmp_path):
    """Rows that are mapped from a file."""
    ARRAY.tofile(tmp_path / "rows.bin")
    return Rows(np.memmap(tmp_path / "rows.bin", np.float16, "r", shape=ARRAY.shape))


def test_rows_tell_what_they_are(rows):
    assert (len(rows), rows.shape, rows.dtype) == (10, (10, 2, 3), np.float16)


@pytest.mark.parametrize("places", [[7, 0, 7, 3], [], list(range(9, -1, -1))], ids=str)
def test_rows_are_taken_in_any_order(rows, places):
    places = np.array(places, int)
    np.testing.assert_array_equal(rows.take(places), ARRAY[places])


@pytest.mark.parametrize("stretch", [slice(2, 5), slice(8, 20), slice(None)], ids=str)
def test_stretch_of_rows_is_a_new_array(rows, stretch):
    found = rows[stretch]
    np.testing.assert_array_equal(found, ARRAY[stretch])
    assert found.flags.owndata and found.flags.writeable


def test_taken_rows_are_a_new_array(rows):
    found = rows.take(np.arange(3))
    found[:] = 0
    np.testing.assert_array_equal(rows, ARRAY)


def test_all_rows_are_one_array_without_a_copy(rows):
    assert np.shares_memory(np.asarray(rows), rows.array)
    assert np.asarray(rows, np.float32).dtype == np.float32


def test_rows_of_an_array_are_that_array():
    np.testing.assert_array_equal(Rows.of(ARRAY), ARRAY)


def test_chosen_rows_are_those_of_their_places():
    array = np.arange(12, dtype=np.float32).reshape(6, 2)
    chosen = Rows.of(array).at(np.array([5, 0, 3]))
    assert len(chosen) == 3 and chosen.shape == (3, 2)
    np.testing.assert_array_equal(chosen[1:3], array[[0, 3]])
    np.testing.assert_array_equal(chosen.take(np.array([2, 0])), array[[3, 5]])
    np.testing.assert_array_equal(np.asarray(chosen), array[[5, 0, 3]])
    assert np.asarray(chosen, np.float64).dtype == np.float64


def test_chosen_rows_are_chosen_from_again():
    array = np.arange(6)
    chosen = Rows.of(array).at(np.array([5, 0, 3])).at(np.array([2, 1]))
    np.testing.assert_array_equal(np.asarray(chosen), [3, 0])
