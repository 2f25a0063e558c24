"""What is known of a file stays known until the file changes."""

import multiprocessing
import os
import sqlite3
from dataclasses import replace

import pytest

from tl_keras.datasets.checking import store as store_module
from tl_keras.datasets.checking.findings import Facts
from tl_keras.datasets.checking.results import Result, Stamp
from tl_keras.datasets.checking.store import Store
from tl_keras.errors import StorageError

STAMP = Stamp(10, 20, 30)
RESULT = Result(
    sha256="ab",
    pixels="cd",
    width=3,
    height=4,
    phash=2**64 - 1,
    facts=Facts(format="JPEG", mode="RGB", orientation=6, bytes=10),
    problems=(("tiny", "3x4"),),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checks" / "some.sqlite"


def filled(path):
    """Writes one file's result."""
    with Store(path) as store:
        store.add("a.jpg", STAMP, RESULT, b"thumb")


def test_result_comes_back_as_it_was(path):
    filled(path)
    with Store(path) as store:
        assert store.known("a.jpg", STAMP) == RESULT


def test_thumbnail_comes_back_and_is_empty_for_what_is_not_known(path):
    filled(path)
    with Store(path) as store:
        assert list(store.thumbnails(["a.jpg", "b.jpg"])) == [b"thumb", b""]


def test_thumbnail_that_waits_to_be_written_is_found(path):
    with Store(path) as store:
        store.add("a.jpg", STAMP, RESULT, b"thumb")
        assert list(store.thumbnails(["a.jpg"])) == [b"thumb"]


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns"])
def test_changed_file_is_not_known(path, field):
    filled(path)
    with Store(path) as store:
        assert store.known("a.jpg", replace(STAMP, **{field: 99})) is None


def test_other_decoder_knows_nothing(path, monkeypatch):
    filled(path)
    monkeypatch.setattr(store_module, "VERSION", -1)
    with Store(path) as store:
        assert store.known("a.jpg", STAMP) is None


@pytest.mark.parametrize("kind", ["crash", "slow", "unreadable", "unconverted"])
def test_what_may_be_otherwise_next_time_is_not_kept(path, kind):
    with Store(path) as store:
        store.add("a.jpg", STAMP, Result(problems=((kind, ""),)), b"")
    with Store(path) as store:
        assert store.known("a.jpg", STAMP) is None


def test_results_are_written_while_the_check_goes_on(path, monkeypatch):
    monkeypatch.setattr(store_module, "SECONDS_BETWEEN_WRITES", 0)
    with Store(path) as store:
        store.add("a.jpg", STAMP, RESULT, b"")
        with Store(path) as other:
            assert other.known("a.jpg", STAMP) == RESULT


def test_interrupted_check_keeps_what_it_found(path):
    with pytest.raises(KeyboardInterrupt), Store(path) as store:
        store.add("a.jpg", STAMP, RESULT, b"")
        raise KeyboardInterrupt
    with Store(path) as store:
        assert store.known("a.jpg", STAMP) == RESULT


@pytest.mark.parametrize("content", [b"no database" * 500, b"SQLite format 3\0" * 99])
def test_damaged_store_is_made_anew_and_that_is_said(path, content, capsys):
    path.parent.mkdir()
    path.write_bytes(content)
    filled(path)
    assert "is damaged and is made anew" in capsys.readouterr().err


def test_damaged_store_works_once_it_is_made_anew(path):
    path.parent.mkdir()
    path.write_bytes(b"no database" * 500)
    filled(path)
    with Store(path) as store:
        assert store.known("a.jpg", STAMP) == RESULT


def test_damaged_result_is_not_known(path):
    filled(path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE files SET result = '{}'")
    database.close()
    with Store(path) as store:
        assert store.known("a.jpg", STAMP) is None


def test_cache_folder_that_is_a_file_is_told_with_the_cure(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="choose another folder"):
        Store.of(tmp_path, tmp_path / "file")


def test_store_that_cannot_be_opened_is_told_with_the_cure(path):
    path.mkdir(parents=True)
    with pytest.raises(StorageError, match=r"another folder \(data.cache_dir\)"):
        Store(path)


def test_two_folders_have_two_stores(tmp_path):
    for name in ("one", "other"):
        with Store.of(tmp_path / name, tmp_path) as store:
            store.add(f"{name}.jpg", STAMP, RESULT, b"")
    assert len(os.listdir(tmp_path / "checks")) == 2


def write_many(path, name):
    """Writes results one by one, as fast as can be."""
    store_module.SECONDS_BETWEEN_WRITES = 0
    with Store(path) as store:
        for number in range(50):
            store.add(f"{name}{number}", STAMP, RESULT, bytes(768))


def test_two_processes_write_at_once(path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with Store(path) as store:
        known = [store.known(f"{name}{n}", STAMP) for name in "ab" for n in range(50)]
    assert None not in known


def test_last_result_is_read_back_before_it_is_written(path):
    with Store(path) as store:
        store.add("a.png", STAMP, RESULT, b"")
        assert store.last("a.png") == RESULT


def test_result_that_another_check_removed_is_no_picture(path):
    with Store(path) as store:
        assert store.last("gone.png").kinds == ("unreadable",)
