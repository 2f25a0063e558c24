"""Whether the files of a manifest are still those that were checked."""

import hashlib
import os
from pathlib import Path

from tl_keras.datasets.checking.results import Stamp
from tl_keras.datasets.checking.store import Store
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import DataError

NAMED = 3


def require(
    manifest: Manifest, cache_dir: str | Path, background: tuple[int, ...]
) -> None:
    """Refuses a manifest whose files were removed or changed since.

    A file that has the size and the times that it had when it was checked is not read
    again; of the others the bytes are compared.

    Args:
        manifest: The images. Rows that were not checked are passed over.
        cache_dir: As `data.cache_dir`: where the results of checks lie.
        background: As `data.background`, with which they were checked.

    Raises:
        DataError: If a file is gone, or holds something else.
    """
    changed, total = [], 0
    checked = [row for row in manifest.rows if row.sha256]
    if not checked:
        return
    with Store.of(manifest.root, cache_dir, background) as store:
        for row in checked:
            why = _change(manifest.root / row.path, row.path, row.sha256, store)
            total += bool(why)
            if why and len(changed) < NAMED:
                changed.append(f"{row.path} ({why})")
    if total:
        more = f" and {total - NAMED} more" if total > NAMED else ""
        raise DataError(
            f"Images of {manifest.root} are not what the manifest says: "
            f"{', '.join(changed)}{more}. Put them back as they were, or train anew."
        )


def _change(path: Path, name: str, sha256: str, store: Store) -> str:
    """Returns what happened to a file; empty if nothing."""
    try:
        stamp = Stamp.of(os.stat(path))
        known = store.known(name, stamp)
        if known and known.sha256 == sha256:
            return ""
        content = path.read_bytes()
    except FileNotFoundError:
        return "removed"
    except OSError as error:
        return error.strerror or str(error)
    return "" if hashlib.sha256(content).hexdigest() == sha256 else "changed"
