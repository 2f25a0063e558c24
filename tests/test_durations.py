"""Durations: read as they are written, refused where they are none, shown to people."""

import pytest

from tl_keras import durations
from tl_keras.config import Config
from tl_keras.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("1h0m2s", 3602)],
)
def test_written_duration_is_read(text, seconds):
    assert durations.seconds(text, "time_budget") == seconds


@pytest.mark.parametrize("text", ["", "5", "0s", "-5m", "1.5h", "30m1h", "5 m", "soon"])
def test_budget_that_is_no_time_is_refused_with_the_way_to_write_it(text):
    with pytest.raises(UsageError, match=r"`time_budget` must be .*5m.* Received: '"):
        Config(time_budget=text)


def test_budget_of_a_network_from_random_weights_is_refused():
    with pytest.raises(UsageError, match=r"scratch\.name.*time_budget.*'lenet5'"):
        Config().override(time_budget="5m", scratch="lenet5")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(7.6, "8 s"), (59.7, "1 min 00 s"), (125, "2 min 05 s"), (5430, "1 h 30 min")],
)
def test_duration_is_shown_as_people_read_it(seconds, shown):
    assert durations.readable(seconds) == shown
