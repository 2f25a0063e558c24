"""One form of error for every unknown name."""

import pytest

from tl_keras.errors import UsageError
from tl_keras.registry import lookup, suggestion

TABLE = {"vgg16": 1, "resnet50": 2, "vgg11": 3}


def test_lookup_returns_what_the_name_stands_for():
    assert lookup(TABLE, "resnet50", "backbone") == 2


def test_unknown_name_is_answered_with_the_nearest_one_and_all_known_ones():
    with pytest.raises(UsageError) as error:
        lookup({"vgg16": 1, "resnet50": 2}, "vgg61", "backbone")
    assert str(error.value) == (
        "Unknown backbone 'vgg61'. Did you mean 'vgg16'? Known: resnet50, vgg16."
    )


def test_unknown_name_is_a_value_error_too():
    with pytest.raises(ValueError):
        lookup(TABLE, "vgg61", "backbone")


def test_nothing_is_suggested_where_no_name_is_near():
    assert suggestion("zzz", TABLE) == " Known: resnet50, vgg11, vgg16."


def test_key_that_is_no_string_gets_the_same_error():
    with pytest.raises(UsageError, match="Unknown policy 5. Known: "):
        lookup(TABLE, 5, "policy")
