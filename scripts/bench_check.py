"""How listing, checking and splitting grow with the number of files, and their memory.

    python scripts/bench_check.py --files 10000 50000 200000

Makes folders of small JPEGs in ten classes, and for each size, in a process of its
own: lists them, checks them with an empty store, checks them again, and splits them.
Memory is the greatest sum of all its processes' proportional sets, looked at four
times a second.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

CLASSES = 10
SIDE = 96
SECONDS_BETWEEN_LOOKS = 0.25


def main() -> None:
    """Measures each size and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--steps", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps:
        print(json.dumps(_steps(Path(options.steps))))
        return
    table = Table("Files", "List", "Check", "Check again", "Split", "Peak memory")
    for files in options.files:
        with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
            _draw(Path(folder, "images"), files)
            seconds, memory = _measure(folder)
        rates = [f"{took:.1f} s, {files / took:,.0f}/s" for took in seconds.values()]
        table.add_row(f"{files:,}", *rates, f"{memory / 1e6:,.0f} MB")
    Console(width=120).print(table)


def _draw(folder: Path, files: int) -> None:
    """Writes JPEGs that all differ: coloured clouds."""
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class {label}").mkdir(parents=True)
    for number in range(files):
        blots = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(blots).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(folder / f"class {number % CLASSES}" / f"{number}.jpg", quality=85)


def _measure(folder: str) -> tuple[dict[str, float], int]:
    """Runs the steps in a process; returns seconds of each, and bytes at the peak."""
    command = [sys.executable, __file__, "--steps", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        with _peak_memory(process.pid) as peak:
            output, _ = process.communicate()
    if process.returncode:
        raise SystemExit("The steps failed.")
    return json.loads(output.splitlines()[-1]), peak[0]


@contextmanager
def _peak_memory(pid: int) -> Iterator[list[int]]:
    """Gives a list whose only number grows to a process tree's peak, in bytes."""
    peak, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            peak[0] = max(peak[0], _memory(pid))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def _memory(pid: int) -> int:
    """Returns the bytes of a process tree, shared pages split among their users."""
    total = 0
    try:
        for process in (root := psutil.Process(pid), *root.children(recursive=True)):
            total += process.memory_full_info().pss
    # A process that ends while it is looked at counts no more.
    except psutil.Error:
        pass
    return total


def _steps(folder: Path) -> dict[str, float]:
    """Times each step on `folder / "images"`."""
    from tl_keras.datasets import sources, split
    from tl_keras.datasets.checking import check
    from tl_keras.sections import Data

    data = Data(cache_dir=str(folder / "cache"))
    seconds = {}

    def timed(name: str, work: Callable):
        started = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - started
        return result

    listed = timed("list", lambda: sources.find(folder / "images", data))
    findings = timed("check", lambda: check.check(listed, data))
    again = timed("check again", lambda: check.check(listed, data))
    assert again.manifest == findings.manifest
    timed("split", lambda: split.deal(findings.usable(), data))
    return seconds


if __name__ == "__main__":
    main()
