"""What lies in the cache's folder, what room there is, and how to make some."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from tl_keras.errors import StorageError, UsageError
from tl_keras.files import storage_errors
from tl_keras.registry import suggestion
from tl_keras.training.cache.entry import LOCK, META, Entry, Facts, lock_of

# Of `data.cache_dir`.
FOLDER = "prefix"
KEY = re.compile(r"[0-9a-f]{32}")
LEFTOVERS = ".writing-"
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*((?:[kmgt]i?)?)b?", re.IGNORECASE)
UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An entry as it lies on the disk.

    Attributes:
        key: Name of its folder.
        facts: What it holds; `None` where that cannot be read.
        complete: Whether all of its shards are there.
        size: Bytes on disk.
        used: When it was last read.
    """

    key: str
    facts: Facts | None
    complete: bool
    size: int
    used: datetime

    def as_json(self) -> dict[str, Any]:
        """Returns plain values, those of the facts among the others."""
        facts = self.facts.as_json() if self.facts else {}
        own = {"complete": self.complete, "size": self.size}
        return {"key": self.key} | facts | own | {"used": self.used.isoformat()}


@dataclass(frozen=True)
class Removed:
    """What a removal did.

    Attributes:
        keys: Of the entries that are gone.
        size: Bytes that they took.
        held: Keys of those that another process computes: they were left alone.
    """

    keys: tuple[str, ...]
    size: int
    held: tuple[str, ...]


def entries(folder: Path) -> list[Stored]:
    """Returns the entries of a cache, the least recently used first.

    Whatever else lies there is left out.
    """
    found = [_stored(path) for path in _paths(folder)]
    return sorted((one for one in found if one), key=lambda one: (one.used, one.key))


def remove(folder: Path, keys: Sequence[str]) -> Removed:
    """Removes entries.

    Args:
        folder: The cache's.
        keys: Their names.

    Raises:
        UsageError: If there is no entry of that name.
    """
    known = {one.key: one for one in entries(folder)}
    for key in keys:
        if key not in known:
            hint = suggestion(key, known) if known else " The cache is empty."
            raise UsageError(f"Unknown cache entry {key!r}.{hint}")
    return _remove(folder, [known[key] for key in dict.fromkeys(keys)])


def clear(folder: Path) -> Removed:
    """Removes all entries, and what killed processes left."""
    removed = _remove(folder, entries(folder))
    clean(folder)
    return removed


def prune(folder: Path, size: int) -> Removed:
    """Removes the least recently used entries until the others fit a size.

    And what killed processes left.

    Args:
        folder: The cache's.
        size: Bytes that may stay.
    """
    clean(folder)
    found = entries(folder)
    excess = sum(one.size for one in found) - size
    done = Removed((), 0, ())
    for one in found:
        if done.size >= excess:
            break
        last = _remove(folder, [one])
        done = Removed(
            done.keys + last.keys, done.size + last.size, done.held + last.held
        )
    return done


def clean(folder: Path) -> None:
    """Removes temporary folders and locks of processes that were killed."""
    for path in [*_children(folder)]:
        if path.name.startswith(LEFTOVERS):
            shutil.rmtree(path, ignore_errors=True)
    for path in _paths(folder):
        with suppress(Timeout), _held(path):
            for inner in _children(path):
                if inner.name.startswith(LEFTOVERS):
                    shutil.rmtree(inner, ignore_errors=True)
    for path in _children(folder):
        own = path.suffix == LOCK and KEY.fullmatch(path.stem)
        if own and not path.with_suffix("").exists():
            with suppress(Timeout), _held(path.with_suffix("")):
                path.unlink(missing_ok=True)


def free_bytes(folder: Path) -> int:
    """Returns the bytes that are free where a folder is, or is going to be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int) -> None:
    """Refuses to start what the disk cannot hold.

    Raises:
        StorageError: If fewer than the needed bytes are free.
    """
    free = free_bytes(folder)
    if needed > free:
        raise StorageError(
            f"The feature maps need {readable(needed)} in {folder}, where "
            f"{readable(free)} are free: make room with `tl-keras cache prune "
            "--max-size 1GB`, compute them in every epoch with `--cache.store none`, "
            "or choose another `data.cache_dir`."
        )


def bytes_of(text: str) -> int:
    """Returns the bytes that a text such as `500MB`, `10GB` or `10GiB` names.

    Raises:
        UsageError: If it names none.
    """
    match = SIZE.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"A size must be like 500MB, 10GB or 10GiB. Received: {text!r}"
        )
    return int(float(match[1]) * UNITS[match[2].lower()])


def readable(size: int) -> str:
    """Returns bytes in the unit that makes a short number of them."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.2f} {name}"
    return f"{size} B"


def _children(folder: Path) -> list[Path]:
    """Returns what lies in a folder; nothing if there is none."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _paths(folder: Path) -> Iterator[Path]:
    """Yields the folders that are named as entries are."""
    for path in _children(folder):
        if KEY.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            yield path


def _stored(path: Path) -> Stored | None:
    """Returns what lies in an entry's folder; `None` if it is gone by now."""
    facts = Facts.read(path)
    try:
        named = path / META if facts else path
        used = datetime.fromtimestamp(named.stat().st_mtime).astimezone()
    except OSError:
        return None
    complete = facts is not None and len(Entry(path, facts).noted()) == facts.shards
    return Stored(
        key=path.name, facts=facts, complete=complete, size=_size(path), used=used
    )


def _size(path: Path) -> int:
    """Returns the bytes of all files below a folder."""
    total = 0
    for root, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def _remove(folder: Path, chosen: Iterable[Stored]) -> Removed:
    """Removes entries that nobody computes."""
    keys, held, size = [], [], 0
    for one in chosen:
        path = folder / one.key
        try:
            with storage_errors(path), _held(path):
                _discard(path)
                path.with_suffix(LOCK).unlink(missing_ok=True)
        except Timeout:
            held.append(one.key)
            continue
        keys.append(one.key)
        size += one.size
    return Removed(tuple(keys), size, tuple(held))


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Holds an entry's lock.

    Raises:
        Timeout: If another process has it.
    """
    with lock_of(path).acquire(timeout=0):
        yield


def _discard(path: Path) -> None:
    """Removes a folder, in one step for those who read."""
    holder = Path(tempfile.mkdtemp(prefix=LEFTOVERS, dir=path.parent))
    os.replace(path, holder / path.name)
    shutil.rmtree(holder, ignore_errors=True)
