"""Small trainings that `torture.py` does harm to, and how they are compared."""

import csv
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from tl_keras.cli import main
from tl_keras.commands.quiet import load_pipeline

NAME = "run"
COMMON = (
    *(
        "--backbone",
        "resnet20_cifar",
        "--weights",
        "none",
        "--backbone.image_size",
        "32",
    ),
    *("--data.cache_dir", "cache", "--no_export", "--deterministic"),
    *("--head.dropout", "0.3", "--fine_tune.batch_size", "8", "--augment.views", "2"),
)
GRADIENT = ("--head_phase.solver", "gradient", "--head_phase.epochs", "5")
EPOCHS = ("--fine_tune.epochs", "8", "--fine_tune.patience", "8")
RECIPES = {
    # Mixed pairs of images and averaged weights are in all of them.
    "default": EPOCHS,
    "all": (*EPOCHS, "--fine_tune.unfreeze", "all"),
    "gradual": (*EPOCHS, "--fine_tune.unfreeze", "3", "--fine_tune.gradual", "true"),
    "head": (*EPOCHS, *GRADIENT, "--head_phase.ema_momentum", "0.9"),
    "streamed": (*EPOCHS, "--cache.store", "none"),
}
EVALUATE = "evaluate"
STEPS = ("before the run folder", "head", "scratch", "fine_tune", EVALUATE)
GIVE_UP_AFTER = 300.0
# About so long a process takes up to the run folder, where the pictures were checked
# before; and to go on with one.
BEFORE, STARTING = 3.0, 2.0


def draw_pictures(folder: Path, images: int = 24) -> Path:
    """Draws noisy pictures of three colours, one sub-folder a colour."""
    draw = np.random.default_rng(0)
    colours = {"blue": (90, 90, 160), "green": (90, 140, 90), "red": (150, 90, 90)}
    for name, colour in colours.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(images):
            pixels = np.array(colour) + draw.normal(0, 60, (24, 32, 3))
            picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            picture.save(folder / name / f"{index}.png")
    return folder.resolve()


