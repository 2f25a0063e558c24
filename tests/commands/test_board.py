"""`tl-keras board`: on this machine alone, quiet, ended by Ctrl-C."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tl_keras.cli import main
from tl_keras.commands import board
from tl_keras.run import load_run
from tl_keras.training.history import History

GIVE_UP_AFTER = 120


@pytest.fixture
def launched(monkeypatch):
    """Notes what would be started, and lets Ctrl-C come at once."""
    noted = []

    def launch(folder, port):
        noted.append((str(folder), port))
        return "http://127.0.0.1:1/"

    def interrupted(event):
        raise KeyboardInterrupt

    monkeypatch.setattr(board, "_launch", launch)
    monkeypatch.setattr(board.threading.Event, "wait", interrupted)
    return noted


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """A folder with one run in it."""
    folder = tmp_path_factory.mktemp("board") / "runs"
    shutil.copytree(trained.folder, folder / "first")
    return folder


def test_folder_that_is_not_there_is_refused(tmp_path, capsys, launched):
    assert main(["board", str(tmp_path / "none")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: There is no folder") and message.count("\n") == 1
    assert launched == []


def test_folder_without_runs_is_refused(tmp_path, capsys, launched):
    (tmp_path / "photos").mkdir()
    assert main(["board", str(tmp_path)]) == 2
    assert "error: No run in" in capsys.readouterr().err
    assert launched == []


def test_folder_of_runs_and_one_run_are_shown(runs, launched, capsys):
    for folder in (runs, runs / "first", runs.parent):
        assert main(["board", str(folder), "--port", "0"]) == 0
    assert launched == [
        (str(folder), 0) for folder in (runs, runs / "first", runs.parent)
    ]
    assert "http://127.0.0.1:1/" in capsys.readouterr().out


def test_ctrl_c_is_the_way_to_end_it(runs, launched):
    assert main(["board", str(runs), "--port", "0"]) == 0


def test_port_that_is_taken_gives_way_to_another_one(runs, launched, taken, capsys):
    assert main(["board", str(runs), "--port", str(taken)]) == 0
    assert launched == [(str(runs), 0)]
    assert f"Port {taken} is taken" in capsys.readouterr().err


def test_port_out_of_range_is_refused(runs, launched, capsys):
    assert main(["board", str(runs), "--port", "65536"]) == 2
    assert "`port` must be in [0, 65535]" in capsys.readouterr().err


def fetched(address, wanted):
    """Returns an answer in JSON once it is as wanted."""
    deadline = time.monotonic() + GIVE_UP_AFTER
    while True:
        with urllib.request.urlopen(address, timeout=30) as answer:
            found = json.loads(answer.read())
        if wanted(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


@pytest.fixture
def served(runs, tmp_path):
    """The command in a process of its own, on a copy of the runs, and its address."""
    shutil.copytree(runs, tmp_path / "runs")
    process = subprocess.Popen(
        [sys.executable, "-m", "tl_keras.cli", "board", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    try:
        yield process, re.search(r"http://\S+", line)[0], tmp_path / "runs"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_server_shows_runs_by_name_and_ends_quietly(served):
    process, address, _ = served
    found = fetched(f"{address}data/runs", lambda runs: len(runs) == 4)
    assert {name.split("/")[0] for name in found} == {"first"}
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=GIVE_UP_AFTER)
    assert (process.returncode, messages) == (0, "")


@pytest.mark.slow
def test_server_listens_on_this_machine_alone(served):
    _, address, _ = served
    assert address.startswith("http://127.0.0.1:")
    port = int(address.rsplit(":", 1)[1].strip("/"))
    # All of 127.0.0.0/8 is this machine: a server on all addresses would answer.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.slow
def test_open_page_follows_a_run_that_repeats_an_epoch(served):
    """The server that draws has read the old file already."""
    _, address, folder = served
    curve = f"{address}data/plugin/scalars/scalars?run=first/logs/train&tag=epoch_loss"
    fetched(f"{address}data/runs", lambda runs: len(runs) == 4)
    before = load_run(folder / "first").history
    expected = [[epoch.epoch, pytest.approx(epoch.loss)] for epoch in before.epochs]
    assert [point[1:] for point in fetched(curve, len)] == expected
    History(folder / "first", before.epochs[:1]).add(before.epochs[1])
    found = fetched(curve, lambda points: len(points) == 2)
    assert [point[1:] for point in found] == expected[:2]
