"""The ways that `bench_recipe.py` compares: each trains on the same images, here.

One call is one way, on one draw of the images, in this process. It tells the accuracy
on the test images, the seconds from the dealt images to trained weights, and what the
machine can do at best: images a second through the frozen network, and how long one
read of the cache from its disk takes.
"""

import dataclasses
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import keras_guide
import numpy as np
from sklearn.model_selection import train_test_split

import tl_keras as tl
from tl_keras.backbones import catalogue
from tl_keras.config import Config
from tl_keras.datasets import batches, sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.preparation import settled
from tl_keras.run import create
from tl_keras.sections import Data
from tl_keras.training import heads
from tl_keras.training.engines import choice
from tl_keras.training.engines.engine import Engine

# Way → part that the guide's second phase trains, or changes to our defaults.
GUIDE = {"guide": "all", "guide_last": "last"}
OURS: dict[str, dict[str, Any]] = {
    "uncached": {"cache": {"store": "none"}},
    "ours": {},
    "brief": {"fine_tune": {"epochs": 6}, "augment": {"views": 2}},
    "head": {"fine_tune": {"epochs": 0}},
}
# Instead of the real thing, to see that all runs.
QUICK: dict[str, Any] = {"backbone": {"image_size": 64}}
QUICK_IMAGES, QUICK_EPOCHS = 60, (2, 1)

TRAIN_SHARE, MOST_TEST_IMAGES = 0.75, 1_000
# Images that engines are chosen and measured on, and how often they are, for how long.
SAMPLE, ROUNDS, SECONDS_A_ROUND = 64, 3, 2.0
READ_BYTES = 8 << 20


def run(
    way: str, data: str, seed: int, folder: Path, *, quick: bool = False
) -> dict[str, Any]:
    """Trains one way on one draw of the images; returns what was measured.

    Args:
        way: A key of `GUIDE` or `OURS`.
        data: What `deal` takes.
        seed: Of the draw and of the training.
        folder: Where the run and its cache go. It is empty.
        quick: Whether a few images and epochs are enough.
    """
    pictures = folder.parent / "pictures"
    manifest = deal(data, seed, pictures, QUICK_IMAGES if quick else None)
    config = _config(way, seed, folder, quick)
    if side := data.split(":")[2:]:
        config = config.override(backbone={"image_size": int(*side)})
    config = settled(config, manifest)
    square = Square.of(config.data, config.backbone.image_size)
    if way in GUIDE:
        found = _guide(way, manifest, config, square, quick)
    else:
        found = _ours(folder / "run", data, manifest, config)
    engine, rate = forward_rate(config, manifest, square)
    files = [path for path in (folder / "cache").rglob("*") if path.is_file()]
    return {
        **found,
        "train_images": len(manifest.split("train").rows),
        "test_images": len(manifest.split("test").rows),
        "image_size": square.side,
        "cores": os.cpu_count(),
        "engine": engine,
        "images_a_second": rate,
        "cache_bytes": sum(path.stat().st_size for path in files),
        "cache_read_seconds": read_seconds(files),
    }


def deal(data: str, seed: int, pictures: Path, most: int | None = None) -> Manifest:
    """Returns images dealt into the splits `train` and `test`, stratified.

    No image validates: every way trains on all of `train` and keeps its last epoch.

    Args:
        data: A source, with the number of training images behind a colon, as in
            `mnist5k:100`; without one three quarters train. Of the others at most
            1,000 are for the test.
        seed: Another seed deals them out differently.
        pictures: Where files of the source go, and what the check found out.
        most: Limits the images of either split.
    """
    source, wanted, *_ = [*data.split(":"), ""]
    settings = Data(cache_dir=str(pictures))
    manifest = check.check(sources.find(source, settings), settings).usable()
    total = len(manifest.rows)
    train = int(wanted) if wanted else round(TRAIN_SHARE * total)
    train = min(train, most or total)
    train_places, test_places = train_test_split(
        np.arange(total),
        train_size=train,
        test_size=min(MOST_TEST_IMAGES, total - train, most or total),
        stratify=manifest.labels(),
        random_state=seed,
    )
    split_of = dict.fromkeys(train_places, "train") | dict.fromkeys(test_places, "test")
    return manifest.with_rows(
        dataclasses.replace(row, split=split_of[place])
        for place, row in enumerate(manifest.rows)
        if place in split_of
    )


def _config(way: str, seed: int, folder: Path, quick: bool) -> Config:
    """Returns our defaults, with what the way changes and an empty cache."""
    config = Config().override(seed=seed, data={"cache_dir": str(folder / "cache")})
    if quick:
        epochs = {"fine_tune": {"epochs": QUICK_EPOCHS[0]}}
        config = config.override(**QUICK, **epochs)
    return config.override(**OURS.get(way, {}))


def _guide(
    way: str, manifest: Manifest, config: Config, square: Square, quick: bool
) -> dict[str, float]:
    """Trains by the guide's recipe."""
    first, second = keras_guide.train(
        config.backbone.name,
        config.backbone.weights,
        square,
        manifest,
        seed=config.seed,
        part=GUIDE[way],
        epochs=QUICK_EPOCHS if quick else keras_guide.EPOCHS,
    )
    return {
        "accuracy": second.accuracy,
        "seconds": first.seconds + second.seconds,
        "first_accuracy": first.accuracy,
        "first_seconds": first.seconds,
    }


def _ours(
    folder: Path, source: str, manifest: Manifest, config: Config
) -> dict[str, float]:
    """Trains by the pipeline."""
    started = time.monotonic()
    create(folder, source, manifest, config)
    trained = tl.resume(folder)
    seconds = time.monotonic() - started
    shown = sum(trained.state.seconds[step] for step in ("evaluate", "board", "report"))
    return {"accuracy": trained.metrics["accuracy"], "seconds": seconds - shown}


def forward_rate(
    config: Config, manifest: Manifest, square: Square
) -> tuple[str, float]:
    """Returns the fastest engine's name, and its images a second.

    From decoded images to pooled features, the best of some rounds.
    """
    backbone = catalogue.load(
        config.backbone.name,
        weights=config.backbone.weights,
        image_size=square.side,
    )
    inputs = backbone.inputs()
    features = keras.Model(inputs, heads.FEATURES["avg"](backbone.model(inputs)))
    rows = manifest.split("train").rows[:SAMPLE]
    (sample,) = batches.images(manifest.with_rows(rows), square, SAMPLE)
    sample = sample.numpy()
    # As if there were many images to come: every engine is worth a trial.
    engine = choice.choose(features, sample, total=1_000_000)
    parts = [
        sample[first : first + engine.batch_size]
        for first in range(0, len(sample), engine.batch_size)
    ]
    return engine.name, max(_rate(engine, parts) for _ in range(ROUNDS))


def _rate(engine: Engine, parts: list[np.ndarray]) -> float:
    """Returns images a second of one round."""
    done, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < SECONDS_A_ROUND:
        for part in parts:
            engine(part)
            done += len(part)
    return done / seconds


def read_seconds(files: Iterable[Path]) -> float:
    """Returns the seconds of one read of files that no memory holds."""
    files = list(files)
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        # What is not written yet would stay in memory.
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    started = time.perf_counter()
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(READ_BYTES):
                pass
    return time.perf_counter() - started
