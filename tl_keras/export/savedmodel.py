"""Writes a SavedModel that takes image files and gives labels."""

import dataclasses
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tl_keras.config import Export as ExportConfig
from tl_keras.export import signatures
from tl_keras.export.exportable import Exportable
from tl_keras.export.loaded import EXPORT_FILE, LABELS_FILE, Export
from tl_keras.export.verify import verify
from tl_keras.files import replacing, write_json, write_text
from tl_keras.progress import say

PACKAGES = ("tensorflow", "keras", "numpy", "tl_keras")


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
        signatures.write(temporary, exportable)
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
