"""Measures the default recipe on `twemoji`: what each part of it gives.

Each seed deals the images out anew, stratified to the image: 70 % training, 5 %
validation, 25 % test. (The pipeline's own split keeps copies of a picture together;
this one does not, as in other people's figures.) Three ways are compared on the same
splits: the head alone, the head and fine-tuning (the defaults), and the same network
from random weights. Prints a Markdown table.

    python scripts/study_recipe.py --seeds 0 1 2
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split

import tl_keras as tl
from tl_keras.backbones import catalogue
from tl_keras.datasets import batches, check, sources
from tl_keras.datasets.manifest import Manifest
from tl_keras.evaluation.predictions import of_batch, probabilities
from tl_keras.pipeline import with_image_size
from tl_keras.run import create

TEST, VALIDATION = 0.25, 0.05
# From random weights every epoch costs a pass through the whole network; a size near
# the pictures' own 72 pixels buys it more epochs.
SCRATCH_SIZE, SCRATCH_EPOCHS, SCRATCH_BATCH = 64, 15, 32


def deal(seed: int) -> Manifest:
    """Returns the images with splits of exact, stratified sizes."""
    manifest = check.check(sources.find("twemoji"), "error")
    places, labels = np.arange(len(manifest.rows)), np.array(manifest.labels())
    rest, test = train_test_split(
        places, test_size=TEST, stratify=labels, random_state=seed
    )
    _, validation = train_test_split(
        rest,
        test_size=VALIDATION / (1 - TEST),
        stratify=labels[rest],
        random_state=seed,
    )
    names = np.full(len(places), "train", object)
    names[test], names[validation] = "test", "validation"
    rows = [
        dataclasses.replace(row, split=name) for row, name in zip(manifest.rows, names)
    ]
    return Manifest(manifest.root, tuple(rows))


def transfer(seed: int, runs: Path, way: str, **changes: dict) -> tuple[float, float]:
    """Trains by the pipeline on `deal`'s split; returns test accuracy and seconds."""
    folder, manifest = runs / f"seed{seed}-{way}", deal(seed)
    config = tl.Config().override(
        seed=seed, data={"cache_dir": str(runs / f"seed{seed}-cache")}, **changes
    )
    started = time.monotonic()
    create(folder, "twemoji", manifest, with_image_size(config, manifest))
    run = tl.resume(folder)
    return run.metrics["accuracy"], time.monotonic() - started


def scratch(seed: int, runs: Path) -> tuple[float, float]:
    """Trains the same network from random weights, all layers and statistics.

    Takes the split of this seed's default run. Light augmentation, drawn anew in every
    epoch; AdamW with warm-up and cosine; label smoothing; the last epoch's weights.
    """
    keras.utils.set_random_seed(seed)
    manifest = tl.load(runs / f"seed{seed}-default").manifest
    names = manifest.class_names
    started = time.monotonic()
    backbone = catalogue.load(
        "efficientnet_lite0", weights=None, image_size=SCRATCH_SIZE
    )
    inputs = backbone.inputs()
    x = keras.layers.GlobalAveragePooling2D()(backbone.model(inputs))
    x = keras.layers.Dense(len(names))(keras.layers.Dropout(0.2)(x))
    model = keras.Model(inputs, x)
    train = manifest.split("train")
    steps = len(train.rows) // SCRATCH_BATCH
    total = steps * SCRATCH_EPOCHS
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, total - 2 * steps, warmup_target=2e-3, warmup_steps=2 * steps
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=0.05),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
    )
    targets = np.eye(len(names), dtype=np.float32)[train.labels(names)]
    for epoch in range(SCRATCH_EPOCHS):
        images = np.concatenate(
            list(
                batches.images(
                    train, SCRATCH_SIZE, 64, policy="light", view=epoch + 1, seed=seed
                ).as_numpy_iterator()
            )
        )
        order = np.random.default_rng((seed, epoch)).permutation(len(images))
        data = tf.data.Dataset.from_tensor_slices((images[order], targets[order]))
        data = data.batch(SCRATCH_BATCH, drop_remainder=True)
        model.fit(data.map(lambda x, y: (tf.cast(x, tf.float32), y)), verbose=0)
    test = manifest.split("test")
    found = probabilities(of_batch(model), test, SCRATCH_SIZE).argmax(axis=1)
    accuracy = float((found == np.array(test.labels(names))).mean())
    return accuracy, time.monotonic() - started


def main() -> None:
    """Runs every way with every seed and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/study_recipe"))
    parser.add_argument("--no-scratch", action="store_true")
    options = parser.parse_args()
    ways = {
        "Head, then last stage fine-tuned (default)": lambda seed: transfer(
            seed, options.runs, "default"
        ),
        "Head only, backbone frozen": lambda seed: transfer(
            seed, options.runs, "head", fine_tune={"epochs": 0}
        ),
    }
    if not options.no_scratch:
        ways["Same network from random weights"] = lambda seed: scratch(
            seed, options.runs
        )
    found = {way: [] for way in ways}
    for way, train in ways.items():
        for seed in options.seeds:
            accuracy, seconds = train(seed)
            found[way].append((accuracy, seconds))
            line = json.dumps([way, seed, round(accuracy, 4), round(seconds)])
            print(line, flush=True)
    print("\n| Recipe | Test accuracy, mean ± sd | Each seed | Seconds |")
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
