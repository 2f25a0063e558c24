"""Whole files or none, and clear words for a full or closed disk."""

import errno
import json
import os
import shutil

import pytest

from tl_keras import files
from tl_keras.errors import StorageError


def names(folder):
    """Returns everything that lies in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old_folder(tmp_path):
    """A folder that a test replaces, alone in its parent."""
    folder = tmp_path / "parent" / "model"
    folder.mkdir(parents=True)
    (folder / "old.txt").write_text("old")
    return folder


def test_new_content_is_there_after_the_block(tmp_path):
    with files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_nothing_but_the_file_is_left_after_the_block(tmp_path):
    with files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == ["a.txt"]


def test_old_content_is_readable_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_old_content_stays_where_the_block_fails(tmp_path, failure):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(failure), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_where_the_block_fails(tmp_path, failure):
    with pytest.raises(failure), files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise failure
    assert names(tmp_path) == []


def test_temporary_name_keeps_the_suffix(tmp_path):
    with files.replacing(tmp_path / "a.weights.h5") as temporary:
        temporary.write_text("new")
        assert temporary.name == "a.weights.h5"


def test_parent_folders_are_made(tmp_path):
    files.write_text(tmp_path / "a" / "b" / "c.txt", "new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


def test_folder_is_replaced_as_a_whole(old_folder):
    with files.replacing(old_folder) as temporary:
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
    assert names(old_folder) == ["new.txt"]


def test_nothing_of_the_old_folder_is_left_beside_the_new_one(old_folder):
    with files.replacing(old_folder) as temporary:
        temporary.mkdir()
    assert names(old_folder.parent) == ["model"]


def test_old_folder_stays_where_the_block_fails(old_folder):
    with pytest.raises(ValueError), files.replacing(old_folder) as temporary:
        temporary.mkdir()
        raise ValueError
    assert names(old_folder) == ["old.txt"]


def test_old_folder_stays_where_the_block_wrote_nothing(old_folder):
    with pytest.raises(OSError), files.replacing(old_folder):
        pass
    assert names(old_folder) == ["old.txt"]


def test_old_folder_stays_where_the_last_rename_fails(old_folder, monkeypatch):
    rename = os.replace

    def refuse_the_new_one(source, target):
        if os.fspath(target) == os.fspath(old_folder) and ".old" not in str(source):
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse_the_new_one)
    with pytest.raises(OSError), files.replacing(old_folder) as temporary:
        temporary.mkdir()
    assert names(old_folder) == ["old.txt"]


def test_folder_gives_way_to_a_file(old_folder):
    files.write_text(old_folder, "new")
    assert old_folder.read_text() == "new"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "no permission"),
        (errno.EPERM, "no permission"),
        (errno.EROFS, "read-only"),
    ],
)
def test_closed_or_full_disk_is_said_in_one_line_with_the_path(tmp_path, number, words):
    path = tmp_path / "a.txt"
    with pytest.raises(StorageError, match=f"Cannot write {path}.*{words}"):
        with files.replacing(path):
            raise OSError(number, os.strerror(number))


def test_full_disk_that_hdf5_reports_in_words_is_said_in_one_line(tmp_path):
    with pytest.raises(StorageError, match="disk is full"):
        with files.replacing(tmp_path / "a.weights.h5"):
            raise OSError("Can't write data (errno = 28, error message = '...')")


def test_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(StorageError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"


def test_folder_that_takes_no_files_is_a_storage_error(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkdtemp", refuse)
    with pytest.raises(StorageError, match="no permission"):
        files.write_text(tmp_path / "a.txt", "new")


@pytest.mark.parametrize("below", ["b.txt", "c/b.txt"])
def test_path_through_a_file_is_a_storage_error(tmp_path, below):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(StorageError, match="part of the path is a file"):
        files.write_text(tmp_path / "a" / below, "new")


def test_other_system_errors_keep_their_kind(tmp_path):
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a.txt"):
        (tmp_path / "nowhere").read_text()


def test_text_is_written_as_utf_8_with_its_own_line_ends(tmp_path):
    files.write_text(tmp_path / "a.txt", "Bär\r\n…\n")
    assert (tmp_path / "a.txt").read_bytes() == "Bär\r\n…\n".encode()


def test_json_survives(tmp_path):
    value = {"größe": [1, 2.5, None, "…"]}
    files.write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, 1)
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    assert path.read_text() == "1\n"


def test_enough_space_is_no_error(tmp_path):
    assert files.require_space(tmp_path, 1, "The cache") is None


def test_too_little_space_is_said_with_both_numbers(tmp_path, monkeypatch):
    usage = shutil._ntuple_diskusage(total=10, used=9, free=1_500_000_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match=r"The cache needs 2\.00 GB .* 1\.50 GB"):
        files.require_space(tmp_path, 2_000_000_000, "The cache")


def test_interrupt_between_the_renames_brings_the_old_folder_back(
    old_folder, monkeypatch
):
    replace = os.replace

    def interrupt(source, target):
        replace(source, target)
        if source == old_folder:
            raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt), files.replacing(old_folder) as temporary:
        temporary.mkdir()
    assert names(old_folder) == ["old.txt"]


def killed_between_the_renames(folder):
    """Leaves what a killed process leaves that has moved an old folder aside."""
    holder = folder.parent / ".writing-x"
    (holder / folder.name).mkdir(parents=True)
    folder.rename(holder / f".old-{folder.name}")


def test_folder_that_had_stepped_aside_comes_back(old_folder):
    killed_between_the_renames(old_folder)
    files.recover(old_folder)
    assert names(old_folder) == ["old.txt"]
    assert names(old_folder.parent) == ["model"]


def test_old_folder_goes_where_the_new_one_had_come(old_folder):
    killed_between_the_renames(old_folder)
    shutil.move(old_folder.parent / ".writing-x" / "model", old_folder)
    files.recover(old_folder)
    assert names(old_folder) == [] and names(old_folder.parent) == ["model"]


def test_half_written_files_go_and_those_of_others_stay(old_folder):
    (old_folder / "logs" / ".writing-y").mkdir(parents=True)
    (old_folder.parent / ".writing-z").mkdir()
    files.recover(old_folder)
    assert names(old_folder / "logs") == []
    assert ".writing-z" in names(old_folder.parent)
