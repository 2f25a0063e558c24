"""What several processes compute together: each its own shards, then all read all."""

import contextlib
import time
from collections.abc import Callable, Sequence

from tl_keras.errors import StorageError
from tl_keras.training.cache.checksums import missing
from tl_keras.training.cache.entry import Entry, locked
from tl_keras.training.distribution.team import Team

# Network file systems show what others wrote only after a while.
SECONDS_TO_APPEAR = 60.0
SECONDS_BETWEEN_LOOKS = 0.5


def compute(entries: Sequence[Entry], team: Team, work: Callable[[], None]) -> None:
    """Computes what is missing of some entries, in all processes at once.

    A shard is of the process whose number it has, modulo how many there are: so it is
    one's alone, whenever each of them looks what is missing. The chief holds the
    entries' locks for all of them, and nobody waits for a process of the same run.

    Args:
        entries: Of all processes the same.
        team: The processes.
        work: Computes this process's share of what is missing.

    Raises:
        StorageError: If this process does not see what the others wrote.
    """
    lacking = [entry for entry, shards in zip(entries, missing(entries)) if shards]
    if team.workers == 1 and not lacking:
        return
    with locked(lacking) if team.is_chief else contextlib.nullcontext():
        team.barrier()
        work()
        team.barrier()
    if team.workers == 1:
        return
    _require_seen(entries)
    # Nobody goes on to other entries, or to damage these, before all have seen them.
    team.barrier()


def own(shards: frozenset[int], team: Team) -> frozenset[int]:
    """Returns the shards that are this process's to compute."""
    return frozenset(shard for shard in shards if shard % team.workers == team.number)


def _require_seen(entries: Sequence[Entry]) -> None:
    """Waits until all shards are seen here."""
    until = time.monotonic() + SECONDS_TO_APPEAR
    while any(missing(entries)):
        if time.monotonic() > until:
            raise StorageError(
                f"The cache in {entries[0].path.parent} lacks what the other processes "
                "computed: data.cache_dir must be a folder that all of them share."
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
