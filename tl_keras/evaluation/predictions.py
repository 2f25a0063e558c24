"""What a model says of images: from a manifest, or from files that may be bad."""

import csv
import functools
import io
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_keras.datasets import batches
from tl_keras.datasets.checking.reasons import reason
from tl_keras.datasets.manifest import LABEL_SEPARATOR, Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError, StorageError
from tl_keras.evaluation.decision import UNDECIDED, Decision
from tl_keras.files import write_text
from tl_keras.progress import track
from tl_keras.training import outputs

BATCH_SIZE = 32
# Columns of a file of predictions before the classes': path, label, predicted,
# probability.
BEFORE = 4
NO_NUMBERS = "the model's probabilities are no numbers: its weights are broken"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one image file.

    Attributes:
        path: The file.
        label: The most probable class; of several labels an image all that are more
            probable than not, joined by `|`; `None` where the file is bad.
        probability: Of the most probable class, in [0, 1].
        probabilities: Of every class, by name.
        known: Whether the model is sure enough; if not, its answer is "don't know",
            and `label` what it would have guessed. `False` where the file is bad.
        error: Why there is no prediction; `None` where there is one.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    known: bool = True
    error: str | None = None


def probabilities(
    classify: Callable[[tf.Tensor], np.ndarray], manifest: Manifest, square: Square
) -> np.ndarray:
    """Returns the class probabilities of a manifest's images, in its order.

    Args:
        classify: From a batch of pixels to class probabilities: see `of_batch`.
        manifest: The images; all of them, the last batch included.
        square: What the images are made of.

    Returns:
        float32, `(images, classes)`.

    Raises:
        DataError: If there are no images.
    """
    if not manifest.rows:
        raise DataError(f"{manifest.root} holds no image that could be predicted.")
    data = batches.read(batches.images(manifest, square, BATCH_SIZE))
    tracked = track(data, "Predicting", len(manifest.rows), BATCH_SIZE)
    return np.concatenate([classify(images) for images in tracked])


def of_batch(
    model: keras.Model, kind: str, *, temperature: float = 1.0
) -> Callable[[tf.Tensor], np.ndarray]:
    """Returns a function from a batch of pixels to class probabilities.

    It is traced once, which takes seconds: call `of_batch` once for many batches.

    Args:
        model: From pixels in [0, 255] to logits.
        kind: What the logits stand for: see `training.outputs`.
        temperature: By which the logits are divided.
    """
    return _traced(
        model, lambda logits: outputs.probabilities(logits / temperature, kind)
    )


def logits_of_batch(model: keras.Model) -> Callable[[tf.Tensor], np.ndarray]:
    """Returns a function from a batch of pixels to logits, as `of_batch` does."""
    return _traced(model, lambda logits: logits)


def _traced(
    model: keras.Model, finish: Callable[[tf.Tensor], tf.Tensor]
) -> Callable[[tf.Tensor], np.ndarray]:
    """Returns a function from a batch of pixels to what is made of their logits."""
    # Without a signature every other size of batch would be traced anew.
    pixels = tf.TensorSpec(model.inputs[0].shape, tf.float32)
    call = tf.function(
        lambda images: finish(model(images, training=False)), input_signature=[pixels]
    )
    return lambda images: call(tf.cast(images, tf.float32)).numpy()


def of_files(
    paths: Iterable[str | Path],
    classify: Callable[[list[bytes]], np.ndarray],
    class_names: tuple[str, ...],
    *,
    kind: str = outputs.MULTI_CLASS,
    decision: Decision = UNDECIDED,
) -> list[Prediction]:
    """Predicts files one batch after another; a bad file spoils no other.

    Args:
        paths: Image files.
        classify: From the files' contents to probabilities `(files, classes)`. It
            raises `tf.errors.InvalidArgumentError` if one of them is bad.
        class_names: In the order of the probabilities.
        kind: What the logits stand for: see `training.outputs`.
        decision: By which an image is known or not.

    Returns:
        A prediction a file, in order, with an `error` where the file is bad.
    """
    paths = [str(path) for path in paths]
    known = functools.partial(decision.known, class_names=class_names, kind=kind)
    found: list[Prediction] = []
    for first in range(0, len(paths), BATCH_SIZE):
        for path, row in _of_batch_of_files(
            paths[first : first + BATCH_SIZE], classify
        ):
            if isinstance(row, str):
                found.append(Prediction(path=path, known=False, error=row))
            else:
                sure = bool(known(row[np.newaxis])[0])
                found.append(_prediction(path, row.tolist(), class_names, kind, sure))
    return found


