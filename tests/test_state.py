"""What `state.json` says while a run is under way."""

import json
import math

import pytest

from tl_keras import state
from tl_keras.state import STATE, State


@pytest.fixture
def folder(tmp_path):
    """A folder with the state of a run that has trained its head."""
    begun = State(source="photos", root="/photos").after("head", 2.0)
    begun.during("fine_tune").save(tmp_path / STATE)
    return tmp_path


def read(folder):
    return json.loads((folder / STATE).read_text())


def test_step_under_way_is_named(folder):
    assert (read(folder)["phase"], read(folder)["epoch"]) == ("fine_tune", 0)


def test_epoch_and_best_are_noted(folder):
    state.note_epoch(folder, 3, 2, 0.5)
    found = read(folder)
    assert found["phase"] == "fine_tune" and found["epoch"] == 3
    assert found["best"] == {"epoch": 2, "val_accuracy": 0.5}


def test_best_without_validation_has_no_accuracy(folder):
    state.note_epoch(folder, 3, 3, math.nan)
    assert read(folder)["best"] == {"epoch": 3, "val_accuracy": None}


def test_folder_without_a_state_gets_none(tmp_path):
    state.note_epoch(tmp_path, 1, 1, 0.5)
    assert not (tmp_path / STATE).exists()


def test_finished_step_is_under_way_no_more(folder):
    state.note_epoch(folder, 3, 2, 0.5)
    done = State.load(folder / STATE).after("fine_tune", 4.0)
    assert done.done == ("head", "fine_tune")
    assert (done.phase, done.epoch, done.best) == (None, 0, None)


def test_state_is_read_as_it_was_written(folder):
    written = State(source="a", root="b", done=("head",), weights=("1", "2"))
    written.save(folder / STATE)
    assert State.load(folder / STATE) == written


def test_steps_that_are_to_be_repeated_are_not_done():
    done = State(source="a", root="b", done=("plan", "head", "x"), weights=("1",))
    assert done.without(("head",)).done == ("plan", "x")
    assert done.without(("head",)).weights == ()


def test_changed_library_is_named(monkeypatch):
    assert state.changed(state.versions()) == ""
    before = {**state.versions(), "keras": "2.0"}
    assert state.changed(before).startswith("keras 2.0 is now 3.")


def test_next_step_begins_without_the_epochs_of_the_last(folder):
    state.note_epoch(folder, 3, 2, 0.5)
    begun = State.load(folder / STATE).during("evaluate")
    assert (begun.phase, begun.epoch, begun.best) == ("evaluate", 0, None)
