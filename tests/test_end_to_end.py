"""The command line as a person uses it: processes of their own, real weights."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import draw_squares

pytestmark = pytest.mark.slow

SMALL = ("--backbone.image_size", "64", "--no_export")
GIVE_UP_AFTER = 240


@pytest.fixture
def here(tmp_path):
    """An empty folder with a folder of pictures in it."""
    draw_squares(tmp_path / "squares")
    return tmp_path


def start(folder, *arguments):
    """Starts `tl-keras` in a folder, with a cache of its own."""
    cache = ("--data.cache_dir", "cache") if arguments[0] == "train" else ()
    return subprocess.Popen(
        [sys.executable, "-m", "tl_keras.cli", *arguments, *cache],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder, *arguments):
    """Runs `tl-keras` to its end; returns its output and its messages."""
    process = start(folder, *arguments)
    output, messages = process.communicate(timeout=GIVE_UP_AFTER)
    assert process.returncode == 0, messages
    return output, messages


def epochs(folder, phase):
    """Returns a phase's rows of `history.csv` so far."""
    path = folder / "history.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return [row for row in csv.DictReader(file) if row["phase"] == phase]


def wait_for_epochs(process, folder, phase, number):
    """Waits until a phase has finished some epochs."""
    deadline = time.monotonic() + GIVE_UP_AFTER
    while len(epochs(folder, phase)) < number:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_interrupt_stops_within_seconds_and_says_how_to_resume(here):
    arguments = ("--name", "stopped", "--fine_tune.epochs", "500")
    process = start(here, "train", "squares", *SMALL, *arguments)
    wait_for_epochs(process, here / "runs" / "stopped", "fine_tune", 1)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - asked < 30
    assert "Go on with: tl-keras resume runs/stopped" in messages
    assert "Traceback" not in messages


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder in which a run was trained and exported, the run folder gone."""
    folder = tmp_path_factory.mktemp("exported")
    draw_squares(folder / "squares")
    size = ("--backbone.image_size", "64", "--fine_tune.epochs", "2")
    output, messages = run(folder, "train", "squares", *size, "--name", "squares")
    shutil.rmtree(folder / "runs")
    return folder, output, messages


def test_train_shows_what_how_long_how_good_and_where(exported):
    _, output, _ = exported
    for shown in ("Accuracy", "Time: fine-tune", "tl-keras board runs"):
        assert shown in output
    assert "saved_models/squares/1" in output


def test_piped_progress_is_plain_lines(exported):
    _, output, messages = exported
    assert "\x1b" not in output + messages and "\r" not in messages


def test_nothing_of_tensorflow_s_chatter_is_shown(exported):
    _, _, messages = exported
    assert "cuda" not in messages.lower() and "WARNING" not in messages


def test_export_predicts_without_its_run(exported):
    folder, _, _ = exported
    image = "squares/green/3.png"
    output, _ = run(folder, "predict", "saved_models/squares", image, "--json")
    assert json.loads(output)[0]["label"] == "green"


def test_export_is_evaluated_without_its_run(exported):
    folder, _, _ = exported
    model = "saved_models/squares/1"
    output, _ = run(folder, "evaluate", model, "squares", "--json")
    assert json.loads(output)["accuracy"] > 0.9


def test_three_lines_of_python_do_the_main_job(here):
    program = (
        "import tl_keras as tl\n"
        "run = tl.train('squares', backbone={'image_size': 64},"
        " fine_tune={'epochs': 1}, data={'cache_dir': 'cache'})\n"
        "export = run.export('saved_models/squares')\n"
        "print(tl.load(export.path).predict(['squares/red/1.png'])[0].label)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=GIVE_UP_AFTER,
    )
    assert done.stdout.strip().splitlines()[-1] == "red", done.stderr