class Child:
    """A process that runs one command in a folder.

    It is forked: what takes long about a start, importing TensorFlow, is done.
    """

    def __init__(self, arguments: list[str], folder: Path):
        """Starts it."""
        load_pipeline()
        self._log = folder / "log"
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(arguments, folder)
        self.code: int | None = None

    def _run(self, arguments: list[str], folder: Path) -> None:
        """Is the process."""
        code = 70
        try:
            os.chdir(folder)
            log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = main(arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def ends_within(self, seconds: float) -> bool:
        """Waits for its end, at most so long; tells whether it has ended."""
        end = time.monotonic() + seconds
        while not self._ended() and time.monotonic() < end:
            time.sleep(0.01)
        return self.code is not None

    def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        if not self.ends_within(GIVE_UP_AFTER):
            self.kill()
        return self.code

    def kill(self) -> None:
        """Kills it: nothing in it can do anything about that."""
        if not self._ended():
            self.send(signal.SIGKILL)
        while not self._ended():
            time.sleep(0.01)

    def send(self, number: int) -> None:
        """Sends a signal."""
        os.kill(self.pid, number)

    def said(self) -> str:
        """Returns all that was printed in the folder."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def last_line(self) -> str:
        """Returns the last line that was printed in the folder."""
        return (self.said().strip().splitlines() or [""])[-1]

    def _ended(self) -> bool:
        """Tells whether it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None


@dataclass
class Trial:
    """One training in a folder of its own, over several processes.

    Attributes:
        folder: Where it runs; the run folder is `runs/run` in it.
        train: The command that starts it.
        seconds: How long it takes without harm.
        child: The last process.
    """

    folder: Path
    train: list[str]
    seconds: float
    child: Child | None = field(default=None)

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / "runs" / NAME

    def next_command(self) -> Child:
        """Starts the training, or goes on with it."""
        going = (self.run / "state.json").exists()
        command = ["resume", f"runs/{NAME}"] if going else self.train
        self.child = Child(command, self.folder)
        return self.child

    def finish(self) -> tuple[int, str]:
        """Goes on to the end; returns the exit code and the last line that was said."""
        if not self.child or self.child.code != 0:
            self.next_command().wait()
        return self.child.code, self.child.last_line()

    def go_on_to_the_figures(self) -> bool:
        """Goes on until the run is evaluated; tells whether it got there."""
        if not self.child or self.child.code is not None:
            self.next_command()
        self.wait_for(lambda state: EVALUATE in state.get("done", ()))
        # What is left is for people to look at.
        self.child.kill()
        return EVALUATE in self.state()["done"]

    def state(self) -> dict:
        """Returns what `state.json` holds; nothing before it is there."""
        path = self.run / "state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def step(self) -> str:
        """Returns the step under way."""
        found = self.state()
        if not found:
            return STEPS[0]
        return found["phase"] or "between two steps"

    def seconds_until(self, moment: float) -> float:
        """Returns after how long a process that starts now is at a moment.

        Args:
            moment: Share of the whole duration without harm.
        """
        noted = self.state().get("seconds")
        # The steps that are done; what was begun is lost, or done again.
        done = 0.0 if noted is None else BEFORE + sum(noted.values())
        wanted = moment * (BEFORE + self.seconds) - done
        return max(0.0, wanted) + (STARTING if done else 0.0)

    def wait_for(self, reached: Callable[[dict], bool]) -> None:
        """Waits until the state is one that is wanted."""
        end = time.monotonic() + GIVE_UP_AFTER
        while not reached(self.state()) and time.monotonic() < end:
            if self.child.ends_within(0.01):
                return

    def remove(self) -> None:
        """Frees the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Bench:
    """A training without harm, with which others are compared.

    Attributes:
        folder: Where trials go.
        pictures: What is trained on.
        recipe: Flags of `tl-keras train`.
        seconds: How long it takes.
    """

    folder: Path
    pictures: Path
    recipe: tuple[str, ...]
    seconds: float = 0.0

    def make_reference(self) -> None:
        """Runs the training once."""
        trial = self.trial("reference")
        child = trial.next_command()
        trial.wait_for(bool)
        started = time.monotonic()
        if child.wait() != 0:
            raise SystemExit(f"The training itself fails:\n{child.said()}")
        self.seconds = time.monotonic() - started
        self.reference = trial

    def trial(self, name: str) -> Trial:
        """Returns a training that is not begun; the pictures are checked already."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        checks = self.folder / "reference" / "cache" / "checks"
        if checks.exists():
            shutil.copytree(checks, folder / "cache" / "checks")
        command = ["train", str(self.pictures), *COMMON, *self.recipe, "--name", NAME]
        return Trial(folder, command, self.seconds)

    def killed_in_fine_tuning(self) -> Trial:
        """Returns a training that was killed behind two epochs of fine-tuning."""
        trial = self.trial("middle")
        child = trial.next_command()
        trial.wait_for(lambda state: _epoch(state) >= 2)
        child.kill()
        return trial

    def copy(self, trial: Trial, name: str) -> Trial:
        """Returns a copy of a training, to do other harm to."""
        folder = self.folder / name
        shutil.copytree(trial.folder, folder)
        return Trial(folder, trial.train, trial.seconds)

    def differences(self, trial: Trial) -> list[str]:
        """Returns what is not as in the training without harm, bit for bit."""
        ours, theirs = trial.run, self.reference.run
        found = []
        if _weights(ours) != _weights(theirs):
            found.append("the weights")
        if _history(ours) != _history(theirs):
            found.append("the history")
        for name in ("metrics.json", "predictions.csv"):
            if (ours / name).read_bytes() != (theirs / name).read_bytes():
                found.append(name)
        return found

    @staticmethod
    def order(step: str) -> tuple[int, str]:
        """Returns a step's place in a table."""
        return STEPS.index(step) if step in STEPS else len(STEPS), step


def _epoch(state: dict) -> int:
    """Returns the finished epochs of fine-tuning."""
    return state.get("epoch", 0) if state.get("phase") == "fine_tune" else 0


def _weights(run: Path) -> dict[str, bytes]:
    """Returns every array of the weights' file, byte by byte."""
    found: dict[str, bytes] = {}

    def keep(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tobytes()

    with h5py.File(run / "model.weights.h5") as file:
        file.visititems(keep)
    return found


def _history(run: Path) -> list[dict[str, str]]:
    """Returns the history without the seconds."""
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key != "seconds"} for row in rows]
