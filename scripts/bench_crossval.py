"""Compares the time of a cross-validation with that of one cached run.

    python scripts/bench_crossval.py
    python scripts/bench_crossval.py --images 400 --rounds 5
    python scripts/bench_crossval.py --quick

Both train the head on the features of the default backbone. Each measurement is a
process of its own with an empty cache: listing, check, extraction, heads, evaluation
and what is written are all in the time, the imports are not. The two take turns, so
that a slow spell of the machine meets both; the ratio is that of a round. The goal is
5 folds in less than 1.5 times one run.

`--quick` proves that all runs, on few small images and without pretrained weights: its
figures say nothing.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GOAL = 1.5
WAYS = ("run", "crossval")
QUICK = {"images": 120, "rounds": 1, "folds": 3}
QUICK_BACKBONE = {"weights": None, "image_size": 64}


def main() -> None:
    """Measures both ways in turn and prints a table."""
    options = _arguments()
    if options.one:
        print(json.dumps(_one(options)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-crossval-") as folder:
        table, images = _images(options, Path(folder))
        rounds = [
            {way: _in_child(way, table, options) for way in WAYS}
            for _ in range(options.rounds)
        ]
    print(f"{images:,} images of {options.data}, {options.folds} folds\n")
    print("| | seconds | through one run |\n|---|---|---|")
    for way in WAYS:
        seconds = [turn[way] for turn in rounds]
        ratios = [turn[way] / turn["run"] for turn in rounds]
        print(f"| {way} | {_spread(seconds, '.1f')} | {_spread(ratios, '.2f')} |")
    ratio = statistics.median(turn["crossval"] / turn["run"] for turn in rounds)
    met = "met" if ratio < GOAL else "missed"
    print(f"\nGoal {GOAL}: {met}, {ratio:.2f} (median of {len(rounds)} rounds).")
    if options.quick:
        print("Quick: few images and random weights. These figures say nothing.")


def _arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="twemoji", help="a source")
    parser.add_argument("--images", type=int, help="so many of them; all by default")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few images, one round")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    return options


def _images(options: argparse.Namespace, folder: Path) -> tuple[str, int]:
    """Writes a table of the images, the same share of each class; returns its path."""
    from tl_keras.datasets import sources
    from tl_keras.sections import Data

    manifest = sources.find(options.data, Data(cache_dir=str(folder)))
    wanted = options.images or len(manifest.rows)
    by_class = defaultdict(list)
    for row in manifest.rows:
        by_class[row.label].append(row)
    chosen = [
        row
        for rows in by_class.values()
        for row in rows[: max(10, round(wanted * len(rows) / len(manifest.rows)))]
    ]
    path = folder / "images.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([manifest.root / row.path, row.label] for row in chosen)
    return str(path), len(chosen)


def _in_child(way: str, table: str, options: argparse.Namespace) -> float:
    """Measures one way in a process of its own, in seconds."""
    print(f"{way} …", file=sys.stderr, flush=True)
    command = [sys.executable, __file__, "--one", way, table]
    command += ["--folds", str(options.folds)]
    done = subprocess.run(
        command + (["--quick"] if options.quick else []),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _one(options: argparse.Namespace) -> float:
    """Runs one way with an empty cache; returns its seconds."""
    from tl_keras import pipeline
    from tl_keras.studies import cross_validation

    way, table = options.one
    with tempfile.TemporaryDirectory(prefix="bench-crossval-") as folder:
        given = {
            "runs": f"{folder}/runs",
            "data": {"cache_dir": f"{folder}/cache"},
            "fine_tune": {"epochs": 0},
            "backbone": QUICK_BACKBONE if options.quick else {},
        }
        started = time.perf_counter()
        if way == "crossval":
            cross_validation.cross_validate(table, folds=options.folds, **given)
        else:
            pipeline.train(table, **given)
        return time.perf_counter() - started


def _spread(values: list[float], form: str) -> str:
    """Returns median and range."""
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}}–{max(values):{form}})"


if __name__ == "__main__":
    main()
