"""What must hold of splits and groups that a source gives."""

from pathlib import Path

import pytest

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.sources import given
from tl_keras.errors import DataError


def make(*rows, multi_label=False):
    """Returns a manifest of `(label, split)` or `(label, split, group)`."""
    names = ("label", "split", "group")
    found = [
        Row(path=f"{n}.png", **dict(zip(names, row))) for n, row in enumerate(rows)
    ]
    return Manifest(Path("/photos"), tuple(found), multi_label=multi_label)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("train", "train"), (" Dev ", "validation"), ("TEST", "test"), ("cat", None)],
)
def test_names_of_splits_are_ours_in_any_case(name, expected):
    assert given.standard_name(name) == expected


@pytest.mark.parametrize("split", ["validation", "test"])
def test_class_that_training_lacks_is_named(split):
    with pytest.raises(DataError, match=f"in {split} of classes .*none in train: b"):
        given.require_classes(make(("a", "train"), ("a", split), ("b", split)))


def test_class_that_the_test_lacks_is_named():
    with pytest.raises(DataError, match="classes without test images: b"):
        given.require_classes(make(("a", "train"), ("b", "train"), ("a", "test")))


SOUND = {
    "no splits": [("a", ""), ("b", "")],
    "all in all": [(c, s) for c in "ab" for s in ("train", "validation", "test")],
    "no test": [("a", "train"), ("b", "train"), ("a", "validation")],
    "no training": [("a", "validation"), ("b", "test")],
    "training to be dealt": [("a", ""), ("a", "test")],
}


@pytest.mark.parametrize("name", SOUND)
def test_splits_that_hold_what_they_need_are_taken(name):
    assert given.require_classes(make(*SOUND[name])) is None


def test_rare_label_of_several_may_be_missing_from_the_test():
    manifest = make(("a|b", "train"), ("a", "test"), multi_label=True)
    assert given.require_classes(manifest) is None


def test_many_classes_are_named_in_short():
    rows = [(str(n), "test") for n in range(9)] + [("a", "train")]
    with pytest.raises(DataError, match="0, 1, 2, 3, 4, …"):
        given.require_classes(make(*rows))


def test_torn_group_is_named_with_its_sides():
    manifest = make(("a", "train", "p1"), ("a", "test", "p1"), ("a", "test", "p2"))
    with pytest.raises(DataError, match="1 in all. The first: 'p1' in test and train"):
        given.require_whole_groups(manifest)


def test_group_may_hold_images_without_a_split():
    manifest = make(("a", "train", "p1"), ("a", "", "p1"), ("a", "test", "p2"))
    assert given.require_whole_groups(manifest) is None
