"""Whether what lies in the cache is what was written there."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from tl_keras.progress import track
from tl_keras.training.cache.entry import ROWS, Entry

THREADS = 2
CHUNK = 1 << 20
# From here on it takes seconds, and says how far it is.
LONG = 1 << 30


def missing(entries: Sequence[Entry]) -> list[frozenset[int]]:
    """Returns of each entry the shards that are not there, or are damaged.

    All that is there is read, once a process: what has not changed since is known.
    """
    noted = [(entry, shard) for entry in entries for shard in sorted(entry.noted())]
    amount = sum(
        entry.facts.row_bytes * len(entry.facts.places(shard)) for entry, shard in noted
    )
    with ThreadPoolExecutor(THREADS) as pool:
        # Hashing leaves the interpreter to the other thread.
        found = pool.map(lambda one: _is_whole(*one), noted)
        if amount > LONG:
            found = track(found, "Checking the cache", len(noted))
        # In this order, so that the progress gets to its end.
        whole = {one for sound, one in zip(found, noted) if sound}
    return [
        frozenset(
            shard for shard in range(entry.facts.shards) if (entry, shard) not in whole
        )
        for entry in entries
    ]


def _is_whole(entry: Entry, shard: int) -> bool:
    """Tells whether the rows of a shard are those that were written."""
    path = entry.path / ROWS
    try:
        state = os.stat(path)
        stamp = state.st_ino, state.st_size, state.st_mtime_ns
        found = _digest(path, stamp, *entry.facts.stretch(shard))
    except OSError:
        return False
    return found == entry.digest(shard)


@lru_cache(maxsize=1 << 16)
def _digest(path: Path, stamp: tuple[int, ...], first: int, end: int) -> str:
    """Returns the digest of some bytes of a file in the state of `stamp`."""
    digest = hashlib.sha256()
    # Not mapped: the end of a file that is cut off meanwhile would end the process.
    with open(path, "rb") as file:
        file.seek(first)
        for start in range(first, end, CHUNK):
            digest.update(file.read(min(CHUNK, end - start)))
    return digest.hexdigest()
