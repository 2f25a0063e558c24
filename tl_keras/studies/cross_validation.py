"""Cross-validation: every image is tested by a network that never saw it."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras import locks, preparation
from tl_keras.assessment import figures
from tl_keras.config import Config
from tl_keras.datasets import split
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.sources.finding import Source, title
from tl_keras.errors import DataError
from tl_keras.evaluation import label_errors, predictions, resampling
from tl_keras.evaluation.label_errors import Suspect
from tl_keras.fields import require
from tl_keras.files import replacing, write_json
from tl_keras.progress import say
from tl_keras.studies import parts
from tl_keras.studies.trainer import Trainer

KIND, FOLDS = "crossval", "folds"
FIGURES, OUT_OF_FOLD = "crossval.json", "out_of_fold.csv"
LABEL_ERRORS, PROBABILITIES = "label_errors.csv", "probabilities.npy"
# Of a fold's figures those that are averaged, where they are there.
AVERAGED = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "loss")


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found out.

    Attributes:
        folder: `runs/<name>`.
        figures: What `crossval.json` holds: `results` of each fold, their `mean`, `sd`
            and the 95 % `interval` of the mean, and as `pooled` the figures of each
            repeat's predictions together.
        manifest: All images.
        suspects: Images whose label is probably wrong, the surest first; `None` where
            images have several labels.
    """

    folder: Path
    figures: dict[str, Any]
    manifest: Manifest
    suspects: list[Suspect] | None


@dataclass(frozen=True)
class Fold:
    """One split of a cross-validation.

    Attributes:
        repeat: Number of the repeat, from 1.
        fold: Number of the fold, from 1.
        manifest: All images with their splits.
    """

    repeat: int
    fold: int
    manifest: Manifest

    @property
    def places(self) -> list[int]:
        """Places of the test images among all."""
        rows = self.manifest.rows
        return [place for place, row in enumerate(rows) if row.split == "test"]


def cross_validate(
    source: Source,
    *,
    config: Config | None = None,
    folds: int = 5,
    repeats: int = 1,
    name: str | None = None,
    runs: str | os.PathLike = "runs",
    **overrides: Any,
) -> CrossValidation:
    """Trains on all folds but one, and tests on that, for each fold in turn.

    Folds hold equal shares of each class; copies, images that look alike and groups
    stay in one. The frozen part of the network runs once on each image, whatever the
    number of folds and repeats. Splits that the source gives have no effect.

    Each fold is trained as `train` would on that split: validation images come out of
    the training images, `data.validation` of them. Unless `fine_tune.epochs` is set,
    the head alone is trained.

    Args:
        source: What `train` takes.
        config: What to train and how; `None` takes the defaults.
        folds: How many, at least 2.
        repeats: Times that all images are dealt out anew and cross-validated.
        name: The folder's name; `None` makes one of the source and the time. Where it
            is there, finished folds are kept, and the others trained.
        runs: Where folders go.
        **overrides: Changes to `config`, as `train` takes them.

    Returns:
        `.figures`, `.suspects`, `.folder` with `crossval.json`, `out_of_fold.csv`
        and `label_errors.csv`.

    Raises:
        UsageError: If a setting is wrong, or the folder holds something else.
        BusyError: If another process works in the folder.
        DataError: If the images cannot be trained on, or a class has fewer than
            there are folds.
        StorageError: If a folder is full or cannot be written.
    """
    require(folds >= 2, "folds", "at least 2", folds)
    require(repeats >= 1, "repeats", "at least 1", repeats)
    config = parts.of_many((config or Config()).override(**overrides))
    folder = Path(runs) / (name or f"{KIND}-{preparation.default_name(source)}")
    with locks.held(folder):
        return _cross_validated(source, config, folder, folds, repeats)


def _cross_validated(
    source: Source, config: Config, folder: Path, folds: int, repeats: int
) -> CrossValidation:
    """Does what `cross_validate` says, alone in the folder."""
    preparation.prepare_tensorflow(config)
    config, manifest = preparation.checked(source, config)
    manifest = _without_splits(manifest)
    chosen = list(deal(manifest, config, folds, repeats))
    trainer = Trainer.of(config, manifest)
    settings = {"source": title(source), "folds": folds}
    begun = trainer.weights
    parts.begin(folder, KIND, settings, trainer.config, manifest, weights=begun)
    results = [_result(trainer, one, folder, repeats) for one in chosen]
    return _conclude(folder, settings, manifest, chosen, results)


def deal(
    manifest: Manifest, config: Config, folds: int, repeats: int
) -> Iterator[Fold]:
    """Yields each repeat's folds, with validation images dealt out of the training.

    Raises:
        DataError: If a class has too few images.
    """
    for repeat in range(repeats):
        dealt = split.folds(manifest, folds, config.data.split_seed + repeat)
        for number, one in enumerate(dealt, start=1):
            yield Fold(repeat + 1, number, _with_validation(one, config, number))


