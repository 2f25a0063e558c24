"""What is done about each kind of problem."""

import pytest

from tl_keras.datasets.checking.problems import (
    KINDS,
    POLICIES,
    policy,
    require_known,
)
from tl_keras.errors import UsageError
from tl_keras.sections import Data

ERRORS = [name for name, kind in KINDS.items() if kind.default == "error"]
ODD = [name for name, kind in KINDS.items() if kind.default == "warn"]


def test_wrong_pixels_are_errors_by_default():
    wrong = {"palette_bmp", "animated_webp", "transparent_gif", "damaged_jpeg"}
    assert wrong | {"turned", "dark_sixteen_bit", "leak"} <= set(ERRORS)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_odd_is_a_warning_whatever_is_done_with_bad_files(kind):
    assert policy(kind, Data(bad_files="skip")) == "warn"


@pytest.mark.parametrize("kind", ERRORS)
def test_what_is_bad_is_skipped_where_bad_files_are(kind):
    assert policy(kind, Data(bad_files="skip")) == "skip"


@pytest.mark.parametrize("kind", ERRORS)
def test_what_cannot_be_converted_stays_an_error(kind):
    expected = "convert" if "convert" in KINDS[kind].allowed else "error"
    assert policy(kind, Data(bad_files="convert")) == expected


def test_policy_of_a_kind_comes_before_that_of_bad_files():
    data = Data(bad_files="skip", problems={"damaged": "error"})
    assert policy("damaged", data) == "error"


@pytest.mark.parametrize("kind", KINDS)
def test_default_is_allowed(kind):
    assert KINDS[kind].default in KINDS[kind].allowed


@pytest.mark.parametrize("kind", ["turned", "dark_sixteen_bit", "sixteen_bit"])
def test_what_prediction_answers_is_not_converted(kind):
    assert "convert" not in KINDS[kind].allowed


@pytest.mark.parametrize("kind", KINDS)
def test_allowed_policies_are_known(kind):
    assert set(KINDS[kind].allowed) <= set(POLICIES)


@pytest.mark.parametrize("kind", KINDS)
def test_reason_is_one_line_with_the_detail_and_the_cure(kind):
    said = KINDS[kind].reason("DETAIL")
    assert said.endswith(f": {KINDS[kind].cure}") and "{" not in said


def test_unknown_kind_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="'damagd'. Did you mean 'damaged'"):
        require_known({"damagd": "skip"})


def test_policy_that_makes_no_sense_is_named_with_the_possible_ones():
    with pytest.raises(
        UsageError, match="empty cannot be 'warn'. Possible: error, skip"
    ):
        require_known({"empty": "warn"})
