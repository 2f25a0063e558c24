"""How a process ends that is told to: exit codes, the way on, a second Ctrl-C."""

import signal
import subprocess
import sys
import time

import pytest

from tl_keras import stopping

# What the command line does around its commands, without TensorFlow.
PROGRAM = """
import sys, time
from tl_keras import stopping
stopping.GRACE_SECONDS = float(sys.argv[1])
try:
    with stopping.signals(), stopping.way_on("Go on with: that"):
        try:
            print("working", flush=True)
            time.sleep(30)
        finally:
            # What takes long about an end.
            end = time.monotonic() + float(sys.argv[2])
            while time.monotonic() < end:
                time.sleep(0.01)
except KeyboardInterrupt as stop:
    print(*stopping.notes(stop), file=sys.stderr)
    sys.exit(stopping.exit_code(stop))
"""


def ended(*signals, grace=20, ending=0):
    """Sends signals to a working process; returns exit code, messages and seconds."""
    command = [sys.executable, "-c", PROGRAM, str(grace), str(ending)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "working\n"
    started = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    _, messages = process.communicate(timeout=30)
    return process.returncode, messages, time.monotonic() - started


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_signal_ends_the_work_with_its_code_and_the_way_on(number, code):
    found, messages, _ = ended(number)
    assert found == code and messages == "Go on with: that\n"


def test_second_interrupt_ends_at_once_and_says_how_to_go_on():
    code, messages, seconds = ended(signal.SIGINT, signal.SIGINT, ending=20)
    assert code == 130 and seconds < 10
    assert messages == "Stopped at once. Go on with: that\n"


def test_second_sigterm_changes_nothing():
    code, messages, _ = ended(signal.SIGTERM, signal.SIGTERM, ending=0.5)
    assert code == 143 and messages == "Go on with: that\n"


def test_what_does_not_end_by_itself_is_ended():
    code, messages, seconds = ended(signal.SIGTERM, grace=0.5, ending=20)
    assert code == 143 and seconds < 10 and "Stopped at once." in messages


def test_handlers_are_those_from_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with stopping.signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_ignored_interrupt_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.signals():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_way_on_is_a_note_of_any_error():
    with pytest.raises(ValueError) as caught, stopping.way_on("do this"):
        raise ValueError
    assert stopping.notes(caught.value) == ["do this"]


def test_way_on_after_a_stop_leaves_an_inner_one_alone():
    with pytest.raises(KeyboardInterrupt) as caught:
        with stopping.way_on_after_a_stop("outer"), stopping.way_on("inner"):
            raise KeyboardInterrupt
    assert stopping.notes(caught.value) == ["inner"]


def test_folder_with_a_space_is_quoted():
    assert stopping.resuming("my runs/a") == "Go on with: tl-keras resume 'my runs/a'"
