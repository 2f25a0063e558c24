"""Several processes compute an entry together: each its shards, none in vain."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from tl_keras.errors import StorageError
from tl_keras.training.cache import entry, together
from tl_keras.training.cache.checksums import missing
from tl_keras.training.cache.entry import Entry, Facts, Writer


@dataclass
class Process:
    """One of three processes; at a barrier the others do what they are given."""

    number: int
    workers: int = 3
    others: list = field(default_factory=list)

    @property
    def is_chief(self):
        return self.number == 0

    def barrier(self):
        if self.others:
            self.others.pop(0)()


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(entry, "SHARD", 4)
    monkeypatch.setattr(together, "SECONDS_TO_APPEAR", 0.0)
    monkeypatch.setattr(together, "SECONDS_BETWEEN_LOOKS", 0.0)
    facts = Facts(
        backbone="tiny",
        output="avg",
        view=0,
        what="train",
        images=18,
        shape=(2,),
        dtype="float32",
    )
    return Entry(tmp_path / ("0" * 32), facts)


def write(kept, shards):
    writer = Writer(kept)
    for shard in sorted(shards):
        places = kept.facts.places(shard)
        rows = np.array([[place, place] for place in places], np.float32)
        writer.put(places.start, rows)
    writer.close()


def share(kept, number):
    (lacking,) = missing([kept])
    write(kept, together.own(lacking, Process(number)))


def test_every_shard_is_one_processs_own():
    shards = frozenset(range(7))
    parts = [together.own(shards, Process(number)) for number in range(3)]
    assert frozenset().union(*parts) == shards
    assert sum(map(len, parts)) == len(shards)


def test_shards_stay_ones_own_where_others_are_done():
    assert together.own(frozenset({1, 2, 4}), Process(1)) == {1, 4}


@pytest.mark.parametrize("number", [0, 1])
def test_all_rows_are_there_when_all_processes_are_done(kept, number):
    others = [one for one in range(3) if one != number]
    process = Process(
        number,
        others=[lambda: share(kept, others[0]), lambda: share(kept, others[1])],
    )
    together.compute([kept], process, lambda: share(kept, number))
    assert not any(missing([kept]))
    rows = np.asarray(kept.rows()[:])
    np.testing.assert_array_equal(rows[:, 0], np.arange(18))


def test_chief_alone_holds_the_lock(kept):
    held = []

    def look(process):
        together.compute([kept], process, lambda: held.append(kept.lock.is_locked))

    write(kept, {1, 2, 4})
    for number in (0, 1):
        with pytest.raises(StorageError):
            look(Process(number))
    assert held == [True, False]


def test_folder_that_is_not_shared_is_named(kept):
    with pytest.raises(StorageError, match="data.cache_dir must be a folder that all"):
        together.compute([kept], Process(1), lambda: share(kept, 1))


def test_one_process_takes_no_lock_where_nothing_lacks(kept):
    write(kept, range(5))
    alone = Process(0, workers=1)
    together.compute([kept], alone, lambda: pytest.fail("nothing is missing"))
