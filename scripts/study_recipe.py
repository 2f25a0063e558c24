"""Measures the default recipe on `twemoji`: what each part of it gives.

Four folds, stratified to the image, each with 75 % for training and 25 % for the test;
no validation, so that every phase keeps its last epoch. Every image is tested once:
single splits of this set differ by several percent, and a mean over a few of them says
little. (The pipeline's own split keeps copies of a picture together; this one does not,
as in other people's figures.) Three ways are compared on the same folds: the head
alone, the head and fine-tuning (the defaults), and the same network from random
weights. Prints a Markdown table.

    python scripts/study_recipe.py --folds 0 1 2 3
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.model_selection import StratifiedKFold

import tl_keras as tl
from tl_keras.datasets import sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest
from tl_keras.preparation import settled
from tl_keras.run import create
from tl_keras.sections import Data

FOLDS = 4
# From random weights every epoch costs a pass through the whole network; a size near
# the pictures' own 72 pixels buys it more epochs.
SCRATCH = {
    "scratch": {"name": "efficientnet_lite0", "epochs": 15, "learning_rate": 2e-3},
    "backbone": {"image_size": 64},
}


def deal(fold: int) -> Manifest:
    """Returns the images, those of one fold in the test split."""
    manifest = check.check(sources.find("twemoji"), Data()).usable()
    places, labels = np.arange(len(manifest.rows)), np.array(manifest.labels())
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    _, test = list(folds.split(places, labels))[fold]
    names = np.full(len(places), "train", object)
    names[test] = "test"
    rows = [
        dataclasses.replace(row, split=name) for row, name in zip(manifest.rows, names)
    ]
    return Manifest(manifest.root, tuple(rows))


def train(fold: int, runs: Path, way: str, **changes: dict) -> tuple[float, float]:
    """Trains by the pipeline on `deal`'s images; returns test accuracy and seconds."""
    folder, manifest = runs / f"fold{fold}-{way}", deal(fold)
    config = tl.Config().override(
        seed=fold, data={"cache_dir": str(runs / f"fold{fold}-cache")}, **changes
    )
    started = time.monotonic()
    create(folder, "twemoji", manifest, settled(config, manifest))
    run = tl.resume(folder)
    return run.metrics["accuracy"], time.monotonic() - started


def main() -> None:
    """Runs every way on every fold and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--runs", type=Path, default=Path("runs/study_recipe"))
    parser.add_argument("--no-scratch", action="store_true")
    options = parser.parse_args()
    ways = {
        "Head, then last stage fine-tuned (default)": ("default", {}),
        "Head only, backbone frozen": ("head", {"fine_tune": {"epochs": 0}}),
    }
    if not options.no_scratch:
        ways["Same network from random weights"] = ("scratch", SCRATCH)
    found = {way: [] for way in ways}
    for way, (name, changes) in ways.items():
        for fold in options.folds:
            accuracy, seconds = train(fold, options.runs, name, **changes)
            found[way].append((accuracy, seconds))
            line = json.dumps([way, fold, round(accuracy, 4), round(seconds)])
            print(line, flush=True)
    print("\n| Recipe | Test accuracy, mean ± sd | Each fold | Seconds |")
    print("|---|---|---|---|")
    for way, results in found.items():
        accuracies, seconds = np.array(results).T
        spread = accuracies.std(ddof=1) if len(accuracies) > 1 else 0.0
        each = ", ".join(f"{value:.3f}" for value in accuracies)
        print(
            f"| {way} | {accuracies.mean():.3f} ± {spread:.3f} | {each} | "
            f"{np.median(seconds):.0f} |"
        )


if __name__ == "__main__":
    main()
