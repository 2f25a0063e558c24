"""Warnings beside the figures: each where it holds, and only there."""

import numpy as np
import pytest

from tl_keras.evaluation.metrics import compute
from tl_keras.evaluation.multi_label import compute as compute_several

NAMES = ("cat", "dog", "owl")


def remarks(labels, predicted):
    """Returns the warnings of class indices and what was predicted."""
    return compute(np.array(labels), np.eye(3)[predicted], NAMES)["warnings"]


def test_many_images_of_every_class_and_few_errors_need_no_warning():
    labels = [0, 1, 2] * 60
    assert remarks(labels, labels) == []


def test_class_without_images_is_named():
    labels = [0, 1] * 100
    assert remarks(labels, labels) == [
        "No image here is of 'owl': averages over the classes leave it out."
    ]


def test_class_with_few_images_is_named():
    labels = [0, 1] * 100 + [2] * 9
    (found,) = remarks(labels, labels)
    assert found == "Fewer than 10 images are of 'owl': their figures are rough."


def test_class_of_ten_images_is_not_few():
    labels = [0, 1] * 100 + [2] * 10
    assert remarks(labels, labels) == []


def test_wide_interval_is_named_with_its_ends():
    labels = [0, 1, 2] * 10
    (found,) = remarks(labels, labels)
    assert found.startswith("30 images leave the accuracy open between 0.886 and 1.000")


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (190, []),
        (160, ["of 0.800 cannot be told apart from that of always answering 'dog' (0"]),
        (100, ["of 0.500 is below that of always answering 'dog' (0.800)."]),
    ],
)
def test_accuracy_is_held_against_one_answer_to_all(right, said):
    labels = np.array([1] * 160 + [0] * 20 + [2] * 20)
    predicted = np.where(np.arange(200) < right, labels, (labels + 1) % 3)
    found = [text for text in remarks(labels, predicted) if "always" in text]
    assert len(found) == len(said)
    assert all(part in text for part, text in zip(said, found))


def test_images_of_one_class_are_not_held_against_it():
    assert not any("always" in text for text in remarks([1] * 20, [1] * 20))


def test_several_labels_are_held_against_the_most_frequent_set():
    truth = np.array([[1, 1, 0]] * 150 + [[0, 0, 1]] * 50)
    found = compute_several(truth, np.full((200, 3), 0.4), NAMES)["warnings"]
    assert "is below that of always answering 'cat', 'dog' (0.750)." in found[-1]


def test_images_without_labels_are_held_against_no_label():
    truth = np.array([[0, 0, 0]] * 150 + [[0, 0, 1]] * 50)
    found = compute_several(truth, np.full((200, 3), 0.6), NAMES)["warnings"]
    assert "always answering no label (0.750)" in found[-1]


def test_of_many_missing_classes_five_are_named():
    names = tuple(f"c{number}" for number in range(20))
    labels = np.array([0, 1] * 100)
    (found,) = compute(labels, np.eye(20)[labels], names)["warnings"]
    assert "'c6' and 13 more: averages over the classes leave them out" in found
