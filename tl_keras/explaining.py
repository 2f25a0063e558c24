"""Why a run's classifier says what it says of images, good ones and wrong ones."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tl_keras.datasets import batches
from tl_keras.datasets.checking.reasons import reason
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import UsageError
from tl_keras.evaluation import features, predictions
from tl_keras.evaluation.explanation import gradcam, losses, occlusion, sheets
from tl_keras.evaluation.explanation import neighbours as neighbourhood
from tl_keras.evaluation.explanation.explained import Explanation
from tl_keras.evaluation.explanation.losses import TopLoss
from tl_keras.evaluation.explanation.neighbours import Neighbour, Wrong
from tl_keras.fields import require
from tl_keras.registry import lookup
from tl_keras.run import Run
from tl_keras.training.outputs import MULTI_LABEL

# From a batch of pixels and a class each to heat maps in [0, 1].
Heat = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
TOP = 16


def explain(
    run: Run,
    paths: Iterable[str | Path],
    *,
    method: str = "gradcam",
    layer: str | None = None,
    class_name: str | None = None,
) -> list[Explanation]:
    """Explains what a run's classifier says of image files.

    Args:
        run: A run that is trained.
        paths: Image files; a bad one gets an `error` and spoils no other.
        method: `gradcam` or `occlusion`.
        layer: For Grad-CAM: the block or layer whose output is explained; `None` for
            the last feature map.
        class_name: The class to look for; `None` for each image's most probable one.

    Raises:
        UsageError: If a name is unknown, or the run has no weights yet.
        DataError: If a prediction is no number.
    """
    return list(each(run, paths, method=method, layer=layer, class_name=class_name))


def each(
    run: Run,
    paths: Iterable[str | Path],
    *,
    method: str = "gradcam",
    layer: str | None = None,
    class_name: str | None = None,
) -> Iterator[Explanation]:
    """Explains as `explain` does, one batch in memory at a time."""
    heat, wanted = _asked(run, method, layer, class_name)
    decode = tf.function(lambda content: decode_and_resize(content, run.square))
    paths, size = [str(path) for path in paths], predictions.BATCH_SIZE
    for first in range(0, len(paths), size):
        read = {path: _read(path, decode) for path in paths[first : first + size]}
        good = {path: found for path, found in read.items() if not _is_error(found)}
        explained = _explain(run, good, heat, wanted) if good else {}
        for path in paths[first : first + size]:
            yield explained.get(path) or Explanation(path=path, error=read[path])


def test_probabilities(run: Run) -> np.ndarray:
    """Returns the class probabilities of the test images, `(images, classes)`.

    Raises:
        UsageError: If there are no test images, or nothing is trained.
    """
    run.require_trained()
    return run.probabilities(_test(run))


def top_losses(
    run: Run,
    *,
    count: int = TOP,
    method: str = "gradcam",
    layer: str | None = None,
    class_name: str | None = None,
    predicted: np.ndarray | None = None,
) -> list[TopLoss]:
    """Returns the test images with the highest loss, the highest first.

    Args:
        run: A run that is trained.
        count: How many; all, where there are fewer.
        method: See `explain`.
        layer: See `explain`.
        class_name: See `explain`.
        predicted: `run.probabilities` of the test images, where they are known.

    Raises:
        UsageError: If a name is unknown, `count` below 1, or the run not trained.
        DataError: If an image is gone or was changed.
    """
    require(count >= 1, "top", "at least 1", count)
    heat, wanted = _asked(run, method, layer, class_name)
    test = _test(run)
    predicted = run.probabilities(test) if predicted is None else predicted
    found = losses.judge(test, predicted, run.class_names)[:count]
    rows = [judged.row for judged in found]
    pixels = _pixels(run, test, rows)
    classes = _classes(predicted[rows], wanted)
    return [
        TopLoss(
            judged=judged,
            explained=run.class_names[number],
            thumbnail=sheets.png(image, sheets.CELL),
            overlay=sheets.png(sheets.overlay(image, place), sheets.CELL),
        )
        for judged, number, image, place in zip(
            found, classes, pixels, heat(pixels, classes)
        )
    ]


def neighbours(
    run: Run,
    *,
    count: int = TOP,
    nearest: int = neighbourhood.COUNT,
    predicted: np.ndarray | None = None,
) -> list[Wrong]:
    """Returns wrongly predicted test images with the training images most like them.

    Alike is what the classifier's features, the input of its last layer, say: the
    cosine distance between them.

    Args:
        run: A run that is trained.
        count: Wrong predictions, those with the highest loss.
        nearest: Training images for each.
        predicted: `run.probabilities` of the test images, where they are known.

    Raises:
        UsageError: If a number is below 1, the run is not trained, or its network
            ends in no dense layer.
        DataError: If an image is gone or was changed.
    """
    require(count >= 1, "top", "at least 1", count)
    require(nearest >= 1, "nearest", "at least 1", nearest)
    run.require_trained()
    test, train = _test(run), run.manifest.split("train")
    predicted = run.probabilities(test) if predicted is None else predicted
    judged = losses.judge(test, predicted, run.class_names)
    wrong = [one for one in judged if losses.is_wrong(one)][:count]
    if not wrong:
        return []
    sure = neighbourhood.sure(test.targets(run.class_names), predicted)
    chosen = test.with_rows(test.rows[one.row] for one in wrong)
    of_batch = features.of_batch(run.classifier)
    queries, training = (
        predictions.probabilities(of_batch, part, run.square)
        for part in (chosen, train)
    )
    places, distances = neighbourhood.nearest(queries, training, nearest)
    near = _thumbnails(run, train, sorted(set(places.ravel().tolist())))
    own = _thumbnails(run, chosen, range(len(wrong)))
    return [
        Wrong(
            judged=one,
            thumbnail=own[number],
            sure=bool(sure[one.row]),
            neighbours=tuple(
                Neighbour(
                    path=train.rows[place].path,
                    label=train.rows[place].label,
                    distance=float(distance),
                    thumbnail=near[place],
                )
                for place, distance in zip(places[number].tolist(), distances[number])
            ),
        )
        for number, one in enumerate(wrong)
    ]


def _gradcam(run: Run, layer: str | None) -> Heat:
    """Returns Grad-CAM of a run."""
    return gradcam.of_batch(run.classifier, layer)


def _occlusion(run: Run, layer: str | None) -> Heat:
    """Returns occlusion of a run; there is no layer to choose."""
    if layer is not None:
        raise UsageError(
            f"`layer` is for the method 'gradcam': occlusion looks at no layer. "
            f"Received: {layer!r}"
        )
    return occlusion.of_batch(run.classify)


METHODS = {"gradcam": _gradcam, "occlusion": _occlusion}


def _asked(
    run: Run, method: str, layer: str | None, class_name: str | None
) -> tuple[Heat, int | None]:
    """Returns what makes heat maps, and the index of the class that is asked for."""
    chosen = lookup(METHODS, method, "method")
    numbers = {name: number for number, name in enumerate(run.class_names)}
    wanted = None if class_name is None else lookup(numbers, class_name, "class")
    run.require_trained()
    return chosen(run, layer), wanted


def _classes(predicted: np.ndarray, wanted: int | None) -> np.ndarray:
    """Returns the class to explain of each image: one for all, or the best ones."""
    best = predicted.argmax(axis=1)
    return best if wanted is None else np.full_like(best, wanted)


def _test(run: Run) -> Manifest:
    """Returns the test images.

    Raises:
        UsageError: If there are none.
    """
    test = run.manifest.split("test")
    if not test.rows:
        raise UsageError(f"{run.folder} has no test images: name images to explain.")
    return test


def _read(path: str, decode: Callable[[tf.Tensor], tf.Tensor]) -> np.ndarray | str:
    """Returns a file's pixels, or why there are none."""
    try:
        return decode(tf.constant(Path(path).read_bytes())).numpy()
    except OSError as error:
        return error.strerror or str(error)
    except tf.errors.OpError as error:
        return reason(error)


