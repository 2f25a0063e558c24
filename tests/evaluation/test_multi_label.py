"""Figures of images with any number of classes, against scikit-learn's."""

import json

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as reference

from tl_keras.evaluation.decision import Decision
from tl_keras.evaluation.metrics import wilson
from tl_keras.evaluation.multi_label import compute

NAMES = ("a", "b", "c", "d")
FIGURES = ("precision", "recall", "f1")


def case(seed, images=60):
    """Returns targets and probabilities that agree more often than not."""
    random = np.random.default_rng(seed)
    targets = (random.random((images, len(NAMES))) < 0.4).astype(np.float32)
    noise = random.random(targets.shape)
    return targets, (0.4 * targets + 0.6 * noise).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("average", "prefix"),
    [("macro", ""), ("micro", "micro_"), ("weighted", "weighted_")],
)
def test_macro_and_micro_figures_equal_scikit_learn(seed, average, prefix):
    targets, probabilities = case(seed)
    found = compute(targets, probabilities, NAMES)
    expected = reference.precision_recall_fscore_support(
        targets, probabilities > 0.5, average=average, zero_division=0
    )[:3]
    assert [found[prefix + name] for name in FIGURES] == pytest.approx(expected)


def test_accuracy_counts_images_of_which_every_class_is_right():
    targets, probabilities = case(0)
    found = compute(targets, probabilities, NAMES)
    expected = reference.accuracy_score(targets, probabilities > 0.5)
    assert found["accuracy"] == pytest.approx(expected)


def test_interval_is_that_of_the_exact_matches():
    targets = np.eye(4)
    found = compute(targets, np.where(targets > 0, 0.9, 0.1), NAMES)
    assert found["accuracy_interval"] == list(wilson(4, 4))


def test_loss_is_the_binary_cross_entropy():
    targets, probabilities = case(1)
    expected = reference.log_loss(targets.ravel(), probabilities.ravel())
    assert compute(targets, probabilities, NAMES)["loss"] == pytest.approx(expected)


def test_sure_and_wrong_answer_has_finite_figures():
    found = compute(np.zeros((1, 4)), np.ones((1, 4)), NAMES)
    assert np.isfinite([found[name] for name in ("loss", *FIGURES)]).all()


def test_class_without_images_does_not_lower_the_macro_figures():
    targets = np.array([[1, 0, 0, 0], [1, 1, 0, 0]])
    found = compute(targets, targets * 0.9, NAMES)
    assert found["recall"] == 1.0


def test_each_class_has_its_figures():
    targets, probabilities = case(2)
    rows = compute(targets, probabilities, NAMES)["per_class"]
    assert [row["images"] for row in rows] == targets.sum(axis=0).tolist()


def test_figures_are_plain_json():
    assert json.loads(json.dumps(compute(*case(3), NAMES)))["images"] == 60


def test_there_is_no_confusion_matrix():
    assert "confusion_matrix" not in compute(*case(3), NAMES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hamming_loss", lambda t, p: reference.hamming_loss(t, p > 0.5)),
        (
            "label_ranking_precision",
            reference.label_ranking_average_precision_score,
        ),
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
    ],
)
def test_figure_equals_scikit_learns_and_lies_in_its_interval(name, expected):
    targets, probabilities = case(4, images=120)
    found = compute(targets, probabilities, NAMES)
    assert found[name] == pytest.approx(expected(targets, probabilities))
    low, high = found["intervals"][name]
    assert low < found[name] < high


def test_what_needs_one_class_an_image_is_left_open():
    found = compute(*case(0), NAMES)
    names = ("top_3", "top_5", "balanced_accuracy", "kappa", "matthews")
    assert [found[name] for name in names] == [None] * 5


def test_calibration_is_over_single_labels():
    targets = np.array([[1, 0, 0, 0]] * 10)
    found = compute(targets, np.full((10, 4), 0.2), NAMES)["calibration"]
    # Each label is said to be absent, with a certainty of 0.8; three of four are.
    assert sum(row["images"] for row in found["bins"]) == 40
    assert found["ece"] == pytest.approx(0.05)


def test_temperature_shows_the_error_before_it():
    targets, probabilities = case(0)
    plain = compute(targets, probabilities, NAMES)["calibration"]["ece"]
    softened = 1 / (1 + (1 / probabilities - 1) ** (1 / 2.5))
    decision = Decision(temperature=2.5)
    found = compute(targets, softened, NAMES, decision=decision)["calibration"]
    assert found["ece_before"] == pytest.approx(plain, abs=1e-5)


def test_image_is_known_where_every_label_is():
    targets = np.eye(4)
    probabilities = np.where(targets > 0, 0.9, 0.1)
    probabilities[0, 3] = 0.4
    found = compute(targets, probabilities, NAMES, decision=Decision(threshold=0.8))
    assert found["abstention"]["coverage"] == 0.75


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.2, 0.5, 2.0])
def test_error_before_calibration_is_right_or_left_out(temperature):
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (400, 5)).astype(np.float32)
    targets = (random.random(logits.shape) < expit(logits)).astype(float)
    names = tuple("abcde")
    warm = expit(logits / np.float32(temperature))
    decision = Decision(temperature=temperature)
    found = compute(targets, warm, names, decision=decision)
    plain = compute(targets, expit(logits), names)["calibration"]["ece"]
    before = found["calibration"]["ece_before"]
    assert before is None or before == pytest.approx(plain, abs=1e-3)
    assert (before is None) == (temperature < 0.4)
