"""Copies, look-alikes, conflicts and leaks become groups and problems."""

from pathlib import Path

import pytest

from tl_keras.datasets.checking import comparing
from tl_keras.datasets.checking.comparing import Comparison, with_groups
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.split import split
from tl_keras.sections import Data


def rows(*names, **columns):
    """Returns rows of class `a` whose pixels are their names' first letters."""
    values = {name: iter(column) for name, column in columns.items()}
    return tuple(
        Row(
            **{"path": f"{name}{number}", "label": "a", "pixels": name[0] * 64}
            | {column: next(value) for column, value in values.items()}
        )
        for number, name in enumerate(names)
    )


def groups(rows, same):
    """Returns the group of each row."""
    return [row.group for row in with_groups(rows, same)]


def test_image_that_stands_alone_has_no_group():
    assert groups(rows("p", "q"), []) == ["", ""]


def test_copies_need_no_group_for_their_pixels_are_one():
    assert groups(rows("p", "q", "p"), [[0, 2]]) == ["", "", ""]


def test_look_alikes_of_one_size_are_named_for_their_smallest_pixels():
    assert groups(rows("q", "p", "z"), [[0, 1]]) == ["p" * 64] * 2 + [""]


def test_look_alikes_are_named_for_the_pixels_of_the_largest():
    sizes = {"width": [10, 30, 20], "height": [10, 30, 20]}
    assert groups(rows("p", "q", "r", **sizes), [[0, 1, 2]]) == ["q" * 64] * 3


def test_smaller_look_alike_that_is_added_follows_the_picture_that_was_there():
    old = rows("q", width=[20], height=[20])
    new = rows("q", "p", width=[20, 10], height=[20, 10])
    others = rows(*"rstuvw")

    def sides(members, same):
        manifest = Manifest(Path("/photos"), tuple(with_groups(members, same)))
        dealt = (
            split(manifest, validation=0.0, test=0.5, seed=seed) for seed in range(10)
        )
        return [one.rows[0].split for one in dealt]

    assert sides((*new, *others), [[0, 1]]) == sides((*old, *others), [])


def test_copies_of_look_alikes_are_in_the_group():
    name = "p" * 64
    assert groups(rows("p", "p", "q"), [[0, 1], [1, 2]]) == [name] * 3


def test_users_group_stays():
    assert groups(rows("p", "q", "r", group=["x", "x", "y"]), []) == ["x", "x", "y"]


def test_copy_of_a_member_joins_the_users_group():
    assert groups(rows("p", "q", "p", group=["x", "x", ""]), [[0, 2]]) == ["x"] * 3


def test_look_alikes_join_two_of_the_users_groups_under_the_smaller_name():
    members = rows("p", "q", "r", "s", group=["y", "y", "x", "x"])
    assert groups(members, [[1, 2]]) == ["x"] * 4


@pytest.mark.parametrize("near", [[], [[0, 1]]])
def test_copies_and_look_alikes_are_one_set(near):
    comparison = Comparison(copies=[[1, 2], [4, 5]], look_alikes=near)
    expected = [[0, 1, 2], [4, 5]] if near else [[1, 2], [4, 5]]
    assert comparison.same == expected


def found(rows, copies, data=None, *, near=(), multi_label=False):
    """Returns the kinds of the problems of each row that has some."""
    manifest = Manifest(Path("/"), rows, multi_label=multi_label)
    comparison = Comparison(copies=copies, look_alikes=[list(g) for g in near])
    problems = comparing.problems(manifest, comparison, data or Data())
    return {one: [p.kind for p in more] for one, more in problems.items()}


def test_picture_under_two_labels_is_a_conflict_of_every_copy():
    members = rows("p", "p", "p", "q", label="abac")
    assert found(members, [[0, 1, 2]]) == {one: ["conflict"] for one in range(3)}


def test_copies_of_one_label_are_no_conflict():
    assert found(rows("p", "p"), [[0, 1]]) == {}


def test_labels_in_another_order_are_no_conflict():
    members = rows("p", "p", label=["a|b", "b|a"])
    assert found(members, [[0, 1]], multi_label=True) == {}


SPLITS = ["train", "test", "train", "validation"]


def test_copy_of_a_test_image_is_a_leak_on_every_other_side():
    members = rows("p", "p", "p", "p", split=SPLITS)
    assert found(members, [[0, 1, 2, 3]]) == {0: ["leak"], 2: ["leak"], 3: ["leak"]}


def test_look_alike_of_a_validation_image_is_a_leak_of_the_training_image():
    members = rows("p", "q", split=["validation", "train"])
    assert found(members, [], near=[(0, 1)]) == {1: ["leak"]}


@pytest.mark.parametrize("splits", [["", ""], ["train"] * 2, ["unused", "test"]])
def test_copies_that_are_not_on_two_sides_are_no_leak(splits):
    assert found(rows("p", "p", split=splits), [[0, 1]]) == {}
