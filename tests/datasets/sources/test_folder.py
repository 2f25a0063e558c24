"""Folders: classes, splits above them, links, and what computers leave behind."""

import os

import pytest

from tl_keras.datasets.checking import check
from tl_keras.datasets.sources import folder
from tl_keras.datasets.sources.finding import find
from tl_keras.errors import DataError


def touch(root, *names):
    """Writes empty files and the folders above them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def paths(manifest):
    return [row.path for row in manifest.rows]


def splits(manifest):
    return {row.path: row.split for row in manifest.rows}


def test_every_sub_folder_is_a_class(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")
    assert find(tmp_path).counts() == {"cat": 1, "dog": 2}


def test_paths_are_relative_to_the_folder(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    assert paths(find(tmp_path)) == ["cat/1.png", "dog/1.png"]


def test_root_does_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    touch(tmp_path, "photos/cat/1.png", "photos/dog/1.png")
    monkeypatch.chdir(tmp_path)
    assert find("photos").root == (tmp_path / "photos").resolve()


def test_images_in_nested_folders_belong_to_the_class_on_top(tmp_path):
    touch(tmp_path, "cat/old/2019/1.png", "dog/1.png")
    assert find(tmp_path).counts() == {"cat": 1, "dog": 1}


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
    assert paths(find(tmp_path)) == ["cat/1.png", "dog/1.png"]


def test_order_is_natural_in_classes_and_files(tmp_path):
    touch(tmp_path, "10/1.png", "9/img10.png", "9/img9.png")
    assert paths(find(tmp_path)) == ["9/img9.png", "9/img10.png", "10/1.png"]


def test_link_to_a_folder_may_be_a_class(tmp_path):
    touch(tmp_path, "elsewhere/1.png", "photos/dog/1.png")
    (tmp_path / "photos" / "cat").symlink_to(tmp_path / "elsewhere")
    assert find(tmp_path / "photos").counts() == {"cat": 1, "dog": 1}


def test_link_to_a_folder_within_a_class_is_followed(tmp_path):
    touch(tmp_path, "elsewhere/1.png", "photos/dog/1.png", "photos/cat/2.png")
    (tmp_path / "photos/cat/more").symlink_to(tmp_path / "elsewhere")
    assert "cat/more/1.png" in paths(find(tmp_path / "photos"))


def test_link_to_a_folder_above_is_not_followed(tmp_path):
    touch(tmp_path, "cat/a/1.png", "dog/1.png")
    (tmp_path / "cat/a/again").symlink_to(tmp_path / "cat")
    assert paths(find(tmp_path)) == ["cat/a/1.png", "dog/1.png"]


def test_folders_that_link_to_each_other_are_listed_in_finite_time(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat/dogs").symlink_to(tmp_path / "dog")
    (tmp_path / "dog/cats").symlink_to(tmp_path / "cat")
    assert paths(find(tmp_path)) == [
        "cat/1.png",
        "cat/dogs/1.png",
        "dog/1.png",
        "dog/cats/1.png",
    ]


def test_link_that_is_not_followed_is_said(tmp_path, capsys):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat/again").symlink_to(tmp_path / "cat")
    find(tmp_path)
    assert "cat/again is a link to a folder that it lies in" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["missing.png", "link.png"], ids=["broken", "loop"])
def test_link_to_no_file_is_listed_for_the_check_to_name(tmp_path, target):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat/link.png").symlink_to(tmp_path / "cat" / target)
    assert "cat/link.png" in paths(find(tmp_path))


def test_link_out_of_the_folder_to_a_file_is_an_image(tmp_path):
    touch(tmp_path, "elsewhere.png", "photos/cat/1.png", "photos/dog/1.png")
    (tmp_path / "photos/cat/link.png").symlink_to(tmp_path / "elsewhere.png")
    assert "cat/link.png" in paths(find(tmp_path / "photos"))


def test_empty_class_is_named(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png", "cow/.hidden")
    with pytest.raises(DataError, match="classes without images: cow"):
        find(tmp_path)


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"], ["cat/.hidden"]], ids=str)
def test_folder_without_images_says_what_is_expected(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match="no images in sub-folders. Expected one"):
        find(tmp_path)


def test_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "cat/1.png", "dog/1.png")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("cat"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(folder.os, "scandir", closed)
    with pytest.raises(DataError, match=f"No permission to read {tmp_path}/cat"):
        find(tmp_path)


def test_file_name_that_is_no_unicode_is_refused_before_training(squares, config):
    os.rename(squares / "red" / "0.png", os.fsencode(squares) + b"/red/B\xe4r.png")
    with pytest.raises(DataError):
        check.check(find(squares), config.data).usable()


def test_folders_of_splits_give_their_images_the_split(tmp_path):
    touch(tmp_path, *(f"{s}/{c}/1.png" for s in ("train", "test") for c in "ab"))
    assert splits(find(tmp_path)) == {
        "train/a/1.png": "train",
        "train/b/1.png": "train",
        "test/a/1.png": "test",
        "test/b/1.png": "test",
    }


def test_classes_below_folders_of_splits_are_the_classes(tmp_path):
    touch(tmp_path, *(f"{s}/{c}/1.png" for s in ("train", "test") for c in "ab"))
    assert find(tmp_path).class_names == ("a", "b")


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev", "eval", "Val"])
def test_validation_has_several_names(tmp_path, name):
    touch(tmp_path, "train/a/1.png", f"{name}/a/1.png")
    assert splits(find(tmp_path))[f"{name}/a/1.png"] == "validation"


def test_folder_beside_those_of_splits_is_named(tmp_path):
    touch(tmp_path, "train/old/1.png", "test/old/1.png", "bus/1.png")
    with pytest.raises(DataError, match=r"splits \(test, train\) and other .*\(bus\)"):
        find(tmp_path)


def test_one_class_that_is_named_as_a_split_is_a_class(tmp_path):
    touch(tmp_path, "train/steam/1.png", "bus/1.png")
    assert find(tmp_path).class_names == ("bus", "train")


@pytest.mark.parametrize("name", ["loose.JPG", "train/loose.png"])
def test_images_beside_the_classes_are_named_as_left_out(tmp_path, capsys, name):
    touch(tmp_path, *(f"{s}/{c}/1.png" for s in ("train", "test") for c in "ab"))
    touch(tmp_path, name, "notes.txt")
    find(tmp_path)
    said = capsys.readouterr().err
    assert f"left out: {name}" in said and "notes" not in said


def test_classes_named_as_splits_are_classes_where_they_hold_no_folders(tmp_path):
    touch(tmp_path, "train/1.png", "test/1.png")
    assert find(tmp_path).class_names == ("test", "train")


def test_split_without_classes_is_named(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png")
    with pytest.raises(DataError, match="test has the name of a split, but no sub-fo"):
        find(tmp_path)


def test_empty_class_in_a_split_is_named(tmp_path):
    touch(tmp_path, "train/a/1.png", "test/a/1.png", "train/b/1.png", "test/b/.x")
    with pytest.raises(DataError, match="classes without images: test/b"):
        find(tmp_path)
