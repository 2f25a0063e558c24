"""One call for every kind of source: what is taken for what, classes and groups."""

from pathlib import Path

import numpy as np
import pytest

from tl_keras.datasets import sources
from tl_keras.errors import DataError, UsageError
from tl_keras.sections import Data


def touch(folder, *names):
    """Writes empty files and the folders above them."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def groups(manifest):
    return [row.group for row in manifest.rows]


@pytest.fixture
def photos(tmp_path):
    """Two classes with pictures of two persons."""
    names = [f"{c}/{p}_{n}.png" for c in ("cat", "dog") for p in "ab" for n in (1, 2)]
    return touch(tmp_path, *names)


def test_folder_may_be_given_as_text(photos):
    assert sources.find(str(photos)) == sources.find(photos)


def test_home_folder_may_be_written_with_a_tilde(tmp_path, monkeypatch):
    touch(tmp_path, "photos/cat/1.png", "photos/dog/1.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(sources.find("~/photos").rows) == 2


def test_unknown_home_folder_is_a_usage_error():
    with pytest.raises(UsageError):
        sources.find("~no_such_user_here/photos")


def test_table_is_a_source_by_its_suffix(photos):
    (photos / "table.CSV").write_text("path,label\ncat/a_1.png,x\ndog/a_1.png,y\n")
    assert sources.find(photos / "table.CSV").class_names == ("x", "y")


def test_file_is_no_source(tmp_path):
    with pytest.raises(UsageError, match="is a file, and no table .*Give the folder"):
        sources.find(touch(tmp_path, "a.zip") / "a.zip")


def test_unknown_source_is_answered_with_the_built_in_ones():
    with pytest.raises(UsageError) as error:
        sources.find("twemojis")
    assert str(error.value) == (
        "Source 'twemojis' is no folder, no table and no built-in source. "
        "Did you mean 'twemoji'? Known: digits, mnist5k, twemoji."
    )


def test_folder_comes_before_a_built_in_source(tmp_path, monkeypatch):
    touch(tmp_path, "twemoji/cat/1.png", "twemoji/dog/1.png")
    monkeypatch.chdir(tmp_path)
    assert sources.find("twemoji").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("photos/x", "photos/x"),
        (Path("photos"), "photos"),
        ((np.zeros(1), np.zeros(1)), "arrays"),
        ({"images": np.zeros(1)}, "arrays"),
    ],
    ids=["text", "path", "tuple", "dict"],
)
def test_title_is_short_whatever_the_source_is(source, expected):
    assert sources.title(source) == expected


def test_one_class_is_refused_for_training(tmp_path):
    manifest = sources.find(touch(tmp_path, "cat/1.png", "cat/2.png"))
    with pytest.raises(DataError, match="one class, 'cat'"):
        sources.require_two_classes(manifest)


def test_two_classes_are_enough_for_training(tmp_path):
    manifest = sources.find(touch(tmp_path, "cat/1.png", "dog/2.png"))
    assert sources.require_two_classes(manifest) is None


def test_classes_are_in_natural_order(tmp_path):
    touch(tmp_path, "10/1.png", "9/1.png")
    assert sources.find(tmp_path).class_names == ("9", "10")


def test_classes_are_in_the_order_that_is_given(photos):
    found = sources.find(photos, Data(classes=("dog", "cat")))
    assert found.class_names == ("dog", "cat")


def test_class_that_is_not_among_the_given_ones_is_named(photos):
    with pytest.raises(DataError, match="Not among them: dog"):
        sources.find(photos, Data(classes=("cat",)))


def test_given_class_without_images_is_named(photos):
    with pytest.raises(DataError, match="Without images: Cow, ant"):
        sources.find(photos, Data(classes=("cat", "Cow", "dog", "ant")))


def test_group_is_the_first_group_of_the_pattern(photos):
    found = sources.find(photos, Data(group_by=r"/([ab])_"))
    assert groups(found) == ["a", "a", "b", "b"] * 2


def test_group_is_the_whole_match_of_a_pattern_without_groups(photos):
    found = sources.find(photos, Data(group_by=r"[ab]_"))
    assert groups(found) == ["a_", "a_", "b_", "b_"] * 2


def test_path_in_which_the_pattern_is_not_found_is_named_with_their_number(photos):
    with pytest.raises(DataError, match="nothing in 4 of 8 .*first: 'cat/b_1.png'"):
        sources.find(photos, Data(group_by=r"/(a)_"))


def test_empty_group_is_no_group(photos):
    with pytest.raises(DataError, match="nothing in 4 of 8"):
        sources.find(photos, Data(group_by=r"/(a?)"))


def test_pattern_that_is_none_is_a_usage_error(photos):
    with pytest.raises(UsageError, match=r"data.group_by.*Received: '\(a'"):
        sources.find(photos, Data(group_by="(a"))


def test_groups_of_a_table_and_of_a_pattern_are_too_many(photos):
    (photos / "t.csv").write_text("path,label,group\ncat/a_1.png,x,g\n")
    with pytest.raises(UsageError, match="a column of groups"):
        sources.find(photos / "t.csv", Data(group_by="a"))


def test_class_that_training_never_sees_is_named(tmp_path):
    touch(tmp_path, "train/cat/1.png", "test/cat/1.png", "test/dog/1.png")
    with pytest.raises(DataError, match="in test of classes .* none in train: dog"):
        sources.find(tmp_path)


def test_group_on_both_sides_of_given_splits_is_named(tmp_path):
    touch(tmp_path, "train/cat/a1.png", "test/cat/a2.png")
    with pytest.raises(DataError, match="'a' in test and train"):
        sources.find(tmp_path, Data(group_by="/([ab])[0-9]"))


def test_class_without_test_images_is_fine_where_nothing_is_trained(tmp_path):
    touch(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/1.png")
    assert len(sources.find(tmp_path, training=False).rows) == 3


def test_class_without_images_is_fine_where_nothing_is_trained(tmp_path):
    images = np.zeros((2, 4, 4), np.uint8)
    source = {"images": images, "labels": [0, 1], "class_names": ["a", "b", "c"]}
    data = Data(cache_dir=str(tmp_path))
    manifest = sources.find(source, data, training=False)
    assert manifest.class_names == ("a", "b", "c")
