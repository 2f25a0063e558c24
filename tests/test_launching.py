"""Processes that are started together end together."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tl_keras import launching
from tl_keras.cli import main
from tl_keras.cluster import of_json

SLEEPS = "import time; print('here', flush=True); time.sleep(60)"


@pytest.fixture
def programs(monkeypatch):
    """Has `launch` run Python programs, one a process, in the place of a command."""

    def start(command, member):
        return subprocess.Popen(
            [sys.executable, "-c", command[member.number]],
            env={**os.environ, "TF_CONFIG": member.as_json()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    monkeypatch.setattr(launching, "_start", start)
    monkeypatch.setattr(launching, "SECONDS_TO_END", 0.5)
    monkeypatch.setattr(launching, "SECONDS_TO_DIE", 0.5)


def test_every_process_has_an_address_of_its_own_and_its_number(programs, capfd):
    program = "import os; print(os.environ['TF_CONFIG'])"
    assert launching.launch([program, program], 2) == 0
    lines = sorted(capfd.readouterr().out.splitlines())
    assert [line[:4] for line in lines] == ["[0] ", "[1] "]
    first, second = (of_json(line[4:]) for line in lines)
    assert (first.index, second.index) == (0, 1)
    assert first.members == second.members and len(set(first.members)) == 2


def test_both_streams_keep_their_place(programs, capfd):
    program = "import sys; print('out'); print('err', file=sys.stderr)"
    launching.launch([program], 1)
    found = capfd.readouterr()
    assert (found.out, found.err) == ("[0] out\n", "[0] err\n")


@pytest.mark.parametrize(
    "fails, code",
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_failing_process_ends_the_others(programs, fails, code):
    started = time.monotonic()
    assert launching.launch([SLEEPS, fails], 2) == code
    assert time.monotonic() - started < 20


def test_process_that_does_not_listen_is_killed(programs):
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
    started = time.monotonic()
    assert launching.launch([deaf, "raise SystemExit(1)"], 2) == 1
    assert time.monotonic() - started < 20


def test_interruption_reaches_every_process(programs, capfd):
    program = (
        "import time\n"
        "try:\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
        "    raise SystemExit(130)\n"
    )

    def interrupt():
        time.sleep(2)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=interrupt).start()
    assert launching.launch([program, program], 2) == 130
    assert capfd.readouterr().out.count("interrupted") == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_command_behind_the_dashes_is_run(capfd):
    code = main(["launch", "--local-workers", "2", "--", "train", "--no-such-flag"])
    said = capfd.readouterr().err
    assert code == 2 and "[0] error: " in said and "[1] error: " in said
    assert "no-such-flag" in said


@pytest.mark.parametrize(
    "arguments", [[], ["--"], ["--", "models"], ["--local-workers", "0", "--", "train"]]
)
def test_launch_says_how_it_is_called(arguments, capsys):
    assert main(["launch", *arguments]) == 2
    assert "error: " in capsys.readouterr().err
