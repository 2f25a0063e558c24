"""Bars on a terminal, plain lines elsewhere, and every item in both."""

import io

import pytest
from rich.console import Console

from tl_keras import progress


@pytest.fixture
def piped(monkeypatch):
    """What is written where standard error is no terminal."""
    text = io.StringIO()
    console = Console(file=text, soft_wrap=True, highlight=False)
    monkeypatch.setattr(progress, "console", console)
    return text


@pytest.fixture
def terminal(monkeypatch):
    """What is written to a terminal."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80)
    monkeypatch.setattr(progress, "console", console)
    return text


@pytest.mark.parametrize("where", ["piped", "terminal"])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_item_is_yielded_in_order(request, where, count):
    request.getfixturevalue(where)
    items = progress.track(iter(range(count)), "Counting", total=count)
    assert list(items) == list(range(count))


def test_piped_progress_is_plain_text(piped):
    list(progress.track(range(3), "Counting", total=3))
    assert piped.getvalue().replace("\n", "").isprintable()


def test_piped_progress_ends_with_one_line_that_says_how_many(piped):
    list(progress.track(range(3), "Counting", total=3))
    lines = piped.getvalue().splitlines()
    assert [line.partition(" in ")[0] for line in lines] == ["Counting: 3 of 3"]


def test_piped_progress_says_now_and_then_how_far_it_is(piped, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1.0)
    list(progress.track(range(3), "Counting", total=3))
    assert piped.getvalue().startswith("Counting: 1 of 3\nCounting: 2 of 3\n")


def test_items_that_stand_for_several_units_never_count_beyond_the_total(piped):
    list(progress.track(range(3), "Reading", total=1100, step=512))
    assert piped.getvalue().startswith("Reading: 1,100 of 1,100 in ")


def test_terminal_shows_the_full_count_at_the_end(terminal):
    list(progress.track(range(3), "Reading", total=1100, step=512))
    assert "1100/1100" in terminal.getvalue()


@pytest.mark.parametrize("where", ["piped", "terminal"])
def test_failure_among_the_items_reaches_the_caller(request, where):
    request.getfixturevalue(where)

    def failing():
        yield 1
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        list(progress.track(failing(), "Counting", total=2))


def test_names_in_brackets_are_shown_as_they_are(piped):
    progress.say("photos/[red]/1.png: done [/]")
    assert piped.getvalue() == "photos/[red]/1.png: done [/]\n"


def test_long_line_is_not_broken(piped):
    progress.say("x" * 500)
    assert piped.getvalue() == "x" * 500 + "\n"


def test_messages_go_to_standard_error(capsys):
    progress.say("working")
    assert capsys.readouterr().out == ""


def test_hushed_work_says_nothing_and_what_follows_does(piped):
    with pytest.raises(KeyboardInterrupt), progress.hushed():
        progress.say("inside")
        raise KeyboardInterrupt
    progress.say("behind")
    assert piped.getvalue() == "behind\n"
