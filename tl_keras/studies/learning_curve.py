"""Accuracy against the number of training images: are more of them worth the work?"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras import assessment, locks, preparation
from tl_keras.config import Config
from tl_keras.datasets import split
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.sources.finding import Source, title
from tl_keras.evaluation import gains
from tl_keras.fields import require
from tl_keras.files import replacing, write_json
from tl_keras.studies import drawing, parts, updates
from tl_keras.studies.trainer import Trainer

KIND, POINTS, ALL = "curve", "points", "all"
FIGURES, PICTURE, RIGHT = "curve.json", "curve.png", "right.npy"
TRANSFER, SCRATCH = "transfer", "scratch"
# Small enough for few images, and quick.
ARCHITECTURE = "resnet20_cifar"
STEPS = (5, 10, 20)
# What counts as a doubling: from this share of all images a class, or less.
HALF = 0.6


@dataclass(frozen=True)
class LearningCurve:
    """What a learning curve found out.

    Attributes:
        folder: `runs/<name>`.
        figures: What `curve.json` holds: `points`, the `gain` of the last doubling
            and the `answer` to whether more images would help.
    """

    folder: Path
    figures: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Point:
    """One training; it is equal to itself alone.

    Attributes:
        way: `TRANSFER`, or the name of the architecture that starts from scratch.
        size: Training images of each class, or `ALL`.
        draw: Which choice of them, from 1.
        config: What is trained and how.
        manifest: The images with their splits.
    """

    way: str
    size: int | str
    draw: int
    config: Config
    manifest: Manifest


def learning_curve(
    source: Source,
    *,
    config: Config | None = None,
    sizes: Sequence[int] | None = None,
    repeats: int = 3,
    with_scratch: bool = True,
    name: str | None = None,
    runs: str | os.PathLike = "runs",
    **overrides: Any,
) -> LearningCurve:
    """Trains on ever more images of each class, and tests on the same images.

    The draws of one number are different choices of training images; a larger number
    holds the smaller one of the same draw. The frozen part of the network runs once on
    each image, whatever the numbers and draws. Beside transfer, a small network is
    trained from random weights on the same images; that takes longer by far.

    Args:
        source: What `train` takes. Splits that it gives are kept.
        config: What to train and how; `None` takes the defaults. `scratch.name` is the
            architecture that starts from random weights; `None` takes `ARCHITECTURE`.
        sizes: Training images of each class; `None` takes 5, 10, 20, 50, …, as far as
            the smallest class goes. All images come last in any case.
        repeats: Draws of each number.
        with_scratch: Whether to train from random weights, too.
        name: The folder's name; `None` makes one of the source and the time. Where it
            is there, finished trainings are kept, and the others made.
        runs: Where folders go.
        **overrides: Changes to `config`, as `train` takes them.

    Returns:
        `.figures` and `.folder`, with `curve.json` and `curve.png`.

    Raises:
        UsageError: If a setting is wrong, or the folder holds something else.
        BusyError: If another process works in the folder.
        DataError: If the images cannot be trained on.
        StorageError: If a folder is full or cannot be written.
    """
    require(repeats >= 1, "repeats", "at least 1", repeats)
    config = parts.of_many((config or Config()).override(**overrides))
    few = config.data.few_shot
    require(few is None, "data.few_shot", "null: the curve has its own numbers", few)
    architecture = config.scratch.name or ARCHITECTURE
    updates.require_architecture(architecture, with_scratch)
    config = config.override(scratch={"name": None})
    folder = Path(runs) / (name or f"{KIND}-{preparation.default_name(source)}")
    beside = architecture if with_scratch else None
    with locks.held(folder):
        return _learned(source, config, folder, sizes, repeats, beside)


def _learned(
    source: Source,
    config: Config,
    folder: Path,
    sizes: Sequence[int] | None,
    repeats: int,
    architecture: str | None,
) -> LearningCurve:
    """Does what `learning_curve` says, alone in the folder.

    Args:
        source: What is learned.
        config: Of transfer.
        folder: The study's.
        sizes: See `learning_curve`.
        repeats: See `learning_curve`.
        architecture: What is trained from random weights, too; `None` is nothing.
    """
    preparation.prepare_tensorflow(config)
    config, manifest = preparation.checked(source, config)
    whole = split.deal(manifest, config.data)
    chosen = _sizes(whole, sizes)
    points = _points(whole, config, TRANSFER, chosen, repeats)
    trainer = Trainer.of(config, whole)
    settings = {"source": title(source)}
    begun = trainer.weights
    parts.begin(folder, KIND, settings, trainer.config, manifest, weights=begun)
    found = {point: _train(point, trainer, folder) for point in points}
    if architecture and not manifest.multi_label:
        own = updates.from_scratch(config, architecture)
        points = _points(whole, own, architecture, chosen, repeats)
        found |= updates.with_progress(
            points, lambda point: _train(point, _trainer(point), folder), architecture
        )
    return _conclude(folder, settings, whole, found, chosen)


def _points(
    whole: Manifest, config: Config, way: str, sizes: Sequence[int], repeats: int
) -> list[Point]:
    """Returns the trainings of a way, the smallest first."""
    points = []
    for size in (*sizes, ALL):
        # Another draw of all images are the same ones; only random weights differ.
        draws = 1 if size == ALL and way == TRANSFER else repeats
        for draw in range(draws):
            seed = config.data.split_seed + draw
            manifest = whole if size == ALL else split.few_shot(whole, size, seed)
            own = config
            if way != TRANSFER:
                own = config.override(seed=config.seed + draw)
                own = updates.enough(own, len(manifest.split("train").rows))
            points.append(Point(way, size, draw + 1, own, manifest))
    return points


def _sizes(whole: Manifest, sizes: Sequence[int] | None) -> list[int]:
    """Returns the training images of each class, ascending.

    Raises:
        UsageError: If one is not positive, or more than the smallest class has.
    """
    train, different = whole.split("train"), {}
    for label in whole.class_names:
        rows = (row for row in train.rows if label in train.classes_of(row))
        different[label] = len({row.pixels or row.path for row in rows})
    smallest = min(different, key=different.__getitem__)
    most = different[smallest]
    if sizes is None:
        usual = [step * 10**power for power in range(6) for step in STEPS]
        return sorted({size for size in usual if size < most}) or [max(1, most // 2)]
    rule = f"between 1 and {most}, the training images of class {smallest!r}"
    require(len(sizes) > 0, "sizes", "one number at least", list(sizes))
    for size in sizes:
        require(1 <= size <= most, "sizes", rule, size)
    return sorted(set(sizes))


def _trainer(point: Point) -> Trainer:
    """Returns the trainer of a network from random weights."""
    return Trainer.of(point.config, point.manifest)


def _train(point: Point, trainer: Trainer, folder: Path) -> np.ndarray:
    """Makes a training, unless it is done; tells which test images it is right on."""
    inner = folder / POINTS / f"{point.way}-{point.size}-{point.draw}"

    def work(folder: Path) -> dict[str, Any]:
        predicted = trainer.probabilities(point.manifest, folder)
        test = point.manifest.split("test")
        right = assessment.right(test, predicted, test.class_names)
        with replacing(folder / RIGHT) as temporary:
            np.save(temporary, right, allow_pickle=False)
        train = len(point.manifest.split("train").rows)
        return {"train": train, "accuracy": float(right.mean())}

    parts.part(inner, work)
    return parts.array(inner / RIGHT, len(point.manifest.split("test").rows))


def _conclude(
    folder: Path,
    settings: dict[str, Any],
    whole: Manifest,
    found: dict[Point, np.ndarray],
    sizes: list[int],
) -> LearningCurve:
    """Writes the curve, its picture, and what it says."""
    rows = []
    for way in dict.fromkeys(point.way for point in found):
        for size in (*sizes, ALL):
            own = [one for one in found if (one.way, one.size) == (way, size)]
            right = np.stack([found[one] for one in own])
            rows.append(_row(way, size, own[0].manifest, right))
    gain = _last_doubling(rows, found)
    images = len(whole.split("test").rows)
    figures = {
        "kind": KIND,
        **settings,
        "images": len(whole.rows),
        "test_images": images,
        "classes": list(whole.class_names),
        "points": rows,
        "gain": gain,
        "answer": gains.answer(gain, images) if gain else None,
    }
    write_json(folder / FIGURES, figures)
    drawing.curve(figures, folder / PICTURE)
    return LearningCurve(folder, figures)


def _row(
    way: str, size: int | str, manifest: Manifest, right: np.ndarray
) -> dict[str, Any]:
    """Returns what is known of a number of training images."""
    accuracies = right.mean(axis=1).tolist()
    train = len(manifest.split("train").rows)
    return {
        "way": TRANSFER if way == TRANSFER else SCRATCH,
        "network": way,
        "size": size,
        "train": train,
        "images_a_class": train / len(manifest.class_names),
        "accuracies": accuracies,
        "mean": float(np.mean(accuracies)),
        "low": min(accuracies),
        "high": max(accuracies),
        "interval": list(gains.interval(right)),
    }


def _last_doubling(
    rows: list[dict[str, Any]], found: dict[Point, np.ndarray]
) -> dict[str, Any] | None:
    """Returns what the last doubling brought to transfer; `None` where there is none.

    Where the numbers do not double, the gain is put on a doubling.
    """
    own = [row for row in rows if row["way"] == TRANSFER]
    last = own[-1]
    before = [r for r in own if r["images_a_class"] <= HALF * last["images_a_class"]]
    if not before:
        return None
    fewer, more = (
        np.stack([right for one, right in found.items() if _is_of(one, row)])
        for row in (before[-1], last)
    )
    doublings = math.log2(last["images_a_class"] / before[-1]["images_a_class"])
    sides = {"from": before[-1]["images_a_class"], "to": last["images_a_class"]}
    return sides | gains.per_doubling(fewer, more, doublings)


def _is_of(point: Point, row: dict[str, Any]) -> bool:
    """Tells whether a training is one of a row's."""
    return (point.way, point.size) == (row["network"], row["size"])