def _is_error(found: np.ndarray | str) -> bool:
    """Tells whether a file could not be read."""
    return isinstance(found, str)


def _explain(
    run: Run, images: dict[str, np.ndarray], heat: Heat, wanted: int | None
) -> dict[str, Explanation]:
    """Explains a batch of good images, by path."""
    pixels = np.stack(list(images.values()))
    predicted = losses.numbers(run.classify(pixels))
    classes = _classes(predicted, wanted)
    several, names = run.outputs == MULTI_LABEL, run.class_names
    return {
        path: Explanation(
            path=path,
            label=predictions.label(row, names, several),
            probability=float(row.max()),
            explained=names[number],
            explained_probability=float(row[number]),
            pixels=image,
            heat=place,
        )
        for path, row, number, image, place in zip(
            images, predicted, classes, pixels, heat(pixels, classes)
        )
    }


def _pixels(run: Run, manifest: Manifest, rows: Iterable[int]) -> np.ndarray:
    """Returns what the network sees of some images, uint8 `(rows, side, side, 3)`."""
    chosen = manifest.with_rows(manifest.rows[row] for row in rows)
    data = batches.images(chosen, run.square, predictions.BATCH_SIZE)
    return np.concatenate([images.numpy() for images in batches.read(data)])


def _thumbnails(run: Run, manifest: Manifest, rows: Iterable[int]) -> dict[int, bytes]:
    """Returns small PNG files of some images, by their places in the manifest."""
    rows = list(rows)
    pixels = _pixels(run, manifest, rows)
    return {row: sheets.png(image, sheets.CELL) for row, image in zip(rows, pixels)}
