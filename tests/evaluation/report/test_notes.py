"""What is odd about a run's images is said, with numbers and names."""

from pathlib import Path

import pytest

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.evaluation.report.notes import of_images


def rows(label, many, split="train", **more):
    return [
        Row(path=f"{label}/{n}.png", label=label, pixels=f"{label}{n}", split=split)
        if not more
        else Row(path=f"{label}/{n}.png", label=label, split=split, **more)
        for n in range(many)
    ]


def noted(*groups, bad_files="error"):
    manifest = Manifest(Path(), tuple(row for group in groups for row in group))
    return of_images(manifest, bad_files)


def test_plain_images_have_no_notes():
    assert noted(rows("a", 20), rows("b", 20)) == ()


def test_uneven_and_small_classes_are_named():
    uneven, few = noted(rows("a", 40), rows("b", 4))
    assert "a has 40 images, b 4" in uneven
    assert few == "Classes with fewer than 10 training images: b (4)."


def test_images_out_of_training_do_not_count_as_training_images():
    (said,) = noted(rows("a", 20), rows("b", 20, split="test"))
    assert "b (0)" in said


def test_copies_are_counted():
    (said,) = noted(rows("a", 20, pixels="same"), rows("b", 20))
    assert said.startswith("19 images are copies of another")


def test_same_picture_with_two_labels_is_told():
    both = [rows("a", 20), rows("b", 20)]
    twins = rows("a", 1, pixels="x"), rows("b", 1, pixels="x")
    copies, conflict = noted(*both, *twins)
    assert copies.startswith("1 image is a copy")
    assert "different labels" in conflict and conflict.endswith(": 1.")


def test_problems_are_counted_by_kind_with_an_example():
    odd = rows("a", 20, problems="tiny|extension")
    first, second = noted(odd, rows("b", 20))
    assert first.startswith("20 images, such as a/0.png: ") and "20 images" in second


def test_problem_of_another_version_is_named_as_it_is():
    (said,) = noted(rows("a", 20, problems="of_old"), rows("b", 20))
    assert said.endswith(": of_old.")


@pytest.mark.parametrize(
    ("policy", "said"), [("skip", "left out"), ("convert", "converted")]
)
def test_policy_for_bad_files_is_told(policy, said):
    (note,) = noted(rows("a", 20), rows("b", 20), bad_files=policy)
    assert said in note and f"data.bad_files: {policy}" in note


def test_unused_images_are_counted():
    said = noted(rows("a", 20), rows("b", 20), rows("a", 3, split="unused", pixels=""))
    assert said == ("3 images were left out of training on purpose.",)
