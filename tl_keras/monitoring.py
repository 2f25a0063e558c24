"""What TensorBoard shows of a run beside its epochs: `runs/<name>/logs`."""

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from tl_keras.assessment import CONFUSION_MATRIX, PREDICTIONS
from tl_keras.datasets import batches
from tl_keras.datasets.augmentation import preview
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import UsageError
from tl_keras.evaluation import features
from tl_keras.evaluation.board import (
    examples,
    figures,
    hyperparameters,
    projection,
    tables,
    weights,
)
from tl_keras.evaluation.board.examples import Example
from tl_keras.evaluation.predictions import BATCH_SIZE
from tl_keras.files import replacing
from tl_keras.progress import say
from tl_keras.run import Run
from tl_keras.training import events

# Of the picture of what training sees: rows, and columns beside the plain image.
IMAGES, VIEWS = 4, 5


def record(run: Run) -> None:
    """Writes what an evaluated run shows in TensorBoard, in the place of older files.

    Figures on the test images and sample predictions, the projector's files, what
    training saw, the run's table and its line in HParams.

    Args:
        run: Its test images are evaluated.

    Raises:
        StorageError: If the folder cannot be written.
    """
    logs, step = run.folder / events.LOGS, len(run.history.epochs)
    # A plan may have changed what `create` wrote.
    config = events.verbatim("config", run.config.to_yaml())
    events.write(logs, "config", [events.at(0, config)])
    session = hyperparameters.session(run.config, run.folder.name)
    shown = [events.at(0, session), events.at(step, _overview(run))]
    events.write(logs, "run", shown)
    seen = events.picture("what_training_sees", _what_training_sees(run))
    events.write(logs / events.TRAIN, "images", [events.at(0, seen)])
    with replacing(logs / events.TEST) as temporary:
        temporary.mkdir()
        _test_figures(run, temporary, step)


def record_weights(run: Run, step: int) -> None:
    """Writes histograms of the head's weights as they are now.

    Args:
        run: A phase of it is about to begin, or has ended.
        step: Epochs so far, over all phases.

    Raises:
        StorageError: If the folder cannot be written.
    """
    folder = run.folder / events.LOGS / events.TRAIN
    noted = events.at(step, weights.of_head(run.classifier))
    events.write(folder, "weights", [noted], number=step)


def predictions(run: Run) -> list[Example]:
    """Returns what the run said of its test images, from `predictions.csv`."""
    path = run.folder / PREDICTIONS
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Example(
                path=path,
                label=label,
                predicted=predicted,
                probability=float(probability),
            )
            for path, label, predicted, probability, *_ in list(csv.reader(file))[1:]
        ]


def _test_figures(run: Run, folder: Path, step: int) -> None:
    """Writes figures, pictures and the projector's files of the test images."""
    found = [figures.overall(run.metrics), figures.of_classes(run.metrics)]
    drawn = run.folder / CONFUSION_MATRIX
    if drawn.is_file():
        found.append(events.picture("confusion_matrix", drawn.read_bytes()))
    manifest, said = _sample(run.manifest.split("test"), predictions(run))
    sheets = {
        "predictions/surest_wrong": examples.wrong_ones(said),
        "predictions/least_sure_right": examples.right_ones(said),
    }
    wanted = {place for places in sheets.values() for place in places}
    seen = _look(run, manifest, wanted)
    for tag, places in sheets.items():
        if places:
            pixels = [seen.pixels[place] for place in places]
            sheet = examples.grid(pixels, [said[place] for place in places])
            found.append(events.picture(tag, sheet))
    if seen.features is not None:
        projection.write(folder, seen.features, said, seen.thumbnails)
    events.write(folder, "figures", [events.at(step, summary) for summary in found])


def _sample(manifest: Manifest, said: list[Example]) -> tuple[Manifest, list[Example]]:
    """Returns as many images as the projector shows, and what was said of them."""
    if len(said) <= projection.MOST_IMAGES:
        return manifest, said
    say(
        f"TensorBoard: the projector shows {projection.MOST_IMAGES:,} of "
        f"{len(said):,} test images, taken at random"
    )
    random = np.random.default_rng(0)
    places = random.choice(len(said), projection.MOST_IMAGES, replace=False)
    places = sorted(places.tolist())
    chosen = manifest.with_rows(manifest.rows[place] for place in places)
    return chosen, [said[place] for place in places]


@dataclass(frozen=True)
class _Seen:
    """What one pass over images gave.

    Attributes:
        pixels: uint8, `(side, side, 3)`, of the images that were wanted, by place.
        thumbnails: uint8, `(images, side, side, 3)`.
        features: float32, `(images, features)`; `None` where the network has none.
    """

    pixels: dict[int, np.ndarray]
    thumbnails: np.ndarray
    features: np.ndarray | None


def _look(run: Run, manifest: Manifest, wanted: set[int]) -> _Seen:
    """Reads images once, for pictures, thumbnails and features."""
    try:
        of_batch = features.of_batch(run.classifier)
    except UsageError as error:
        say(f"TensorBoard: no projector. {error}")
        of_batch = None
    pixels, thumbnails, vectors = {}, [], []
    for batch in batches.read(batches.images(manifest, run.square, BATCH_SIZE)):
        for image in batch.numpy():
            if len(thumbnails) in wanted:
                pixels[len(thumbnails)] = image
            thumbnails.append(projection.thumbnail(image))
        if of_batch:
            vectors.append(of_batch(batch))
    found = np.concatenate(vectors) if vectors else None
    return _Seen(pixels, np.stack(thumbnails), found)


def _what_training_sees(run: Run) -> bytes:
    """Returns a picture of some images, each beside views that training sees."""
    augment = run.config.augment
    chosen = preview.choose(run.manifest.split("train"), IMAGES, run.config.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "views.png")
        preview.draw(
            chosen,
            path,
            policy=augment.policy,
            flip=augment.flip,
            views=VIEWS,
            square=run.square,
            seed=run.config.seed,
        )
        return path.read_bytes()


def _overview(run: Run) -> Summary:
    """Returns what was trained on what, how long, and how good it is, as a table."""
    config, metrics = run.config, run.metrics
    low, high = metrics["accuracy_interval"]
    splits = ("train", "validation", "test")
    counts = [f"{len(run.manifest.split(name).rows):,} {name}" for name in splits]
    network = config.scratch.name or config.backbone.name
    weights = not config.scratch.name and config.backbone.weights or "random"
    rows = [
        ("Source", run.state.source),
        ("Images", f"{', '.join(counts)}; {len(run.class_names)} classes"),
        ("Network", f"{network} ({weights} weights), {run.square.side} pixels a side"),
        ("Augmentation", config.augment.policy),
    ]
    for step, seconds in run.state.seconds.items():
        epochs = len(run.history.of(step))
        detail = f", {epochs} epochs" if epochs > 1 else ""
        rows.append((f"Time: {step.replace('_', '-')}", f"{seconds:.1f} s{detail}"))
    shown = f"{metrics['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f})"
    rows.append(("Test accuracy", shown))
    rows += [
        (f"Test {title}", f"{metrics[name]:.3f}")
        for name, title in (("f1", "F1 (macro)"), ("loss", "loss"))
    ]
    rows += [("Warning", text) for text in metrics.get("warnings", [])]
    return events.markdown("run", tables.table((run.folder.name, ""), rows))
