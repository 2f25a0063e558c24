"""What earlier checks found out, so that a file is opened again only if it changed."""

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Self

from tl_keras.datasets.checking.results import Result, Stamp
from tl_keras.errors import StorageError
from tl_keras.files import storage_errors
from tl_keras.progress import say

# Of the examination: another number examines all files anew.
VERSION = 2
FOLDER = "checks"
WHITE = (255, 255, 255)
SECONDS_BETWEEN_WRITES = 1.0
# Two checks of one folder take turns in writing.
PATIENCE_SECONDS = 60.0
TABLE = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, version TEXT, size INTEGER, mtime_ns INTEGER,
    ctime_ns INTEGER, result TEXT, thumbnail BLOB
) WITHOUT ROWID
"""
WRITE = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)"
READ = """
SELECT result FROM files
WHERE path = ? AND version = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?
"""
# May be otherwise the next time: the machine's fault as often as the file's. A bad name
# cannot be a key.
TRANSIENT = {"crash", "slow", "unreadable", "unconverted", "enormous", "bad_name"}


class Store:
    """The results of one source's files, in one SQLite file.

    A context manager: what is not written yet is written at its end.
    """

    def __init__(self, path: Path) -> None:
        """Opens a store, or makes one.

        Raises:
            StorageError: If it cannot be written.
        """
        self._path = path
        self._version = version()
        self._waiting: list[tuple] = []
        self._written = time.monotonic()
        try:
            self._database = self._open()
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from None
        except sqlite3.DatabaseError:
            self._database = self._anew()

    @classmethod
    def of(
        cls, root: Path, cache_dir: str | Path, background: tuple[int, ...] = WHITE
    ) -> Self:
        """Returns the store of a source's root folder.

        Args:
            root: The source's folder.
            cache_dir: Where stores lie.
            background: On which transparent pixels were laid: with another one, they
                are other pictures.
        """
        digest = hashlib.sha256(str(root).encode(errors="surrogateescape"))
        folder = Path(cache_dir).expanduser() / FOLDER
        digest.update(bytes(background))
        return cls(folder / f"{digest.hexdigest()[:16]}.sqlite")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            # An interrupted check keeps what it has, too.
            self._write()
        finally:
            self._database.close()

    def known(self, path: str, stamp: Stamp) -> Result | None:
        """Returns what is known of a file, unless it changed."""
        key = (path, self._version, stamp.size, stamp.mtime_ns, stamp.ctime_ns)
        with self._guarded():
            found = self._database.execute(READ, key).fetchone()
        try:
            return Result.from_json(found[0]) if found else None
        except ValueError:
            return None

    def add(self, path: str, stamp: Stamp, result: Result, thumbnail: bytes) -> None:
        """Notes what was found; it is on disk a second later."""
        if not self.holds(result):
            return
        key = (path, self._version, stamp.size, stamp.mtime_ns, stamp.ctime_ns)
        self._waiting.append((*key, result.to_json(), thumbnail))
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self._write()

    def holds(self, result: Result) -> bool:
        """Tells whether a result is one that is kept."""
        return not TRANSIENT.intersection(result.kinds)

    def last(self, path: str) -> Result:
        """Returns what was found out about a file that was just examined."""
        self._write()
        with self._guarded():
            query = "SELECT result FROM files WHERE path = ? AND version = ?"
            found = self._database.execute(query, (path, self._version)).fetchone()
        if found is None:
            return Result(problems=(("unreadable", "another check removed it"),))
        return Result.from_json(found[0])

    def thumbnails(self, paths: Iterable[str]) -> Iterator[bytes]:
        """Yields the thumbnail of each file; empty where there is none."""
        self._write()
        query = "SELECT thumbnail FROM files WHERE path = ?"
        for path in paths:
            with self._guarded():
                found = self._database.execute(query, (path,)).fetchone()
            yield found[0] if found else b""

    def _write(self) -> None:
        """Writes what is waiting, all of it or nothing."""
        rows, self._waiting = self._waiting, []
        if rows:
            with self._guarded(), self._database:
                self._database.executemany(WRITE, rows)
        self._written = time.monotonic()

    def _open(self) -> sqlite3.Connection:
        """Opens the file and makes its table."""
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=PATIENCE_SECONDS)
        try:
            # A power failure may cost the last second, which is examined again.
            database.execute("PRAGMA synchronous = NORMAL")
            with database:
                database.execute(TABLE)
                database.execute("SELECT path, thumbnail FROM files LIMIT 1")
        except BaseException:
            database.close()
            raise
        return database

    def _anew(self) -> sqlite3.Connection:
        """Replaces a damaged file."""
        say(f"The store of checks {self._path} is damaged and is made anew")
        try:
            self._path.unlink(missing_ok=True)
            self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
            return self._open()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Says in one line what is wrong with the store, and gets over damage."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from None
        except sqlite3.DatabaseError:
            self._database.close()
            self._database = self._anew()
            raise StorageError(
                f"The store of checks {self._path} was damaged and is empty now: "
                f"check again."
            ) from None

    def _unusable(self, error: Exception) -> StorageError:
        """Returns the error of a store that cannot be used."""
        return StorageError(
            f"Cannot use the store of checks {self._path} ({error}): free some space, "
            f"or choose another folder (data.cache_dir)."
        )


def version() -> str:
    """Returns what results depend on, beside the files."""
    libraries = ("tensorflow", "pillow", "imagehash")
    return "/".join([str(VERSION), *(_version_of(name) for name in libraries)])


def _version_of(library: str) -> str:
    """Returns a library's version; empty where it goes by another name."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
