"""One process at a time works in a run folder; one that dies leaves no lock."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tl_keras.errors import BusyError
from tl_keras.files import recover, storage_errors

OWNER = "process"


@contextlib.contextmanager
def held(folder: str | Path) -> Iterator[None]:
    """Keeps other processes out of a folder, whether it is there yet or not.

    The system holds the lock, and lets go of it when this process ends in any way. It
    is a file beside the folder, `.NAME.lock`, so that the folder can be replaced. Who
    only reads needs no lock. What a killed process left half written is put right.

    Args:
        folder: Of a run or a study.

    Raises:
        BusyError: If another process works in the folder.
        StorageError: If the lock cannot be written.
    """
    folder = Path(folder).resolve()
    path = folder.with_name(f".{folder.name}.lock")
    made = not path.parent.exists()
    with storage_errors(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquired(path, folder)
    try:
        recover(folder)
        yield
    finally:
        # While it is held: who opened it meanwhile finds that it has no name.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()
        if made:
            # A run that was refused leaves nothing.
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def _acquired(path: Path, folder: Path) -> FileLock:
    """Takes a lock, and writes into its file who has it.

    Raises:
        BusyError: If another process has it.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"{folder} is in use by {_owner(path)}: wait until that ends, or end it."
        ) from None
    # Where the system knows no locks, the library keeps its own words in there.
    if _owner(path).startswith((OWNER, "another")):
        text = f"{OWNER} {os.getpid()} on {socket.gethostname()}\n"
        path.write_text(text, encoding="utf-8")
    return lock


def _owner(path: Path) -> str:
    """Returns who has a lock, as far as its file tells."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
