"""The cache's folder: what lies there, and how room is made."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from tl_keras.errors import StorageError, UsageError
from tl_keras.training.cache import store
from tl_keras.training.cache.entry import Entry, Facts, Writer, locked

IMAGES, ROW = 10, 100


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "prefix"


def add(folder, letter, *, used=1000, whole=True, images=IMAGES):
    """Writes an entry of 10 rows of 100 bytes."""
    facts = Facts(
        backbone="tiny",
        output="cut7",
        view=1,
        what="train",
        images=images,
        shape=(50,),
        dtype="float16",
    )
    entry = Entry(folder / (letter * 32), facts)
    writer = Writer(entry)
    writer.put(0, np.ones((images if whole else 3, 50), np.float16))
    writer.close()
    os.utime(entry.path / "meta.json", (used, used))
    return entry


def keys(folder):
    """Returns the first letters of the entries' keys."""
    return [one.key[0] for one in store.entries(folder)]


def test_entries_come_with_what_they_are_the_least_recently_used_first(folder):
    add(folder, "a", used=3000)
    add(folder, "b", used=1000)
    add(folder, "c", used=2000, whole=False)
    found = store.entries(folder)
    assert [one.key[0] for one in found] == ["b", "c", "a"]
    assert [one.complete for one in found] == [True, False, True]
    assert found[0].used.timestamp() == 1000
    assert found[0].facts.output == "cut7" and found[0].facts.images == IMAGES
    assert found[0].size > IMAGES * ROW


def test_size_is_that_of_all_files(folder):
    entry = add(folder, "a")
    expected = sum(path.stat().st_size for path in entry.path.iterdir())
    assert store.entries(folder)[0].size == expected


def test_folder_that_is_not_there_holds_no_entries(folder):
    assert store.entries(folder) == []


def test_foreign_and_damaged_things_are_no_hindrance(folder):
    add(folder, "a")
    (add(folder, "b").path / "meta.json").write_text("{")
    (add(folder, "c").path / "rows.bin").unlink()
    (folder / ("d" * 32)).mkdir()
    (folder / ("e" * 32)).write_text("a file")
    (folder / "notes").mkdir()
    (folder / ".writing-x").mkdir()
    (folder / ("f" * 32)).symlink_to(folder / "nowhere")
    found = {one.key[0]: one for one in store.entries(folder)}
    assert set(found) == {"a", "b", "c", "d"}
    assert [found[key].complete for key in "abcd"] == [True, False, False, False]
    assert found["b"].facts is None and found["d"].facts is None


def test_named_entries_are_removed_with_their_locks(folder):
    for letter in "abc":
        with locked([add(folder, letter)]):
            pass
    size = store.entries(folder)[0].size
    removed = store.remove(folder, ["a" * 32, "c" * 32, "a" * 32])
    assert removed == store.Removed(("a" * 32, "c" * 32), 2 * size, ())
    assert sorted(path.name[0] for path in folder.iterdir()) == ["b", "b"]


def test_unknown_key_is_refused_with_a_suggestion_and_nothing_is_removed(folder):
    add(folder, "a")
    with pytest.raises(UsageError, match="Unknown cache entry 'a{31}'. Did you mean"):
        store.remove(folder, ["a" * 32, "a" * 31])
    assert keys(folder) == ["a"]


def test_key_of_an_empty_cache_is_refused(folder):
    with pytest.raises(UsageError, match="'abc'. The cache is empty."):
        store.remove(folder, ["abc"])


def test_key_that_leads_out_of_the_folder_is_refused(folder):
    add(folder, "a")
    (folder.parent / "thesis").mkdir()
    with pytest.raises(UsageError, match="Unknown cache entry"):
        store.remove(folder, ["../thesis"])


def test_clearing_leaves_what_is_not_the_caches(folder):
    add(folder, "a")
    (folder / "notes").mkdir()
    (folder / ".writing-x").mkdir()
    (folder / f"{'b' * 32}.lock").touch()
    (folder / "mine.lock").touch()
    assert store.clear(folder).keys == ("a" * 32,)
    assert sorted(path.name for path in folder.iterdir()) == ["mine.lock", "notes"]


def test_entry_that_is_computed_is_left_alone_and_named(folder):
    entry = add(folder, "a")
    add(folder, "b")
    (entry.path / ".writing-x").mkdir()
    with FileLock(entry.path.with_suffix(".lock")):
        assert store.clear(folder).held == ("a" * 32,)
        assert (entry.path / ".writing-x").exists()
    assert keys(folder) == ["a"]


def test_lock_of_an_entry_that_is_about_to_be_written_is_left(folder):
    folder.mkdir()
    lock = folder / f"{'a' * 32}.lock"
    with FileLock(lock):
        store.clean(folder)
        assert lock.exists()
    store.clean(folder)
    assert not lock.exists()


@pytest.mark.parametrize(
    ("entries", "left"), [(3, "bca"), (2.5, "ca"), (2, "ca"), (1.9, "a"), (0, "")]
)
def test_pruning_removes_the_least_recently_used_until_the_rest_fits(
    folder, entries, left
):
    for letter, used in {"a": 3000, "b": 1000, "c": 2000}.items():
        add(folder, letter, used=used)
    size = store.entries(folder)[0].size
    removed = store.prune(folder, int(entries * size))
    assert "".join(keys(folder)) == left
    assert removed.size == (3 - len(left)) * size


def test_pruning_goes_on_behind_an_entry_that_is_computed(folder):
    entry = add(folder, "a", used=1000)
    add(folder, "b", used=2000), add(folder, "c", used=3000)
    size = store.entries(folder)[0].size
    with FileLock(entry.path.with_suffix(".lock")):
        removed = store.prune(folder, 2 * size)
    assert removed.held == ("a" * 32,)
    assert keys(folder) == ["a", "c"]


def test_pruning_removes_what_killed_writers_left(folder):
    entry = add(folder, "a")
    (entry.path / ".writing-x").mkdir()
    (folder / ".writing-y").mkdir()
    (folder / f"{'b' * 32}.lock").touch()
    store.prune(folder, 10**9)
    assert keys(folder) == ["a"]
    assert not list(folder.rglob(".writing-*"))
    assert not (folder / f"{'b' * 32}.lock").exists()


def test_removed_entry_is_gone_in_one_step(folder, monkeypatch):
    add(folder, "a")
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: None)
    store.remove(folder, ["a" * 32])
    assert keys(folder) == []


def test_entry_of_a_folder_that_cannot_be_written_is_named(folder, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "no")

    add(folder, "a")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match="no permission"):
        store.remove(folder, ["a" * 32])


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500MB", 500_000_000),
        ("10GB", 10**10),
        ("10GiB", 10 * 2**30),
        ("1.5 gb", 1_500_000_000),
        ("2k", 2000),
        ("7", 7),
        ("0", 0),
        ("1TiB", 2**40),
    ],
)
def test_sizes_are_read_with_their_units(text, size):
    assert store.bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "ten", "10 bananas", "1e3", "5i"])
def test_other_sizes_are_refused(text):
    with pytest.raises(UsageError, match="like 500MB, 10GB or 10GiB. Received"):
        store.bytes_of(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.50 kB"),
        (2e6, "2.00 MB"),
        (1e12, "1000.00 GB"),
    ],
)
def test_sizes_are_written_in_short(size, text):
    assert store.readable(int(size)) == text


def test_room_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert store.free_bytes(tmp_path / "a" / "b") == pytest.approx(
        shutil.disk_usage(tmp_path).free, rel=0.1
    )
    assert store.free_bytes(Path("no") / "such" / "folder") > 0
