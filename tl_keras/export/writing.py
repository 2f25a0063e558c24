"""Writes a version of an export: every artifact, each proven before it counts."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.config import Export as ExportConfig
from tl_keras.errors import ExportError, UsageError
from tl_keras.export import proof, signatures, verify
from tl_keras.export.artifacts import SAVED_MODEL, TABLE, Artifact
from tl_keras.export.converted import Source, as_lines
from tl_keras.export.exportable import Exportable, spread
from tl_keras.export.loaded import EXPORT_FILE, LABELS_FILE, MODEL_FILE, Export
from tl_keras.export.network import with_features
from tl_keras.export.proof import Proof
from tl_keras.files import replacing, write_json, write_text
from tl_keras.progress import say

PACKAGES = ("tensorflow", "keras", "numpy", "tl_keras")
# By so many training images the ranges of integers are found.
CALIBRATING = 100


def write(
    exportable: Exportable,
    folder: Path,
    config: ExportConfig,
    artifacts: Sequence[Artifact] = TABLE[:1],
    accept_loss: bool = False,
) -> Export:
    """Writes the next numbered version, runs it in fresh processes, compares.

    Args:
        exportable: What to export.
        folder: The export's folder; versions `1`, `2`, … lie in it, as TensorFlow
            Serving expects.
        config: Tolerance and number of images of the comparison.
        artifacts: What to write, see `artifacts.wanted`.
        accept_loss: Whether a quantized artifact may lose any amount.

    Returns:
        The export.

    Raises:
        UsageError: If `folder` is a version itself.
        ExportError: If an artifact cannot be made or computes something else than the
            Keras model; then nothing is left in `folder`.
        StorageError: If the folder cannot be written.
    """
    _refuse_version(folder)
    path = folder / str(_next_version(folder))
    say(f"Exporting to {path}")
    images = verify.Images.of(exportable, config.verify_images)
    with replacing(path) as temporary:
        make(exportable, temporary, artifacts)
        proofs = []
        for artifact in artifacts:
            found = verify.prove(temporary, artifact, images, exportable)
            exact = artifact.format == SAVED_MODEL
            tolerance = config.tolerance if exact else proof.TOLERANCE
            proof.refuse(found, tolerance, accept_loss)
            proofs.append(found)
            say(_told(found))
        write_json(temporary / EXPORT_FILE, _facts(temporary, exportable, proofs))
        if path.exists():
            raise ExportError(f"{path} was written by another export. Export again.")
    return Export(path)


def make(exportable: Exportable, path: Path, artifacts: Sequence[Artifact]) -> Path:
    """Writes the artifacts and the labels into a folder, and proves nothing.

    Args:
        exportable: What to export.
        path: The folder, which is made.
        artifacts: What to write, see `artifacts.wanted`.

    Returns:
        The folder.

    Raises:
        ExportError: If the network has no such form.
    """
    source = _source(exportable)
    signatures.write(path, exportable, source.frozen)
    for artifact in artifacts:
        if artifact.format != SAVED_MODEL:
            (path / artifact.file).write_bytes(source.convert(artifact))
    write_text(path / LABELS_FILE, as_lines(exportable.class_names))
    return path


def _source(exportable: Exportable) -> Source:
    """Returns what artifacts are made of."""

    def sample() -> Iterator[np.ndarray]:
        paths = spread(exportable.train, CALIBRATING).paths
        files = [Path(name).read_bytes() for name in paths]
        yield from verify.decoded(files, exportable.square)

    return Source(
        name=exportable.facts.get("network", "The network"),
        model=with_features(exportable.network),
        kind=exportable.outputs,
        temperature=exportable.decision.temperature,
        class_names=exportable.class_names,
        sample=sample,
    )


def _told(found: Proof) -> str:
    """Returns a proof as a line of what is happening."""
    return (
        f"{found.artifact.title}, run by itself on {found.images} images: greatest "
        f"difference of a probability {found.max_difference:.1e}, same answer on "
        f"{found.agreement:.1%}"
    )


def _facts(path: Path, exportable: Exportable, proofs: list[Proof]) -> dict[str, Any]:
    """Returns what the export's manifest holds."""
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    return {
        "class_names": exportable.class_names,
        "image_size": exportable.square.side,
        "resize": exportable.square.resize,
        "background": exportable.square.background,
        **exportable.facts,
        "decision": exportable.decision.as_dict(),
        "pixels": "uint8 RGB in [0, 255]; preprocessing is inside every artifact",
        "artifacts": [found.as_dict() for found in proofs],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in PACKAGES},
        "sha256": {
            entry.relative_to(path).as_posix(): hashlib.sha256(
                entry.read_bytes()
            ).hexdigest()
            for entry in files
        },
    }


def _refuse_version(folder: Path) -> None:
    """Refuses to put versions into a version."""
    if (folder / MODEL_FILE).exists() or (folder / EXPORT_FILE).exists():
        raise UsageError(
            f"{folder} is an export already, and none is written over. Give the "
            f"folder that its versions lie in: {folder.parent}"
        )


def _next_version(folder: Path) -> int:
    """Returns the number behind the last version."""
    if not folder.is_dir():
        return 1
    numbers = [int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()]
    return max(numbers, default=0) + 1
