"""Figures of a set of predictions, against scikit-learn and known values."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from tl_keras.evaluation.decision import Decision
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


def tied_case(seed):
    """Returns a case of six classes with equal probabilities, one of them absent."""
    random = np.random.default_rng(seed)
    labels = random.integers(5, size=80)
    scores = random.integers(1, 4, (80, 6)) + np.eye(6)[labels]
    return labels, scores / scores.sum(axis=1, keepdims=True)


SIX = (*NAMES, "f")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [3, 5])
def test_top_k_of_equal_probabilities_is_scikit_learns(seed, k):
    labels, probabilities = tied_case(seed)
    expected = reference.top_k_accuracy_score(
        labels, probabilities, k=k, labels=np.arange(6)
    )
    found = compute(labels, probabilities, SIX)
    assert found[f"top_{k}"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_means_over_the_classes_that_occur(seed):
    labels, probabilities = tied_case(seed)
    truth = np.eye(6)[labels][:, :5]
    expected = [
        reference.roc_auc_score(truth, probabilities[:, :5], average="macro"),
        reference.average_precision_score(truth, probabilities[:, :5], average="macro"),
    ]
    found = compute(labels, probabilities, SIX)
    actual = [found[name] for name in ("roc_auc", "average_precision")]
    assert actual == pytest.approx(expected)


def test_loss_is_scikit_learns_though_an_answer_is_sure_and_wrong():
    labels, probabilities = tied_case(0)
    probabilities[0] = np.eye(6)[(labels[0] + 1) % 6]
    expected = reference.log_loss(labels, probabilities, labels=np.arange(6))
    assert compute(labels, probabilities, SIX)["loss"] == pytest.approx(expected)


def test_each_class_has_its_ranks_and_an_absent_one_none():
    rows = compute(*tied_case(0), SIX)["per_class"]
    assert [row["roc_auc"] is None for row in rows] == [False] * 5 + [True]
    assert [row["average_precision"] is None for row in rows] == [False] * 5 + [True]


def test_images_of_one_class_leave_undefined_what_is():
    found = compute(np.zeros(4, int), np.eye(5)[[0, 0, 0, 1]], NAMES)
    names = ("kappa", "matthews", "roc_auc", "average_precision")
    assert [found[name] for name in names] == [None] * 4
    assert not set(names) & set(found["intervals"])


def test_figures_are_plain_json_without_nan():
    text = json.dumps(compute(np.zeros(1, int), np.eye(5)[:1], NAMES), allow_nan=False)
    assert json.loads(text)["images"] == 1


def test_every_interval_holds_its_figure():
    found = compute(*case(0, images=200), NAMES)
    assert set(found["intervals"]) >= {"f1", "kappa", "matthews", "roc_auc", "loss"}
    for name, (low, high) in found["intervals"].items():
        assert low < found[name] < high, name


def test_interval_of_the_top_3_is_close_to_the_normal_one():
    found = compute(*case(0, images=400), NAMES)
    share, (low, high) = found["top_3"], found["intervals"]["top_3"]
    spread = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert (high - low) / 2 == pytest.approx(spread, rel=0.1)


def test_confused_pairs_come_with_the_worst_first():
    labels = np.array([0] * 10 + [1] * 4)
    predicted = np.array([0] * 4 + [2] * 5 + [1] + [0] * 3 + [1])
    found = compute(labels, np.eye(5)[predicted], NAMES)["confused"]
    assert found[0] == {"true": "a", "predicted": "c", "images": 5, "share": 0.5}
    assert [row["images"] for row in found] == [5, 3, 1]


def test_right_answers_confuse_nothing():
    labels = np.array([0, 1, 2])
    assert compute(labels, np.eye(5)[labels], NAMES)["confused"] == []


def test_temperature_shows_the_error_before_it():
    labels, probabilities = case(0)
    plain = compute(labels, probabilities, NAMES)["calibration"]
    softened = probabilities ** (1 / 2.5)
    softened /= softened.sum(axis=1, keepdims=True)
    decision = Decision(temperature=2.5)
    found = compute(labels, softened, NAMES, decision=decision)["calibration"]
    assert plain["ece_before"] is None
    assert found["ece_before"] == pytest.approx(plain["ece"], abs=1e-5)
    assert found["ece"] != pytest.approx(plain["ece"], abs=1e-3)


def test_threshold_leaves_the_accuracy_and_shows_that_of_what_is_known():
    labels, probabilities = case(0, images=200)
    decision = Decision(threshold=0.6)
    found = compute(labels, probabilities, NAMES, decision=decision)
    known = probabilities.max(axis=1) >= 0.6
    right = probabilities.argmax(axis=1) == labels
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["abstention"]["coverage"] == pytest.approx(known.mean())
    assert found["abstention"]["accuracy"] == pytest.approx(right[known].mean())
