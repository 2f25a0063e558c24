"""Proves an export: a fresh process runs it, and its numbers are compared."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import ExportError
from tl_keras.evaluation.decision import UNDECIDED, Decision
from tl_keras.training.outputs import MULTI_CLASS

SCRIPT = Path(__file__).with_name("rerun.py")
BATCH_SIZE = 32
SHOWN_OUTPUT = 1500


def verify(
    path: Path,
    classify: Callable[[tf.Tensor], np.ndarray],
    manifest: Manifest,
    *,
    square: Square,
    class_names: tuple[str, ...],
    tolerance: float,
    kind: str = MULTI_CLASS,
    decision: Decision = UNDECIDED,
) -> dict[str, Any]:
    """Runs a SavedModel in a fresh process and compares it with the Keras model.

    Args:
        path: The SavedModel.
        classify: What was exported, as Keras computes it: from a batch of pixels in
            [0, 255] to class probabilities.
        manifest: Images to compare on.
        square: What image files are made of.
        class_names: In the order of the logits.
        tolerance: Greatest difference of a probability allowed.
        kind: What the logits stand for: see `training.outputs`.
        decision: By which an image is known or not.

    Returns:
        `images`, `max_difference` and `tolerance`.

    Raises:
        ExportError: If the process fails, a probability differs by more than
            `tolerance`, a label is another, an image is known that should not be or
            the other way round, or a bad image spoils the others of its batch.
    """
    files = [Path(name).read_bytes() for name in manifest.paths]
    decode = tf.function(lambda content: decode_and_resize(content, square))
    pixels = np.stack([decode(tf.constant(content)).numpy() for content in files])
    expected = np.concatenate(
        [
            classify(pixels[first : first + BATCH_SIZE])
            for first in range(0, len(pixels), BATCH_SIZE)
        ]
    )
    found = _run(path, files, pixels)
    difference = max(
        float(np.abs(found[name] - expected).max()) for name in ("bytes", "pixels")
    )
    # A comparison with NaN is false: it must not pass.
    if not difference <= tolerance:
        raise ExportError(
            f"The export differs from the Keras model by {difference:.2g} in a "
            f"probability; at most {tolerance:g} is allowed (export.tolerance)."
        )
    labels = np.array(class_names)[found["bytes"].argmax(axis=1)]
    if list(found["labels"]) != list(labels):
        raise ExportError("The export names other labels than the Keras model.")
    # Of the export's own probabilities, which were compared: of Keras's, one that lies
    # on the threshold could be on its other side.
    for name in ("bytes", "pixels"):
        known = decision.known(found[name], class_names, kind)
        if not np.array_equal(found[f"{name}_known"], known):
            raise ExportError("The export knows other images than the Keras model.")
    if not found["bad_image_marked"]:
        raise ExportError("In the export a bad image spoils the others of its batch.")
    return {
        "images": len(files),
        "max_difference": difference,
        "tolerance": tolerance,
    }


def _run(path: Path, files: list[bytes], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Runs `rerun.py` on the images and returns what it wrote."""
    with tempfile.TemporaryDirectory(prefix="tl_keras-") as folder:
        inputs, outputs = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        np.savez(
            inputs,
            sizes=np.array([len(content) for content in files]),
            bytes=np.frombuffer(b"".join(files), np.uint8),
            pixels=pixels,
        )
        # `-I` keeps the current folder and the user's packages out of the process.
        command = [sys.executable, "-I", str(SCRIPT), str(path), inputs, outputs]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [str(part) for part in command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ExportError(
                "The export fails in a fresh process: " + done.stderr[-SHOWN_OUTPUT:]
            )
        with np.load(outputs, allow_pickle=False) as arrays:
            found = dict(arrays)
    if not found["alone"]:
        raise ExportError("The export was not run alone: tl_keras was imported.")
    return found
