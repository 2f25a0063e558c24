"""What exports there are below a folder."""

from pathlib import Path
from typing import Any

from tl_keras.datasets.manifest import natural_key
from tl_keras.errors import ExportError, UsageError
from tl_keras.export.loaded import EXPORT_FILE, Export


def versions(folder: Path) -> list[dict[str, Any]]:
    """Returns a row for each version, by name, then by number.

    Args:
        folder: Of exports, such as `saved_models`, or of one export's versions.

    Returns:
        `name`, `version`, `network`, `classes`, `accuracy` on the test images,
        `created`, `path` and `artifacts` with `title`, `file`, `bytes`, …; of a
        damaged version `path` and `error`.

    Raises:
        UsageError: If the folder is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder.")
    # Below the folder itself, of one export and of many.
    found = [path.parent for path in folder.glob(f"*/{EXPORT_FILE}")]
    found += [path.parent for path in folder.glob(f"*/*/{EXPORT_FILE}")]
    # What is being written has a name that starts with a dot.
    whole = [path for path in found if path.name.isdecimal()]
    return [_row(path) for path in sorted(whole, key=_order)]


def _order(path: Path) -> tuple:
    """Returns by what a version is sorted."""
    return natural_key(path.parent.name), int(path.name)


def _row(path: Path) -> dict[str, Any]:
    """Returns what is shown of a version."""
    row = {"name": path.resolve().parent.name, "version": int(path.name)}
    try:
        facts = Export(path).facts
    except ExportError as error:
        return {**row, "path": str(path), "error": str(error)}
    return {
        **row,
        "network": facts.get("network"),
        "classes": len(facts["class_names"]),
        "accuracy": facts.get("metrics", {}).get("accuracy"),
        "created": facts.get("created"),
        "artifacts": facts.get("artifacts", []),
        "path": str(path),
    }
