"""The SavedModel's signatures, built and written."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tensorflow as tf

from tl_keras.evaluation.decision import known
from tl_keras.export import reading
from tl_keras.export.exportable import Exportable
from tl_keras.export.frozen import Frozen

# What stands in the row of a bad file.
BLANK = {
    "label": "",
    "class_id": -1,
    "probability": 0.0,
    "probabilities": 0.0,
    "known": False,
    "features": 0.0,
}


def write(path: Path, exportable: Exportable, frozen: Frozen) -> None:
    """Writes a SavedModel: from image files, or from pixels, to labels or features.

    The weights go in as constants of the graph. Against `ExportArchive`, which tracks
    every layer, that is a third of the time to write and to load and half the size,
    and no layer can slip into training mode.

    Args:
        path: Its folder.
        exportable: What is written.
        frozen: Its network.
    """
    square = exportable.square
    run = frozen.function()
    finish = partial(_answers, exportable)

    def pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return finish(_on_some(run, images)[0])

    def classify(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        images, errors = reading.read(image_bytes, square)
        return _mark(finish(_on_some(run, images)[0]), errors)

    def features(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        images, errors = reading.read(image_bytes, square)
        return _mark({"features": _on_some(run, images)[1]}, errors)

    module = tf.Module()
    # TensorFlow Serving decodes base64 only for inputs whose name ends in `_bytes`.
    files = tf.TensorSpec((None,), tf.string, name="image_bytes")
    images = tf.TensorSpec((None, *square.shape), tf.uint8, name="images")
    module.classify = tf.function(classify, input_signature=[files])
    module.pixels = tf.function(pixels, input_signature=[images])
    signatures = {"serving_default": module.classify, "pixels": module.pixels}
    if len(frozen.outputs) > 1:
        module.features = tf.function(features, input_signature=[files])
        signatures["features"] = module.features
    tf.saved_model.save(module, str(path), signatures=signatures)
    # TensorFlow leaves it empty where there are no assets.
    shutil.rmtree(path / "assets", ignore_errors=True)


def _on_some(
    run: Callable[[tf.Tensor], list[tf.Tensor]], images: tf.Tensor
) -> list[tf.Tensor]:
    """Runs the network on any number of images, none included."""
    # On some processors the convolutions of TensorFlow 2.21 fail on no images.
    count = tf.shape(images)[0]
    one = tf.zeros((1, *images.shape[1:]), images.dtype)
    found = run(tf.cond(count > 0, lambda: images, lambda: one))
    return [part[:count] for part in found]


def _answers(exportable: Exportable, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns what is made of probabilities; see `docs/exports.md` for each."""
    thresholds = exportable.decision.thresholds(exportable.class_names)
    class_id = tf.argmax(probabilities, axis=-1)
    return {
        "label": tf.gather(tf.constant(exportable.class_names), class_id),
        "class_id": class_id,
        "probability": tf.reduce_max(probabilities, axis=-1),
        "probabilities": probabilities,
        "known": known(probabilities, thresholds, exportable.outputs),
    }


def _mark(answers: dict[str, tf.Tensor], errors: tf.Tensor) -> dict[str, tf.Tensor]:
    """Blanks the rows of bad files, and says what is wrong with them.

    Args:
        answers: Tensors of a row a file.
        errors: string `(files,)`, empty where the file is good.
    """
    ok = errors == ""
    marked = {}
    for name, rows in answers.items():
        good = tf.reshape(ok, [-1] + [1] * (rows.shape.rank - 1))
        marked[name] = tf.where(good, rows, tf.constant(BLANK[name], rows.dtype))
    return {**marked, "ok": ok, "error": errors}
