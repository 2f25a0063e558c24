"""Entries of the cache: whole after any end, and damage in them is found."""

import fcntl
import json
import os
import shutil

import numpy as np
import pytest
from filelock import FileLock

from tl_keras.training.cache import entry as entries
from tl_keras.training.cache.checksums import missing
from tl_keras.training.cache.entry import Entry, Facts, Writer, locked

IMAGES, SHARD = 18, 4
RANDOM = np.random.default_rng(0)
ARRAY = RANDOM.normal(size=(IMAGES, 2, 3)).astype(np.float16)
ROW = ARRAY[0].nbytes


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Makes five shards of the 18 images."""
    monkeypatch.setattr(entries, "SHARD", SHARD)


@pytest.fixture
def entry(tmp_path):
    facts = Facts(
        backbone="tiny",
        output="cut7",
        view=1,
        what="train",
        images=IMAGES,
        shape=(2, 3),
        dtype="float16",
    )
    return Entry(tmp_path / "prefix" / ("0" * 32), facts)


def write(entry, shards=range(5), batch=2):
    """Writes some shards."""
    writer = Writer(entry)
    for shard in shards:
        places = entry.facts.places(shard)
        for start in range(places.start, places.stop, batch):
            writer.put(start, ARRAY[start : min(start + batch, places.stop)])
    writer.close()


def lacking(entry):
    """Returns the shards that are to be computed."""
    (shards,) = missing([entry])
    return sorted(shards)


def test_whole_entry_lacks_nothing_and_gives_its_rows(entry):
    write(entry)
    assert lacking(entry) == []
    np.testing.assert_array_equal(entry.rows(), ARRAY)


def test_rows_are_mapped_and_not_read(entry):
    write(entry)
    assert isinstance(entry.rows().array.base, np.memmap)


def test_entry_holds_one_open_file_whatever_its_shards(entry):
    write(entry)
    before = len(os.listdir("/proc/self/fd"))
    rows = entry.rows()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(rows) == IMAGES


def test_entry_that_is_not_there_lacks_everything(entry):
    assert lacking(entry) == [0, 1, 2, 3, 4]
    assert entry.needed() == IMAGES * ROW


def test_only_the_missing_rows_need_room(entry):
    write(entry, [0, 4, 2])
    assert lacking(entry) == [1, 3]
    assert entry.needed() == 2 * SHARD * ROW


def test_shard_that_was_begun_does_not_count(entry):
    writer = Writer(entry)
    writer.put(0, ARRAY[:4])
    writer.put(4, ARRAY[4:7])
    writer.close()
    assert lacking(entry) == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [0, 1, ROW, 6 * ROW - 1, 16 * ROW, IMAGES * ROW - 1])
def test_cut_off_file_lacks_the_shards_behind_the_cut_and_the_one_it_is_in(entry, size):
    write(entry)
    os.truncate(entry.path / "rows.bin", size)
    whole = size // (SHARD * ROW)
    assert lacking(entry) == list(range(whole, 5))
    assert entry.needed() == (IMAGES - whole * SHARD) * ROW


@pytest.mark.parametrize("place", [0, SHARD * ROW, 7 * ROW + 5, IMAGES * ROW - 1])
def test_changed_bit_makes_its_shard_missing_and_no_other(entry, place):
    write(entry)
    content = bytearray((entry.path / "rows.bin").read_bytes())
    content[place] ^= 1
    (entry.path / "rows.bin").write_bytes(content)
    assert lacking(entry) == [place // (SHARD * ROW)]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe garbage", b"0" * 64], ids=str)
def test_garbage_in_the_place_of_a_digest_makes_its_shard_missing(entry, content):
    write(entry)
    (entry.path / "00002.sha256").write_bytes(content)
    assert lacking(entry) == [2]


def test_damaged_shard_is_mended_in_its_place(entry):
    write(entry)
    content = (entry.path / "rows.bin").read_bytes()
    (entry.path / "rows.bin").write_bytes(content[:50] + b"????" + content[54:])
    damaged = lacking(entry)
    write(entry, damaged, batch=1)
    assert damaged == [1] and lacking(entry) == []
    assert (entry.path / "rows.bin").read_bytes() == content


def test_damage_is_seen_after_the_same_process_has_checked_the_entry(entry):
    write(entry)
    assert lacking(entry) == []
    with open(entry.path / "rows.bin", "r+b") as file:
        file.write(b"????")
    os.utime(entry.path / "rows.bin", ns=(1, 1))
    assert lacking(entry) == [0]


def test_unchanged_file_is_read_once_a_process(entry, monkeypatch):
    write(entry)
    lacking(entry)
    monkeypatch.setattr("builtins.open", None)
    assert lacking(entry) == []


def test_long_check_says_how_far_it_is(entry, monkeypatch, capsys):
    monkeypatch.setattr("tl_keras.training.cache.checksums.LONG", IMAGES * ROW - 1)
    write(entry)
    assert lacking(entry) == []
    assert "Checking the cache: 5 of 5" in capsys.readouterr().err


def test_whole_shard_is_followed_by_its_digest_and_not_the_other_way_round(
    entry, monkeypatch
):
    def stop(path, text):
        content = (entry.path / "rows.bin").read_bytes()
        assert content == ARRAY[:SHARD].tobytes()
        raise KeyboardInterrupt

    monkeypatch.setattr(entries, "write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        write(entry)
    assert lacking(entry) == [0, 1, 2, 3, 4]


def test_facts_lie_in_the_folder(entry):
    write(entry)
    assert Facts.read(entry.path) == entry.facts
    written = json.loads((entry.path / "meta.json").read_text())
    assert written["bytes"] == IMAGES * ROW and written["shape"] == [2, 3]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"bytes": 1}'],
)
def test_garbage_is_no_facts(entry, text):
    entry.create()
    (entry.path / "meta.json").write_text(text)
    assert Facts.read(entry.path) is None


@pytest.mark.parametrize(
    "change", [{"images": "many"}, {"dtype": "colour"}, {"shape": "x"}, {"more": 1}]
)
def test_facts_of_the_wrong_kind_are_none(entry, change):
    entry.create()
    facts = json.loads((entry.path / "meta.json").read_text())
    (entry.path / "meta.json").write_text(json.dumps(facts | change))
    assert Facts.read(entry.path) is None


def test_damaged_facts_are_written_anew_with_the_next_shard(entry):
    write(entry, [0])
    (entry.path / "meta.json").write_text("{")
    write(entry, [1])
    assert Facts.read(entry.path) == entry.facts


def test_reading_notes_when_the_entry_was_used(entry):
    write(entry)
    os.utime(entry.path / "meta.json", (1, 1))
    entry.rows()
    assert (entry.path / "meta.json").stat().st_mtime > 1_000_000


def test_entry_is_read_where_its_use_cannot_be_noted(entry, monkeypatch):
    def refuse(path):
        raise PermissionError

    write(entry)
    monkeypatch.setattr(os, "utime", refuse)
    np.testing.assert_array_equal(entry.rows(), ARRAY)


def test_rows_stay_readable_when_the_entry_is_removed(entry):
    write(entry)
    rows = entry.rows()
    shutil.rmtree(entry.path)
    np.testing.assert_array_equal(rows, ARRAY)


def test_entry_is_locked_while_it_is_computed_and_free_afterwards(entry):
    other = FileLock(entry.path.with_suffix(".lock"))
    with locked([entry]):
        with pytest.raises(TimeoutError):
            other.acquire(timeout=0)
    with other.acquire(timeout=0):
        pass


def test_entry_is_free_after_a_failure(entry):
    with pytest.raises(KeyboardInterrupt), locked([entry]):
        raise KeyboardInterrupt
    with FileLock(entry.path.with_suffix(".lock")).acquire(timeout=0):
        pass


def test_who_waits_says_so_and_can_be_interrupted(entry, monkeypatch, capsys):
    def interrupt(seconds):
        raise KeyboardInterrupt

    entry.path.parent.mkdir()
    # As another process would: this one's own lock is refused, not waited for.
    with open(entry.path.with_suffix(".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        monkeypatch.setattr("time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt), locked([entry]):
            pass
    said = "Another process computes cut7 of train (view 1): waiting for it"
    assert said in capsys.readouterr().err
