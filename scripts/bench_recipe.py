"""Compares our pipeline with the recipe of Keras's guide: test accuracy and total time.

    python scripts/bench_recipe.py
    python scripts/bench_recipe.py --data twemoji --only ours head --seeds 0
    python scripts/bench_recipe.py --fpe 4000

The same split, backbone, weights and image size for all; every way and seed in a
process of its own, with an empty cache. Time runs from the dealt images to trained
weights: building, loading, conversion, extraction and training, without the evaluation.
Cost is in forward-pass equivalents: that time through the time of one forward pass of
each training image, at the best rate that the same process reached.

Results go to a file as they come, and what is there is not done again: it can run in
pieces. `--quick` proves that all runs on few images and epochs, in a file of its own;
its figures say nothing. Prints Markdown tables.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

Record = dict[str, Any]

DATA = ("twemoji", "mnist5k:100", "mnist5k:1000")
SEEDS = (0, 1, 2)
WAYS = {
    "guide": "Keras guide: head 20 epochs, then all layers 10",
    "guide_last": "The same, only the last stage unfrozen, BN frozen",
    "uncached": "Ours, cache off",
    "ours": "Ours (defaults)",
    "brief": "Ours, 6 epochs and 2 views",
    "head": "Ours, head only",
}
# The guide calls its second phase optional.
FIRST = "… after its first phase"
# Forward-pass equivalents at 4,000 images or more.
GOALS = {"head": 2.0, "ours": 8.0}
# Of the backbone, as of most photographs: where the passes are what costs.
NATIVE_SIZE = 224
KEY = ("data", "seed", "way")


def main() -> None:
    """Runs what is missing and prints the tables."""
    options = _arguments()
    if options.one:
        print(json.dumps(_one(options)))
        return
    folder = results_folder(options)
    wanted = list(product(options.data, options.seeds, options.only))
    failed = _run_missing(wanted, options)
    records = [record for record in read(folder) if _key(record) in wanted]
    if options.quick:
        print("**Quick: few images and epochs. These figures say nothing.**\n")
    table = fpe_table if options.fpe else accuracy_table
    for data in options.data:
        chosen = [record for record in records if record["data"] == data]
        if chosen:
            print(f"{heading(chosen)}\n\n{table(chosen)}\n\n{bounds(chosen)}\n")
    if failed:
        raise SystemExit(f"Failed: {failed}. Their messages are above.")


def _arguments() -> argparse.Namespace:
    """Reads the command line; `--fpe` stands for data and ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", nargs="+", default=list(DATA), help="SOURCE[:IMAGES[:SIDE]]"
    )
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--folder", type=Path, default=Path("runs/bench_recipe"))
    parser.add_argument("--quick", action="store_true", help="few images and epochs")
    parser.add_argument(
        "--fpe", type=int, metavar="IMAGES", help="cost of ours on digits, 4000 or more"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fpe:
        options.data = [f"mnist5k:{options.fpe}:{NATIVE_SIZE}"]
        options.only = list(GOALS)
    return options


def results_folder(options: argparse.Namespace) -> Path:
    """Returns where the results are: those of quick runs are kept apart."""
    return options.folder / "quick" if options.quick else options.folder


def _run_missing(
    wanted: Sequence[tuple[str, int, str]], options: argparse.Namespace
) -> list[tuple[str, int, str]]:
    """Runs what has no result yet; returns what failed."""
    folder, failed = results_folder(options), []
    folder.mkdir(parents=True, exist_ok=True)
    done = {_key(record) for record in read(folder)}
    for key in wanted:
        if key in done:
            continue
        data, seed, way = key
        print(f"{data}, seed {seed}: {WAYS[way]}", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--folder", str(options.folder)]
        command += ["--quick"] * options.quick + ["--one", data, str(seed), way]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if result.returncode:
            failed.append(key)
            continue
        record = dict(zip(KEY, key)) | json.loads(result.stdout.splitlines()[-1])
        with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return failed


def _one(options: argparse.Namespace) -> Record:
    """Runs one way here, in an empty folder that is gone afterwards."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import recipe_ways

    data, seed, way = options.one
    own = results_folder(options) / f"{way}-{data.replace(':', '-')}-{seed}"
    # What a killed run left is not an empty cache.
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    try:
        return recipe_ways.run(way, data, int(seed), own.resolve(), quick=options.quick)
    finally:
        shutil.rmtree(own)


def read(folder: Path) -> list[Record]:
    """Returns the results so far."""
    path = folder / "results.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _key(record: Record) -> tuple[str, int, str]:
    """Returns what a result is of."""
    return tuple(record[name] for name in KEY)


def heading(records: list[Record]) -> str:
    """Returns what the results are of."""
    record, seeds = records[0], {record["seed"] for record in records}
    return (
        f"{record['data']}: {record['train_images']:,} training and "
        f"{record['test_images']:,} test images at {record['image_size']} pixels, "
        f"n = {len(seeds)} seeds, {record['cores']} cores"
    )


def accuracy_table(records: list[Record]) -> str:
    """Compares all ways: one row each, and one for each first phase."""
    ours = {record["seed"]: record for record in records if record["way"] == "ours"}
    lines = [
        "| Way | Test accuracy, mean ± sd | Seconds, median | Times ours, median "
        "(range) | Forward-pass equivalents, median |",
        "|---|---|---|---|---|",
    ]
    for name, chosen in _rows(records):
        accuracies = [record["accuracy"] for record in chosen]
        seconds = [record["seconds"] for record in chosen]
        ratios = [
            record["seconds"] / ours[record["seed"]]["seconds"]
            for record in chosen
            if record["seed"] in ours
        ]
        lines.append(
            f"| {name} | {statistics.mean(accuracies):.3f} ± {_deviation(accuracies)} "
            f"| {statistics.median(seconds):.1f} | {_ratio(ratios)} "
            f"| {statistics.median(map(equivalents, chosen)):.1f} |"
        )
    return "\n".join(lines)


def _rows(records: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Yields the name of each row and its results."""
    for way, name in WAYS.items():
        chosen = [record for record in records if record["way"] == way]
        if chosen:
            yield name, chosen
        first = [
            {**r, "accuracy": r["first_accuracy"], "seconds": r["first_seconds"]}
            for r in chosen
            if "first_seconds" in r
        ]
        if first:
            yield FIRST, first


def fpe_table(records: list[Record]) -> str:
    """Shows what our ways cost, beside the goals."""
    lines = [
        "| Way | Forward-pass equivalents, median (range) | Goal | Seconds, median |",
        "|---|---|---|---|",
    ]
    for way, goal in GOALS.items():
        chosen = [record for record in records if record["way"] == way]
        if chosen:
            seconds = statistics.median(record["seconds"] for record in chosen)
            costs = [equivalents(record) for record in chosen]
            lines.append(
                f"| {WAYS[way]} | {_ratio(costs)} | at most {goal:g} | {seconds:.1f} |"
            )
    return "\n".join(lines)


def equivalents(record: Record) -> float:
    """Returns the cost in forward passes of all training images."""
    return record["seconds"] * record["images_a_second"] / record["train_images"]


def bounds(records: list[Record]) -> str:
    """Tells what the machine needs at least."""
    rate = statistics.median(record["images_a_second"] for record in records)
    engines = sorted({record["engine"] for record in records})
    passed = records[0]["train_images"] / rate
    text = (
        f"One forward pass of each training image: {passed:.1f} s, at "
        f"{rate:.0f} images a second ({', '.join(engines)})."
    )
    cached = [r for r in records if r["way"] == "ours" and r["cache_bytes"]]
    if cached:
        megabytes = statistics.median(record["cache_bytes"] for record in cached) / 1e6
        seconds = statistics.median(record["cache_read_seconds"] for record in cached)
        text += (
            f" One read of the cache of our defaults from its disk: {seconds:.2f} s "
            f"({megabytes:.1f} MB, {megabytes / seconds:.0f} MB a second)."
        )
    return text


def _deviation(values: list[float]) -> str:
    """Returns the standard deviation as text; of one value there is none."""
    return f"{statistics.stdev(values):.3f}" if len(values) > 1 else "–"


def _ratio(values: list[float]) -> str:
    """Returns median and range as text, `–` where there are none."""
    if not values:
        return "–"
    low, high = min(values), max(values)
    return f"{statistics.median(values):.2f} ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    main()
