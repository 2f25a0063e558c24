"""Writing files so that a reader sees the old content or the new, never half of it."""

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tl_keras.errors import StorageError

# What temporary folders are called; one that is left was somebody's who was killed.
LEFTOVERS = ".writing-"
CURES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your disk quota is used up: free some space",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.EEXIST: "a part of the path is a file: choose another folder",
    errno.ENOTDIR: "a part of the path is a file: choose another folder",
}


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` and renames it to `path` at the end.

    The temporary name keeps the suffix, because some writers choose the format by
    it. Where the block fails, the temporary file or folder is removed and `path`
    stays as it was.

    Args:
        path: The file or folder to write. An old one is replaced.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=LEFTOVERS, dir=path.parent))
        old = _stepped_aside(holder, path)
        try:
            yield holder / path.name
            _flush(holder / path.name)
            try:
                if path.is_dir():
                    # A folder cannot be renamed onto another: the old one steps aside.
                    os.replace(path, old)
                os.replace(holder / path.name, path)
            except BaseException:
                if old.exists() and not path.exists():
                    os.replace(old, path)
                raise
            _flush(path.parent)
        finally:
            shutil.rmtree(holder, ignore_errors=True)


def recover(path: str | Path) -> None:
    """Puts right what processes left that were killed while they wrote `path`.

    A folder that had stepped aside for a new one comes back, where the new one did not
    come; temporary files go. Nobody else may be writing `path`.

    Args:
        path: The file or folder, there or not; temporary files in it go, too.

    Raises:
        StorageError: If the folder cannot be written.
    """
    path = Path(path)
    with storage_errors(path):
        for holder in path.parent.glob(f"{LEFTOVERS}*"):
            old = _stepped_aside(holder, path)
            if old.exists() and not path.exists():
                os.replace(old, path)
            elif not old.exists() and not (holder / path.name).exists():
                continue
            shutil.rmtree(holder, ignore_errors=True)
    for holder in path.rglob(f"{LEFTOVERS}*"):
        shutil.rmtree(holder, ignore_errors=True)


def _stepped_aside(holder: Path, path: Path) -> Path:
    """Returns where the old folder waits until the new one has its name."""
    return holder / f".old-{path.name}"


def _flush(path: Path) -> None:
    """Has a file or a folder's list of names put on the disk, for a power cut.

    Without that a renamed file may be empty after one.
    """
    # Some systems and network disks open no folders, or do not know this.
    with contextlib.suppress(PermissionError, FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | Path, value: Any) -> None:
    """Writes readable JSON in one step."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turns the system's word for a full or closed folder into one clear line."""
    try:
        yield
    except OSError as error:
        cure = cure_of(error)
        if cure is None:
            raise
        raise StorageError(f"Cannot write {path}: {cure}.") from None


def cure_of(error: OSError) -> str | None:
    """Returns what a user can do about an error of the system; `None` if nothing."""
    # HDF5 puts the number into the text alone.
    stated = re.search(r"errno = (\d+)", str(error))
    return CURES.get(error.errno or (int(stated[1]) if stated else None))


def require_space(folder: str | Path, needed: int, what: str) -> None:
    """Refuses to start what the disk cannot hold.

    Args:
        folder: An existing folder on the disk in question.
        needed: Bytes.
        what: What the bytes are, for the message.

    Raises:
        StorageError: If fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{what} needs {needed / 1e9:.2f} GB in {folder}, where "
            f"{free / 1e9:.2f} GB are free: free some space or choose another folder."
        )
