"""What else `torture.py` does to a training that is in the middle of fine-tuning.

Each function takes the training, does its harm, and returns in which step that was,
what came of it, and whether that is what `docs/crashes.md` promises.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

from torture_runs import Bench, Child, Trial

Outcome = tuple[str, str, bool]
FINE_TUNE = "fine_tune"
# From the first signal to the end.
SOON = 20.0


def stopped_by(*signals: int, code: int) -> Callable[[Bench, Trial], Outcome]:
    """Returns a harm: signals, one after another."""

    def harm(bench: Bench, trial: Trial) -> Outcome:
        child = _going(trial)
        asked = time.monotonic()
        for number in signals:
            with suppress(ProcessLookupError):
                child.send(number)
            child.ends_within(0.1)
        child.wait()
        took = time.monotonic() - asked
        hint = _hinted(child)
        right = child.code == code and took < SOON and hint
        said = f"ends in {took:.1f} s with exit code {child.code}, says how to go on"
        return _resumed(bench, trial, said, right)

    return harm


def full_disk(bench: Bench, trial: Trial) -> Outcome:
    """Fills the disk of the run folder while it trains."""
    with _small_disk(trial) as mounted:
        if not mounted:
            return FINE_TUNE, "not tried: this system mounts no disk", True
        child = _going(trial)
        child.send(signal.SIGSTOP)
        filler = trial.folder / "runs" / "filler"
        _fill(filler)
        child.send(signal.SIGCONT)
        code = child.wait()
        right = code == 1 and _hinted(child) and "the disk is full" in child.said()
        filler.unlink()
        said = f"exit code {code}, `the disk is full`; some space is made"
        return _resumed(bench, trial, said, right)


def read_only(bench: Bench, trial: Trial) -> Outcome:
    """Goes on with a run on a disk that is read-only."""
    with _small_disk(trial) as mounted:
        if not mounted:
            return FINE_TUNE, "not tried: this system mounts no disk", True
        runs = str(trial.folder / "runs")
        subprocess.run(["mount", "-o", "remount,ro", runs], check=True)
        child = trial.next_command()
        code = child.wait()
        right = code == 1 and "the disk is read-only" in child.said()
        subprocess.run(["mount", "-o", "remount,rw", runs], check=True)
        said = f"exit code {code}, `the disk is read-only`; it is mounted anew"
        return _resumed(bench, trial, said, right)


def cut_checkpoint(bench: Bench, trial: Trial) -> Outcome:
    """Cuts the last checkpoint short."""
    _cut(trial.run / "checkpoints" / "fine_tune.npz")
    return _resumed(bench, trial, "goes on from the one before", True, "is damaged")


def both_checkpoints(bench: Bench, trial: Trial) -> Outcome:
    """Cuts both checkpoints short."""
    for path in (trial.run / "checkpoints").glob("*.npz"):
        _cut(path)
    said = "the phase starts anew"
    return _resumed(bench, trial, said, True, "its phase starts anew")


def cut_weights(bench: Bench, trial: Trial) -> Outcome:
    """Cuts the weights of the head's phase short."""
    _cut(trial.run / "model.weights.h5")
    said = "they are made again, and what came behind them"
    return _resumed(bench, trial, said, True, "is made again")


def cut_shard(bench: Bench, trial: Trial) -> Outcome:
    """Cuts the cache's rows short."""
    for path in (trial.folder / "cache" / "prefix").glob("*/rows.bin"):
        _cut(path)
    return _resumed(bench, trial, "it is computed anew", True, "are damaged")


def lost_image(bench: Bench, trial: Trial) -> Outcome:
    """Removes a test image, and puts it back."""
    path = _test_image(bench, trial)
    away = path.rename(trial.folder / "away.png")
    child = trial.next_command()
    code = child.wait()
    away.rename(path)
    right = code == 1 and "(removed)" in child.said() and _hinted(child)
    said = f"exit code {code}, the file is named; it is put back"
    return _resumed(bench, trial, said, right)


def changed_image(bench: Bench, trial: Trial) -> Outcome:
    """Puts another picture in the place of a test image, and the old one back."""
    path = _test_image(bench, trial)
    before, status = path.read_bytes(), path.stat()
    other = next(one for one in path.parent.glob("*.png") if one != path)
    path.write_bytes(other.read_bytes())
    child = trial.next_command()
    code = child.wait()
    path.write_bytes(before)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    right = code == 1 and "(changed)" in child.said() and _hinted(child)
    said = f"exit code {code}, the file is named; it is put back"
    return _resumed(bench, trial, said, right)


def second_process(bench: Bench, trial: Trial) -> Outcome:
    """Starts a second process on a run folder."""
    child = _going(trial)
    child.send(signal.SIGSTOP)
    second = Child(["resume", "runs/run"], trial.folder)
    code = second.wait()
    right = code == 1 and f"in use by process {child.pid}" in second.said()
    child.send(signal.SIGCONT)
    said = f"the second is refused with exit code {code}, the first goes on"
    return _resumed(bench, trial, said, right)


FAULTS = {
    "SIGTERM": stopped_by(signal.SIGTERM, code=143),
    "Ctrl-C": stopped_by(signal.SIGINT, code=130),
    "Ctrl-C twice": stopped_by(signal.SIGINT, signal.SIGINT, code=130),
    "full disk": full_disk,
    "read-only disk": read_only,
    "checkpoint cut short": cut_checkpoint,
    "both checkpoints cut short": both_checkpoints,
    "weights cut short": cut_weights,
    "cache cut short": cut_shard,
    "image removed": lost_image,
    "image changed": changed_image,
    "second process": second_process,
}


def _going(trial: Trial) -> Child:
    """Goes on with a training up to the end of one more epoch."""
    before = trial.state()["epoch"]
    child = trial.next_command()
    trial.wait_for(
        lambda state: state["phase"] == FINE_TUNE and state["epoch"] > before
    )
    return child


def _hinted(child: Child) -> bool:
    """Tells whether the last line says how to go on, and no traceback was printed."""
    said = child.said()
    last = said.strip().splitlines()[-1]
    return "tl-keras resume runs/run" in last and "Traceback" not in said


def _resumed(
    bench: Bench, trial: Trial, said: str, right: bool, needed: str = ""
) -> Outcome:
    """Goes on to the figures and compares; `needed` has to be said on the way."""
    if not trial.go_on_to_the_figures():
        return FINE_TUNE, f"{said}; resumed: {trial.child.last_line()}", False
    found = bench.differences(trial)
    told = needed in trial.child.said()
    same = f"others: {', '.join(found)}" if found else "bit-equal"
    outcome = f"{said}; resumed: {same}{'' if told else ', nothing was said'}"
    return FINE_TUNE, outcome, right and told and not found


def _cut(path: Path) -> None:
    """Leaves a file's first half."""
    os.truncate(path, path.stat().st_size // 2)


def _test_image(bench: Bench, trial: Trial) -> Path:
    """Returns a test image's file."""
    from tl_keras.run import load_run

    rows = load_run(trial.run).manifest.split("test").rows
    return bench.pictures / rows[0].path


@contextmanager
def _small_disk(trial: Trial):
    """Puts `runs` on a disk of its own; gives whether the system allows that."""
    runs, aside = trial.folder / "runs", trial.folder / "aside"
    runs.rename(aside)
    runs.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(runs)]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        if mounted:
            subprocess.run(["cp", "-a", f"{aside}/.", str(runs)], check=True)
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(runs)], check=True)


def _fill(path: Path) -> None:
    """Takes all that is left of a disk."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)
