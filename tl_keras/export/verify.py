"""Proves an artifact: a fresh process runs it, and its numbers are compared."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow as tf

from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.square import Square
from tl_keras.errors import ExportError
from tl_keras.export.artifacts import SAVED_MODEL, Artifact
from tl_keras.export.exportable import Exportable, spread
from tl_keras.export.proof import Proof, answers, share_equal
from tl_keras.export.rerun import TIMED

SCRIPT = Path(__file__).with_name("rerun.py")
BATCH_SIZE = 32
SHOWN_OUTPUT = 1500


@dataclass(frozen=True)
class Images:
    """Test images, and what the Keras model says of them.

    Attributes:
        files: Their contents.
        pixels: uint8, `(images, side, side, 3)`.
        expected: Keras's probabilities, `(images, classes)`.
        truth: What `proof.answers` should give.
    """

    files: list[bytes]
    pixels: np.ndarray
    expected: np.ndarray
    truth: np.ndarray

    @classmethod
    def of(cls, exportable: Exportable, most: int) -> Self:
        """Reads some of the test images.

        Args:
            exportable: Whose.
            most: How many at most.
        """
        manifest = spread(exportable.test, most)
        files = [Path(name).read_bytes() for name in manifest.paths]
        pixels = decoded(files, exportable.square)
        parts = [
            exportable.classify(pixels[first : first + BATCH_SIZE])
            for first in range(0, len(pixels), BATCH_SIZE)
        ]
        truth = np.asarray(manifest.targets(exportable.class_names))
        if truth.ndim > 1:
            truth = truth > 0.5
        return cls(files, pixels, np.concatenate(parts), truth)


def decoded(files: list[bytes], square: Square) -> np.ndarray:
    """Decodes image files as training does: uint8 `(files, side, side, 3)`."""
    decode = tf.function(lambda content: decode_and_resize(content, square))
    return np.stack([decode(tf.constant(content)).numpy() for content in files])


def prove(
    folder: Path, artifact: Artifact, images: Images, exportable: Exportable
) -> Proof:
    """Runs an artifact in a fresh process and compares it with the Keras model.

    Args:
        folder: The version's.
        artifact: What lies in it.
        images: What to compare on.
        exportable: What the artifact was made of.

    Raises:
        ExportError: If the process fails, a label is another, an image is known that
            should not be or the other way round, or a bad image spoils the others of
            its batch. Whether the figures are good enough is for `proof.refuse`.
    """
    found = _run(folder, artifact, images)
    if artifact.format == SAVED_MODEL:
        _check_signatures(found, exportable)
    kind, expected = exportable.outputs, images.expected
    given = [found[name] for name in ("bytes", "pixels") if name in found]
    said = answers(found["pixels"], kind)
    return Proof(
        artifact=artifact,
        images=len(images.files),
        max_difference=max(float(np.abs(rows - expected).max()) for rows in given),
        agreement=share_equal(said, answers(expected, kind)),
        accuracy=share_equal(said, images.truth),
        bytes=size_of(folder, artifact),
        milliseconds=dict(zip(TIMED, np.round(found["milliseconds"], 3).tolist())),
    )


def size_of(folder: Path, artifact: Artifact) -> int:
    """Returns the bytes of an artifact on disk."""
    files = [folder / artifact.file]
    if artifact.format == SAVED_MODEL:
        files += [path for path in folder.glob("variables/*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def _check_signatures(found: dict[str, np.ndarray], exportable: Exportable) -> None:
    """Refuses a SavedModel whose answers do not follow from its probabilities."""
    class_names, decision = exportable.class_names, exportable.decision
    labels = np.array(class_names)[found["bytes"].argmax(axis=1)]
    if list(found["labels"]) != list(labels):
        raise ExportError("The export names other labels than the Keras model.")
    # Of the export's own probabilities, which are compared: of Keras's, one that lies
    # on the threshold could be on its other side.
    for name in ("bytes", "pixels"):
        known = decision.known(found[name], class_names, exportable.outputs)
        if not np.array_equal(found[f"{name}_known"], known):
            raise ExportError("The export knows other images than the Keras model.")
    if not found["bad_image_marked"]:
        raise ExportError("In the export a bad image spoils the others of its batch.")


def _run(folder: Path, artifact: Artifact, images: Images) -> dict[str, np.ndarray]:
    """Runs `rerun.py` on the images and returns what it wrote."""
    is_folder = artifact.format == SAVED_MODEL
    with tempfile.TemporaryDirectory(prefix="tl_keras-") as place:
        inputs, outputs = Path(place, "inputs.npz"), Path(place, "outputs.npz")
        np.savez(
            inputs,
            sizes=np.array([len(content) for content in images.files]),
            bytes=np.frombuffer(b"".join(images.files), np.uint8),
            pixels=images.pixels,
        )
        model = folder if is_folder else folder / artifact.file
        # `-I` keeps the current folder and the user's packages out of the process.
        command = [
            sys.executable,
            "-I",
            SCRIPT,
            artifact.format,
            model,
            inputs,
            outputs,
        ]
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ExportError(
                f"The {artifact.title} model fails in a fresh process: "
                + done.stderr[-SHOWN_OUTPUT:]
            )
        with np.load(outputs, allow_pickle=False) as arrays:
            found = dict(arrays)
    if not found["alone"]:
        raise ExportError(f"The {artifact.title} model was not run alone.")
    return found