def _of_batch_of_files(
    paths: list[str], classify: Callable[[list[bytes]], np.ndarray]
) -> list[tuple[str, np.ndarray | str]]:
    """Classifies a batch at once, or file by file where one of them is bad.

    Returns:
        Each path with its probabilities, or with why it has none.
    """
    try:
        rows = classify([Path(path).read_bytes() for path in paths])
    except (tf.errors.OpError, OSError) as error:
        if len(paths) > 1:
            halves = paths[: len(paths) // 2], paths[len(paths) // 2 :]
            return [
                found for half in halves for found in _of_batch_of_files(half, classify)
            ]
        known = isinstance(error, OSError)
        why = error.strerror or str(error) if known else reason(error)
        return [(paths[0], why)]
    numbers = np.isfinite(rows).all(axis=1)
    return [
        (path, row if sound else NO_NUMBERS)
        for path, row, sound in zip(paths, rows, numbers)
    ]


def _prediction(
    path: str,
    row: list[float],
    class_names: tuple[str, ...],
    kind: str,
    known: bool,
) -> Prediction:
    """Returns a file's prediction from its probabilities."""
    return Prediction(
        path=path,
        label=label(np.array(row), class_names, kind == outputs.MULTI_LABEL),
        probability=max(row),
        probabilities=dict(zip(class_names, row)),
        known=known,
    )


def label(
    probabilities: np.ndarray, class_names: tuple[str, ...], several: bool
) -> str:
    """Returns the most probable class, or all that are more probable than not.

    Args:
        probabilities: Of one image, `(classes,)`.
        class_names: In their order.
        several: Whether an image has any number of labels.
    """
    if not several:
        return class_names[int(probabilities.argmax())]
    chosen = np.flatnonzero(probabilities > 0.5)
    return LABEL_SEPARATOR.join(class_names[place] for place in chosen)


def save(
    path: Path,
    manifest: Manifest,
    predicted: np.ndarray,
    class_names: tuple[str, ...],
    **more: Sequence[Any],
) -> None:
    """Writes one line an image: truth, prediction and all probabilities.

    With several labels an image the prediction is every class above a half, joined
    as the truth is; the probability is the highest in any case.

    Args:
        path: The file.
        manifest: The images.
        predicted: `(images, classes)`.
        class_names: In the order of the probabilities.
        **more: Further columns by name, a value an image; they come last.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["path", "label", "predicted", "probability", *class_names, *more])
    others = zip(*more.values()) if more else itertools.repeat(())
    for row, values, other in zip(manifest.rows, predicted, others):
        best = int(values.argmax())
        predicted_label = label(values, class_names, manifest.multi_label)
        shown = [f"{value:.6f}" for value in values]
        writer.writerow(
            [row.path, row.label, predicted_label, shown[best], *shown, *other]
        )
    write_text(path, text.getvalue())


def load(path: Path, class_names: tuple[str, ...]) -> np.ndarray:
    """Reads the probabilities that `save` wrote, in its manifest's order.

    Args:
        path: The file.
        class_names: In the order of the columns.

    Returns:
        float64, `(images, classes)`, to six digits.

    Raises:
        StorageError: If the file cannot be read, or is of other classes.
    """
    end = BEFORE + len(class_names)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # By place: a class may be called `path`.
            header, *rows = csv.reader(file)
        if header[BEFORE:end] != list(class_names):
            raise ValueError("it is of other classes")
        return np.array([[float(value) for value in row[BEFORE:end]] for row in rows])
    except (OSError, ValueError, csv.Error) as error:
        raise StorageError(f"{path} cannot be read: {error!r}.") from None
