"""One entry of the cache: the rows of one output and view, written shard by shard.

A folder of three kinds of files:

    meta.json       what the rows are
    rows.bin        all rows behind one another, no header; it grows with the work
    00012.sha256    of the bytes of shard 12: of 256 rows, from row 12 * 256 on

A shard counts from when its digest is there, which comes in one rename behind the rows,
and for as long as the rows have that digest. So a writer may be killed at any byte, and
whatever is damaged later is found and computed anew, the rest is not.

The shards share one file because a mapped file stays open: four views of 50,000 images
would be 800 files, and most systems allow a process 1,024.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout

from tl_keras.files import storage_errors, write_json, write_text
from tl_keras.progress import say
from tl_keras.training.cache.rows import Rows

# Images a shard: a multiple of every engine's batch.
SHARD = 256
META, ROWS, LOCK = "meta.json", "rows.bin", ".lock"
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rows of an entry are.

    Attributes:
        backbone: Name in the catalogue.
        output: A cut, or a key of `heads.FEATURES`.
        view: Which view of the images; 0 is the plain one.
        what: What the images are, such as the name of their split.
        images: How many there are.
        shape: Of one row.
        dtype: Of the numbers.
    """

    backbone: str
    output: str
    view: int
    what: str
    images: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def row_bytes(self) -> int:
        """Returns the bytes of one row."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def shards(self) -> int:
        """Returns the number of shards."""
        return math.ceil(self.images / SHARD)

    @staticmethod
    def shard_of(place: int) -> int:
        """Returns the shard that a row is in."""
        return place // SHARD

    def places(self, shard: int) -> range:
        """Returns the rows of a shard."""
        return range(shard * SHARD, min((shard + 1) * SHARD, self.images))

    def stretch(self, shard: int) -> tuple[int, int]:
        """Returns the bytes of a shard in the file of rows: the first, and the end."""
        places = self.places(shard)
        return places.start * self.row_bytes, places.stop * self.row_bytes

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Returns the facts that lie in an entry's folder; `None` for other things."""
        try:
            found = json.loads((folder / META).read_text(encoding="utf-8"))
            found.pop("bytes")
            facts = cls(**found | {"shape": tuple(map(int, found["shape"]))})
            # Whatever is of the wrong kind fails in here.
            return facts if facts.shards * facts.row_bytes >= 0 else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def as_json(self) -> dict[str, Any]:
        """Returns the facts as they are written."""
        return {**asdict(self), "bytes": self.images * self.row_bytes}


@dataclass(frozen=True)
class Entry:
    """Where the rows of one output and view lie.

    Attributes:
        path: The folder; its name is the key.
        facts: What the rows are.
    """

    path: Path
    facts: Facts

    @cached_property
    def lock(self) -> FileLock:
        """Who computes the entry holds it."""
        return lock_of(self.path)

    def noted(self) -> frozenset[int]:
        """Returns the shards that were finished, whole or damaged since."""
        try:
            names = set(os.listdir(self.path))
            size = os.stat(self.path / ROWS).st_size
        except OSError:
            return frozenset()
        return frozenset(
            shard
            for shard in range(self.facts.shards)
            if digest_name(shard) in names and self.facts.stretch(shard)[1] <= size
        )

    def digest(self, shard: int) -> str:
        """Returns the digest that a shard had when it was written; empty if lost."""
        try:
            return (self.path / digest_name(shard)).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return ""

    def forget(self, shards: Iterable[int]) -> None:
        """Has shards computed anew when they are wanted again."""
        for shard in shards:
            (self.path / digest_name(shard)).unlink(missing_ok=True)

    def needed(self) -> int:
        """Returns the bytes that are still to be written."""
        facts = self.facts
        absent = frozenset(range(facts.shards)) - self.noted()
        return sum(len(facts.places(shard)) for shard in absent) * facts.row_bytes

    def create(self) -> None:
        """Makes the folder, and says in it what it is for."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / ROWS).touch()
        if Facts.read(self.path) is None:
            write_json(self.path / META, self.facts.as_json())

    def rows(self) -> Rows:
        """Returns all rows, mapped from disk, and notes that they were used."""
        # A folder that cannot be written can still be read.
        with contextlib.suppress(OSError):
            os.utime(self.path / META)
        shape = self.facts.images, *self.facts.shape
        path, dtype = self.path / ROWS, np.dtype(self.facts.dtype)
        # Of the plain class: a memmap makes each of its slices one more.
        return Rows(np.asarray(np.memmap(path, dtype, "r", shape=shape)))


class Writer:
    """Puts rows into an entry and notes each shard that is whole."""

    def __init__(self, entry: Entry):
        """Opens the file of rows; `close` it."""
        self.entry = entry
        entry.create()
        self._file = open(entry.path / ROWS, "r+b")
        self._digest = hashlib.sha256()

    def put(self, first: int, rows: np.ndarray) -> None:
        """Writes rows of one shard.

        Args:
            first: Place of the first row: where a shard starts, or behind the last
                row that was put.
            rows: `(rows, …)`, of the entry's dtype.
        """
        facts = self.entry.facts
        shard, content = (
            facts.shard_of(first),
            np.ascontiguousarray(rows).data.cast("B"),
        )
        places = facts.places(shard)
        assert first + len(rows) <= places.stop
        if first == places.start:
            self._digest = hashlib.sha256()
        self._digest.update(content)
        self._file.seek(first * facts.row_bytes)
        self._file.write(content)
        if first + len(rows) == places.stop:
            self._file.flush()
            path = self.entry.path / digest_name(shard)
            write_text(path, self._digest.hexdigest())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def digest_name(shard: int) -> str:
    """Returns the name of the file that holds a shard's digest."""
    return f"{shard:05d}.sha256"


def lock_of(path: Path) -> FileLock:
    """Returns the lock of an entry's folder; the file lies beside it."""
    return FileLock(path.with_suffix(LOCK))


@contextmanager
def locked(entries: Sequence[Entry]) -> Iterator[None]:
    """Keeps other processes from computing some entries; waits where one does.

    Raises:
        StorageError: If the folder cannot be written.
    """
    with ExitStack() as stack:
        # In one order everywhere, so that no two wait for one another.
        for entry in sorted(entries, key=lambda entry: entry.path):
            with storage_errors(entry.path):
                entry.path.parent.mkdir(parents=True, exist_ok=True)
                _acquire(entry)
            stack.callback(entry.lock.release)
        yield


def _acquire(entry: Entry) -> None:
    """Takes an entry's lock, and says so where it has to wait for that."""
    try:
        entry.lock.acquire(timeout=0)
    except Timeout:
        facts = entry.facts
        say(
            f"Another process computes {facts.output} of {facts.what} (view "
            f"{facts.view}): waiting for it"
        )
        entry.lock.acquire(poll_interval=SECONDS_BETWEEN_LOOKS)