def _with_validation(fold: Manifest, config: Config, number: int) -> Manifest:
    """Returns a fold with validation images out of its training images.

    Raises:
        DataError: If a class is missing in a part of it.
    """
    try:
        return split.deal(fold, config.data, tell=False)
    except DataError as error:
        cure = "fewer folds, another data.split_seed, or data.validation: 0"
        raise DataError(
            f"Fold {number} cannot be trained and tested on every class. Try {cure}. "
            f"In that fold: {error}"
        ) from None


def _without_splits(manifest: Manifest) -> Manifest:
    """Returns the images without the source's splits, and says what becomes of them."""
    if any(row.split for row in manifest.rows):
        say(
            "The source's own splits have no effect: folds are made of all its images. "
            "To keep its test images out, give the folder of the training images alone"
        )
    return manifest.with_rows(replace(row, split="") for row in manifest.rows)


def _result(trainer: Trainer, one: Fold, folder: Path, repeats: int) -> dict[str, Any]:
    """Trains on a fold, unless that is done, and says how good it is."""
    inner = _folder_of(folder, one)
    names = ("train", "validation", "test")

    def work(folder: Path) -> dict[str, Any]:
        predicted = trainer.probabilities(one.manifest, folder)
        with replacing(folder / PROBABILITIES) as temporary:
            np.save(temporary, predicted, allow_pickle=False)
        test = one.manifest.split("test")
        found = figures(test, predicted, one.manifest.class_names)
        counts = {name: len(one.manifest.split(name).rows) for name in names}
        return counts | {name: found[name] for name in AVERAGED if name in found}

    known = (inner / parts.DONE).exists()
    found = {"repeat": one.repeat, "fold": one.fold, **parts.part(inner, work)}
    again = f" of repeat {one.repeat}" if repeats > 1 else ""
    kept = "finished before" if known else f"{found['seconds']:.1f} s"
    say(f"Fold {one.fold}{again}: test accuracy {found['accuracy']:.4f} ({kept})")
    return found


def _conclude(
    folder: Path,
    settings: dict[str, Any],
    manifest: Manifest,
    folds: list[Fold],
    results: list[dict[str, Any]],
) -> CrossValidation:
    """Writes what all folds say together."""
    predicted = [
        parts.array(_folder_of(folder, one) / PROBABILITIES, len(one.places))
        for one in folds
    ]
    repeats = max(one.repeat for one in folds)
    names = manifest.class_names
    # By repeat, then in the manifest's order.
    whole = np.zeros((repeats, len(manifest.rows), len(names)), np.float32)
    numbers = np.zeros((repeats, len(manifest.rows)), int)
    for one, rows in zip(folds, predicted):
        whole[one.repeat - 1, one.places] = rows
        numbers[one.repeat - 1, one.places] = one.fold
    _save_out_of_fold(folder, manifest, whole, numbers)
    suspects = None
    if not manifest.multi_label:
        suspects = label_errors.find(manifest.targets(names), whole.mean(axis=0))
        label_errors.save(folder / LABEL_ERRORS, manifest, suspects)
    found = {
        "kind": KIND,
        **settings,
        "repeats": repeats,
        "images": len(manifest.rows),
        "classes": list(names),
        "results": results,
        **summary(results),
        "pooled": [figures(manifest, rows, names) for rows in whole],
        "suspected_labels": None if suspects is None else len(suspects),
    }
    write_json(folder / FIGURES, found)
    return CrossValidation(folder, found, manifest, suspects)


def summary(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns mean, standard deviation and 95 % interval of the folds' figures.

    A figure that is undefined in a fold has none: a mean of the others would be of
    other images. Intervals end where the figure's range does.

    Args:
        results: Of each fold of all repeats.
    """
    share = float(np.mean([one["test"] / one["train"] for one in results]))
    found: dict[str, dict[str, Any]] = {"mean": {}, "sd": {}, "interval": {}}
    for name in AVERAGED:
        values = [one.get(name) for one in results]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            if known:
                lacking = len(values) - len(known)
                say(f"{name} is undefined in {lacking} of {len(values)} folds: no mean")
            continue
        found["mean"][name], found["sd"][name] = resampling.spread(values)
        low, high = resampling.interval(values, share)
        # All but the loss are shares; with few folds the interval is wide.
        highest = math.inf if name == "loss" else 1.0
        found["interval"][name] = [max(0.0, low), min(highest, high)]
    return found


def _save_out_of_fold(
    folder: Path, manifest: Manifest, whole: np.ndarray, folds: np.ndarray
) -> None:
    """Writes a line an image and repeat, as `predictions.csv` has it."""
    repeats, images = folds.shape
    predictions.save(
        folder / OUT_OF_FOLD,
        manifest.with_rows(manifest.rows * repeats),
        whole.reshape(-1, whole.shape[-1]),
        manifest.class_names,
        fold=folds.ravel().tolist(),
        repeat=np.repeat(np.arange(1, repeats + 1), images).tolist(),
    )


def _folder_of(folder: Path, one: Fold) -> Path:
    """Returns a fold's own folder."""
    return folder / FOLDS / f"{one.repeat}-{one.fold}"
