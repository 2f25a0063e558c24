"""Figures of a set of predictions, against scikit-learn and known values."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tl_keras.evaluation.metrics import compute, wilson

NAMES = ("a", "b", "c", "d", "e")


def case(seed, images=60, classes=5):
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=images)
    logits = random.normal(size=(images, classes)) + np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_macro_figures_equal_scikit_learn(seed):
    labels, probabilities = case(seed)
    found = compute(labels, probabilities, NAMES)
    expected = reference.precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), average="macro", zero_division=0
    )[:3]
    actual = [found[name] for name in ("precision", "recall", "f1")]
    assert actual == pytest.approx(expected)


def test_accuracy_counts_every_image():
    labels, probabilities = case(0, images=33)
    found = compute(labels, probabilities, NAMES)
    expected = (probabilities.argmax(axis=1) == labels).mean()
    assert (found["images"], found["accuracy"]) == (33, pytest.approx(expected))


def test_top_3_counts_the_three_most_probable():
    labels, probabilities = case(1)
    order = probabilities.argsort(axis=1)[:, -3:]
    expected = (order == labels[:, np.newaxis]).any(axis=1).mean()
    assert compute(labels, probabilities, NAMES)["top_3"] == pytest.approx(expected)


def test_top_3_is_left_out_where_it_says_nothing():
    labels, probabilities = case(1, classes=3)
    assert compute(labels, probabilities, NAMES[:3])["top_3"] is None


def test_class_without_images_does_not_lower_the_macro_figures():
    labels = np.array([0, 0, 1, 1])
    found = compute(labels, np.eye(5)[labels], NAMES)
    assert found["recall"] == 1.0


def test_rows_of_the_confusion_matrix_are_the_truth():
    found = compute(np.array([0, 0, 1]), np.eye(5)[[0, 2, 1]], NAMES)
    assert found["confusion_matrix"][0] == [1, 0, 1, 0, 0]


def test_wilson_interval_equals_published_values():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_interval_of_all_right_is_no_point():
    low, high = wilson(10, 10)
    assert (low, high) == (pytest.approx(0.722, abs=1e-3), pytest.approx(1.0))
