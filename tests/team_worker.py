"""Trains small runs in one of several processes, or on virtual devices, for tests.

    python team_worker.py FOLDER CASE … [--resume]

Reads the pictures of `FOLDER/pictures`, writes runs below `FOLDER/runs`. What each case
gave lies in its run folder afterwards. `TF_CONFIG` says which process this is; with
`VIRTUAL_DEVICES` in the environment there are as many devices, and no other process.
"""

import dataclasses
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from conftest import tiny_network

from tl_keras import cluster as clusters
from tl_keras import pipeline
from tl_keras.backbones import catalogue
from tl_keras.config import Config
from tl_keras.errors import TlKerasError
from tl_keras.training.cache import entry

ALL_IMAGES, RESUME = 1000, "--resume"
# What every case has: nothing that draws other numbers on other devices.
BASE = {
    "backbone": {"name": "tiny", "weights": None, "image_size": 32},
    "data": {"validation": 0.2, "test": 0.2},
    "cache": {"dtype": "float32", "engine": "graph"},
    "head": {"dropout": 0.0},
    "augment": {"views": 2},
    "head_phase": {"solver": "gradient", "epochs": 2, "patience": 9},
    "fine_tune": {"epochs": 2, "patience": 9},
}
CASES = {
    "full": {
        "head_phase": {"batch_size": ALL_IMAGES, "clip_norm": 0.01},
        # A rate of 0 at the first of two steps would leave one.
        "fine_tune": {"batch_size": ALL_IMAGES, "clip_norm": 0.01, "warmup_epochs": 0},
    },
    # Every image runs through all layers, batch normalization trains, classes weigh.
    "images": {
        "data": {"imbalance": "weights"},
        "fine_tune": {"unfreeze": "all", "train_batch_norm": True, "batch_size": 12},
    },
    # Neither two nor three divide 7, nor 7 the images.
    "uneven": {
        "head_phase": {"batch_size": 7},
        "fine_tune": {"batch_size": 7, "gradual": True, "unfreeze": 2, "cutmix": 0.5},
    },
    "few": {"head_phase": {"batch_size": 2}, "fine_tune": {"batch_size": 2}},
    # As most people train: a solved head, dropout, averaged weights.
    "usual": {
        "head": {"dropout": 0.2},
        "head_phase": {"solver": "auto", "l2": 0.01},
        "fine_tune": {"epochs": 6, "batch_size": 8},
    },
    # Long enough to be killed in.
    "long": {"fine_tune": {"epochs": 40, "patience": 99, "batch_size": 8}},
}


def main(folder: Path, cases: list[str], *, resume: bool) -> None:
    """Runs the cases, one after another."""
    devices = int(os.environ.get("VIRTUAL_DEVICES", 1))
    if devices > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(cpu, logical)
    # Small shards: all processes have some.
    entry.SHARD = 8
    catalogue.CATALOGUE["tiny"] = dataclasses.replace(
        catalogue.CATALOGUE["efficientnet_lite0"],
        build=tiny_network,
        image_size=32,
        minimum_size=8,
    )
    # What a person looks at takes longer than the training here.
    pipeline.monitoring.record = pipeline.reporting.report = lambda run: None
    begun: list[np.ndarray] = []
    noting(begun)
    for case in cases:
        config = Config().override(**BASE).override(**CASES[case])
        config = config.override(
            data={"cache_dir": str(folder / "cache")},
            strategy="mirrored" if devices > 1 else "auto",
        )
        path = folder / "runs" / case
        if resume:
            pipeline.resume(path)
            continue
        run = pipeline.train(
            folder / "pictures", config=config, name=case, runs=path.parent
        )
        if clusters.is_chief():
            weights = run.classifier.model.get_weights()
            np.savez(path.with_suffix(".npz"), *weights)
            np.savez(path.with_suffix(".begun.npz"), *begun)


def noting(begun: list[np.ndarray]) -> None:
    """Has the first phase of each run note the weights that it starts from."""
    train_head = pipeline.phases.train_head

    def note(classifier, *arguments):
        begun[:] = classifier.model.get_weights()
        return train_head(classifier, *arguments)

    pipeline.phases.train_head = note


if __name__ == "__main__":
    try:
        folder, *cases = sys.argv[1:]
        chosen = [case for case in cases if case != RESUME]
        main(Path(folder), chosen, resume=RESUME in cases)
    except TlKerasError as error:
        print(f"error: {error}")
        sys.exit(error.exit_code)
