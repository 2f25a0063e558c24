"""A check's findings are counted and sorted rightly."""

import json
from dataclasses import replace
from pathlib import Path

import messy_folder
import pytest

from tl_keras.datasets.checking.findings import Facts, Findings, Problem
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.report.overview import Spread, sum_up, what


def problem(path, policy, kind="empty", label="cat"):
    reason = "the file is empty: copy it again"
    return Problem(path=path, label=label, kind=kind, reason=reason, policy=policy)


def row(path, label="cat", **more):
    return Row(path=path, label=label, width=30, height=20, **more)


def find(*problems, rows=("a", "b", "c"), **more):
    """Returns the overview of three images and some problems."""
    rows = [one if isinstance(one, Row) else row(one) for one in rows]
    manifest = Manifest(Path(), tuple(rows), multi_label=more.pop("multi_label", False))
    chosen = {key: more.pop(key) for key in ("split", "refused") if key in more}
    total = more.pop("total", len(rows) + len(problems))
    found = Findings(manifest=manifest, total=total, problems=problems, **more)
    return sum_up(found, source="photos", kinds=messy_folder.KINDS, **chosen)


def test_images_without_problems_are_sound():
    found = find()
    assert found.sound and found.verdict == "All 3 images can be used."


def test_an_error_makes_the_images_unsound():
    found = find(problem("x", "error"), problem("y", "skip"))
    assert not found.sound
    assert found.verdict == "1 of 5 files cannot be used as they are."


def test_verdict_counts_what_is_left_out():
    found = find(problem("x", "skip"), problem("a", "warn"), total=4)
    said = "3 of 4 images can be used: 1 left out, 1 with a warning."
    assert found.sound and found.verdict == said


def test_images_that_cannot_be_split_are_unsound():
    found = find(refused="Class 'cat' has 3 images.")
    assert not found.sound and "Class 'cat' has 3 images." in found.verdict


def test_no_image_at_all_is_unsound():
    found = find(problem("x", "skip"), rows=())
    assert not found.sound and "no image" in found.verdict


def test_two_problems_of_a_file_are_one_file():
    found = find(problem("a", "warn"), problem("a", "warn", "tiny"), total=3)
    assert found.policies == {"error": 0, "skip": 0, "convert": 0, "warn": 1}


def test_file_counts_by_the_strictest_policy_of_its_problems():
    found = find(problem("x", "convert"), problem("x", "error", "damaged"))
    assert (found.policies["error"], found.policies["convert"]) == (1, 0)


def test_worst_and_most_frequent_problems_come_first():
    found = find(
        problem("a", "warn", "tiny"),
        problem("b", "skip"),
        problem("c", "skip", "damaged"),
        problem("d", "skip", "damaged"),
        problem("e", "error"),
    )
    order = [(one.kind, one.policy) for one in found.problems]
    assert order == [
        ("empty", "error"),
        ("damaged", "skip"),
        ("empty", "skip"),
        ("tiny", "warn"),
    ]


def test_reason_does_not_repeat_the_cure():
    (found,) = find(problem("a", "warn")).problems
    assert found.files[0].reason == "the file is empty" and found.cure


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("damaged", "damaged"),
        ("extreme_shape", "extreme shape"),
        ("not_image", "not an image but …"),
        ("empty", "the file is empty"),
    ],
)
def test_kind_is_described_without_a_file(name, said):
    assert what(name, messy_folder.KINDS[name]) == said


def test_classes_are_counted_by_split():
    rows = [row("a", split="train"), row("b", split="test"), row("c", split="train")]
    (found,) = find(rows=rows).classes
    assert (found.images, found.splits) == (3, {"train": 2, "test": 1})


def test_class_that_lost_all_its_images_is_still_listed():
    found = find(problem("x", "skip", label="dog"))
    assert [(one.name, one.images, one.lost) for one in found.classes] == [
        ("cat", 3, 0),
        ("dog", 0, 1),
    ]


def test_image_of_several_labels_counts_for_each():
    found = find(rows=[row("a", "cat|dog"), row("b", "dog")], multi_label=True)
    assert {one.name: one.images for one in found.classes} == {"cat": 1, "dog": 2}


def test_imbalance_is_largest_to_smallest_class():
    rows = [row("a"), row("b"), row("c"), row("d", "dog")]
    assert find(rows=rows).imbalance == 3


def test_imbalance_is_unknown_where_a_class_is_empty():
    assert find(problem("x", "skip", label="dog")).imbalance is None


def test_members_of_a_group_have_their_label_and_split():
    rows = [row("a", split="test"), row("b", "dog", split="test")]
    ((first, second),) = find(rows=rows, conflicts=(("a", "b"),)).conflicts
    assert (first.label, second.label, second.split) == ("cat", "dog", "test")


def test_member_that_is_left_out_still_has_its_label():
    found = find(problem("x", "skip", label="dog"), conflicts=(("a", "x"),))
    assert [one.label for one in found.conflicts[0]] == ["cat", "dog"]


def test_conflict_is_not_shown_among_the_copies_again():
    found = find(conflicts=(("a", "b"),), copies=(("a", "b"), ("c", "d")))
    assert [[one.path for one in group] for group in found.copies] == [["c", "d"]]


def test_sizes_are_least_median_and_most():
    rows = [replace(row("a"), width=side) for side in (10, 40, 20)]
    assert find(rows=rows).sizes["width"] == Spread(least=10, median=20, most=40)


def test_traits_are_read_from_the_facts():
    facts = {
        "a": Facts(format="JPEG", mode="CMYK", orientation=6),
        "b": Facts(format="GIF", mode="P", frames=3, transparent=True),
    }
    found = find(facts=facts)
    assert found.traits == dict(rotated=1, transparent=1, cmyk=1, gray=0, animated=1)


def test_json_holds_every_file_whatever_its_name():
    found = json.loads(json.dumps(find(problem("x\udcff", "skip")).as_json()))
    assert found["problems"][0]["files"][0]["path"] == "x\udcff"
