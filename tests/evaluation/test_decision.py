"""The decision: when an image is known, and how it is kept."""

import json

import numpy as np
import pytest

from tl_keras.errors import StorageError
from tl_keras.evaluation.decision import UNDECIDED, Decision, confidence

NAMES = ("a", "b")
ROWS = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], np.float32)


def known(decision, rows=ROWS, kind="multi_class"):
    return decision.known(rows, NAMES, kind).tolist()


def test_without_a_threshold_all_images_are_known():
    assert known(UNDECIDED) == [True, True, True]


def test_image_is_known_whose_probability_reaches_the_threshold():
    assert known(Decision(threshold=0.7)) == [True, False, True]


def test_threshold_is_that_of_the_class_that_is_predicted():
    assert known(Decision(threshold={"a": 0.5, "b": 0.8})) == [True, True, False]


def test_several_labels_are_known_where_each_is_certain():
    rows = np.array([[0.9, 0.05], [0.9, 0.5], [0.1, 0.9]], np.float32)
    assert known(Decision(threshold=0.8), rows, "multi_label") == [True, False, True]


def test_each_label_has_its_threshold():
    rows = np.array([[0.9, 0.6], [0.6, 0.9]], np.float32)
    decision = Decision(threshold={"a": 0.8, "b": 0.5})
    assert known(decision, rows, "multi_label") == [True, False]


def test_no_images_are_no_answers():
    assert known(Decision(threshold=0.5), ROWS[:0]) == []


def test_confidence_of_several_labels_is_that_of_the_least_certain():
    assert confidence(ROWS, "multi_label") == pytest.approx([0.9, 0.6, 0.7])


@pytest.mark.parametrize("threshold", [None, 0.25, {"a": 0.5, "b": 0.75}])
def test_decision_is_read_as_it_was_written(tmp_path, threshold):
    decision = Decision(temperature=1.5, threshold=threshold)
    decision.save(tmp_path / "decision.json")
    assert Decision.load(tmp_path / "decision.json") == decision


def test_without_a_file_nothing_is_decided(tmp_path):
    assert Decision.load(tmp_path / "decision.json") == UNDECIDED


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"threshold": float("inf")},
        {"threshold": {"a": "much"}},
        {"treshold": 0.5},
        [1.0],
    ],
    ids=str,
)
def test_damaged_file_is_refused(tmp_path, values):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(values))
    with pytest.raises(StorageError, match="decision.json cannot be read"):
        Decision.load(path)


def test_decision_of_other_classes_is_refused():
    with pytest.raises(StorageError, match="no threshold of class 'b'"):
        known(Decision(threshold={"a": 0.5}))
