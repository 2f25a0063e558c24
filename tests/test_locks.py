"""The lock of a run folder: one process at a time, and none of a dead one."""

import subprocess
import sys

import pytest

from tl_keras import locks
from tl_keras.errors import BusyError, StorageError

HOLD = """
import sys, time
from tl_keras import locks
with locks.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of `runs/mine`, and its number."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "runs" / "mine")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_second_process_is_refused_and_the_first_is_named(other, tmp_path):
    with pytest.raises(BusyError, match=f"mine is in use by process {other.pid} on "):
        with locks.held(tmp_path / "runs" / "mine"):
            pass


def test_dead_process_leaves_no_lock(other, tmp_path):
    other.kill()
    other.wait()
    with locks.held(tmp_path / "runs" / "mine"):
        pass


def test_lock_is_of_one_folder_by_whatever_name(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    with locks.held("."), pytest.raises(BusyError):
        with locks.held(tmp_path / "link"):
            pass


def test_other_folders_are_free(tmp_path):
    with locks.held(tmp_path / "mine"), locks.held(tmp_path / "yours"):
        pass


def test_nothing_is_left_of_a_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), locks.held(tmp_path / "runs" / "mine"):
        raise ZeroDivisionError
    assert not (tmp_path / "runs").exists()


def test_folder_of_runs_that_was_there_stays(tmp_path):
    (tmp_path / "runs").mkdir()
    with locks.held(tmp_path / "runs" / "mine"):
        pass
    assert [*(tmp_path / "runs").iterdir()] == []


def test_lock_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        with locks.held(tmp_path / "runs" / "mine"):
            pass


def test_what_a_killed_process_left_is_put_right(tmp_path):
    (tmp_path / ".writing-x").mkdir()
    (tmp_path / ".writing-x" / "mine").write_text("half")
    with locks.held(tmp_path / "mine"):
        assert not (tmp_path / ".writing-x").exists()
