"""Labels and probabilities that are none are refused, the first bad image named."""

import numpy as np
import pytest

from tl_keras.errors import DataError
from tl_keras.evaluation import metrics, multi_label, soundness

NAMES = ("a", "b", "c")
LABELS = np.array([0, 1, 2, 0])
ROWS = np.full((4, 3), 1 / 3, np.float32)
TARGETS = np.eye(3)[LABELS]


def changed(values, place, value):
    """Returns a copy with one value changed."""
    copy = np.array(values, float)
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("labels", "rows", "said"),
    [
        (changed(LABELS, 2, 3), ROWS, "label of image 2 is 3: .* indices are 0 to 2"),
        (changed(LABELS, 1, -1), ROWS, "label of image 1 is -1"),
        (changed(LABELS, 3, 0.5), ROWS, "label of image 3 is 0.5: .* whole number"),
        (changed(LABELS, 0, np.nan), ROWS, "label of image 0 is nan: .* finite"),
        (LABELS[:3], ROWS, r"labels must be of shape \(4,\).* Received: \(3,\)"),
        (LABELS.astype(str), ROWS, "label must be a number"),
        (LABELS, ROWS[:, :2], r"shape \(images, 3\).* Received: \(4, 2\)"),
        (LABELS, ROWS[0], r"shape \(images, 3\).* Received: \(3,\)"),
        (LABELS[:0], ROWS[:0], "no images to evaluate"),
        (LABELS, changed(ROWS, (1, 2), np.nan), "probability of image 1, class 2 is n"),
        (LABELS, changed(ROWS, (1, 2), np.inf), "probability of image 1, class 2 is i"),
        (LABELS, changed(ROWS, (2, 0), -0.1), "image 2, class 0 is -0.1: .* no logits"),
        (LABELS, changed(ROWS, (3, 1), 0.5), "sum of its probabilities of image 3"),
        (LABELS, 2 * ROWS, r"of image 0 is 2: .* \(4 of 4 are wrong\)"),
    ],
)
def test_figures_of_nonsense_are_refused(labels, rows, said):
    with pytest.raises(DataError, match=said):
        metrics.compute(labels, rows, NAMES)


@pytest.mark.parametrize(
    ("targets", "rows", "said"),
    [
        (changed(TARGETS, (2, 1), 0.5), ROWS, "target of image 2, class 1 is 0.5"),
        (changed(TARGETS, (2, 1), np.nan), ROWS, "target of image 2, class 1 is nan"),
        (LABELS, ROWS, r"targets must be of shape \(4, 3\).* Received: \(4,\)"),
        (TARGETS, changed(ROWS, (0, 0), 1.5), "probability of image 0, class 0 is 1.5"),
        (TARGETS[:0], ROWS[:0], "no images to evaluate"),
    ],
)
def test_figures_of_several_labels_of_nonsense_are_refused(targets, rows, said):
    with pytest.raises(DataError, match=said):
        multi_label.compute(targets, rows, NAMES)


def test_rows_of_half_precision_are_accepted_and_sum_to_1():
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 4).astype(np.float16)
    _, found = soundness.one_class(LABELS, rows, NAMES)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


def test_labels_that_are_whole_floats_are_taken():
    labels, _ = soundness.one_class(LABELS.astype(float), ROWS, NAMES)
    assert labels.dtype == np.int64 and labels.tolist() == LABELS.tolist()


def test_targets_may_be_true_and_false():
    truth, _ = soundness.any_classes(TARGETS > 0, ROWS, NAMES)
    assert truth.dtype == bool
