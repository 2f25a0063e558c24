"""Files that are not those of the manifest any more."""

import os
import shutil
from pathlib import Path

import pytest

from tl_keras.datasets import unchanged
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import DataError

WHITE = (255, 255, 255)


@pytest.fixture
def copied(manifest, tmp_path):
    """Checked squares whose files may be changed; no check of them is known."""
    shutil.copytree(manifest.root, tmp_path / "squares")
    return Manifest(tmp_path / "squares", manifest.rows)


def require(manifest, tmp_path):
    unchanged.require(manifest, tmp_path / "cache", WHITE)


def test_files_that_are_as_they_were_pass(copied, tmp_path):
    require(copied, tmp_path)


def test_touched_file_passes(copied, tmp_path):
    os.utime(copied.paths[0])
    require(copied, tmp_path)


def test_removed_file_is_named(copied, tmp_path):
    Path(copied.paths[3]).unlink()
    with pytest.raises(DataError, match=rf"{copied.rows[3].path} \(removed\)\. Put"):
        require(copied, tmp_path)


def test_changed_files_are_named_and_counted(copied, tmp_path):
    for path in copied.paths[1:6]:
        shutil.copy(copied.paths[0], path)
    with pytest.raises(DataError, match=r"\(changed\) and 2 more"):
        require(copied, tmp_path)


def test_file_that_is_known_from_the_check_is_not_read(manifest, monkeypatch):
    def read(path):
        raise AssertionError(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    unchanged.require(manifest, manifest.root.parent / "cache", WHITE)


def test_images_that_were_not_checked_are_passed_over(tmp_path):
    require(Manifest(tmp_path, ()), tmp_path)
    assert not (tmp_path / "cache").exists()
