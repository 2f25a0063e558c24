"""Writes a SavedModel that takes image files and gives labels."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_keras.config import Export as ExportConfig
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.evaluation.decision import UNDECIDED, Decision, known
from tl_keras.export.loaded import EXPORT_FILE, LABELS_FILE, Export
from tl_keras.export.verify import verify
from tl_keras.files import replacing, write_json, write_text
from tl_keras.progress import say
from tl_keras.training import outputs
from tl_keras.training.engines.graph import constant_graph

PACKAGES = ("tensorflow", "keras", "numpy", "tl_keras")


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A trained classifier and what its export has to say about it.

    Attributes:
        model: From pixels in [0, 255] to logits.
        outputs: What the logits stand for: see `training.outputs`.
        classify: From a batch of pixels to the probabilities that Keras computes.
        class_names: In the order of the probabilities.
        square: What image files are made of.
        decision: The temperature that goes into the graph, and the threshold.
        test: Images to compare the export on.
        facts: Goes into the export's manifest: backbone, metrics, ….
    """

    model: keras.Model
    outputs: str
    classify: Callable[[tf.Tensor], np.ndarray]
    class_names: tuple[str, ...]
    square: Square
    test: Manifest
    facts: dict[str, Any]
    decision: Decision = UNDECIDED


def export(exportable: Exportable, folder: Path, config: ExportConfig) -> Export:
    """Writes the next numbered version, re-runs it in a fresh process, compares.

    Args:
        exportable: What to export.
        folder: The export's folder; versions `1`, `2`, … lie in it, as TensorFlow
            Serving expects.
        config: Tolerance and number of images of the comparison.

    Returns:
        The export.

    Raises:
        ExportError: If the export computes something else than the Keras model; then
            nothing is left in `folder`.
        StorageError: If the folder cannot be written.
    """
    path = folder / str(_next_version(folder))
    rows = exportable.test.rows[: config.verify_images]
    compared = dataclasses.replace(exportable.test, rows=rows)
    say(f"Exporting to {path}")
    with replacing(path) as temporary:
        _write(temporary, exportable)
        comparison = verify(
            temporary,
            exportable.classify,
            compared,
            square=exportable.square,
            class_names=exportable.class_names,
            tolerance=config.tolerance,
            kind=exportable.outputs,
            decision=exportable.decision,
        )
        write_text(temporary / LABELS_FILE, "\n".join(exportable.class_names) + "\n")
        write_json(temporary / EXPORT_FILE, _facts(temporary, exportable, comparison))
    say(
        f"Re-run in a fresh process on {comparison['images']} images: greatest "
        f"difference of a probability {comparison['max_difference']:.1e}"
    )
    return Export(path)


def _write(path: Path, exportable: Exportable) -> None:
    """Writes the SavedModel with both signatures.

    The weights go in as constants of the graph. Against `ExportArchive`, which tracks
    every layer, that is a third of the time to write and to load and half the size,
    and no layer can slip into training mode.
    """
    square = exportable.square
    run = constant_graph(exportable.model)
    temperature = exportable.decision.temperature
    thresholds = exportable.decision.thresholds(exportable.class_names)
    image = tf.TensorSpec(square.shape, tf.uint8)

    def classify_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        # On some processors the convolutions of TensorFlow 2.21 fail on no images.
        count = tf.shape(images)[0]
        one = tf.zeros((1, *square.shape), tf.uint8)
        (logits,) = run(tf.cond(count > 0, lambda: images, lambda: one))
        logits = logits[:count]
        probabilities = outputs.probabilities(logits / temperature, exportable.outputs)
        class_id = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.gather(tf.constant(exportable.class_names), class_id),
            "class_id": class_id,
            "probabilities": probabilities,
            "known": known(probabilities, thresholds, exportable.outputs),
        }

    def classify(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        decode = lambda content: decode_and_resize(content, square)  # noqa: E731
        images = tf.map_fn(decode, image_bytes, fn_output_signature=image)
        return classify_pixels(images)

    module = tf.Module()
    # TensorFlow Serving decodes base64 only for inputs whose name ends in `_bytes`.
    files = tf.TensorSpec((None,), tf.string, name="image_bytes")
    pixels = tf.TensorSpec((None, *square.shape), tf.uint8, name="images")
    module.classify = tf.function(classify, input_signature=[files])
    module.classify_pixels = tf.function(classify_pixels, input_signature=[pixels])
    signatures = {
        "serving_default": module.classify,
        "classify_pixels": module.classify_pixels,
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
    # TensorFlow leaves it empty where there are no assets.
    shutil.rmtree(path / "assets", ignore_errors=True)


def _facts(
    path: Path, exportable: Exportable, comparison: dict[str, Any]
) -> dict[str, Any]:
    """Returns what the export's manifest holds."""
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    return {
        "class_names": exportable.class_names,
        "image_size": exportable.square.side,
        "resize": exportable.square.resize,
        "background": exportable.square.background,
        **exportable.facts,
        "decision": exportable.decision.as_dict(),
        "comparison": comparison,
        "versions": {package: version(package) for package in PACKAGES},
        "sha256": {
            entry.relative_to(path).as_posix(): hashlib.sha256(
                entry.read_bytes()
            ).hexdigest()
            for entry in files
        },
    }


def _next_version(folder: Path) -> int:
    """Returns the number behind the last version."""
    if not folder.is_dir():
        return 1
    numbers = [int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()]
    return max(numbers, default=0) + 1
