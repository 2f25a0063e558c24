"""What logits stand for: probabilities, targets, loss and accuracy of each kind."""

import numpy as np
import pytest

from tl_keras.training import outputs

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def probabilities(logits, kind):
    return np.asarray(outputs.probabilities(logits, kind))


@pytest.mark.parametrize("kind", ["multi_class", "binary"])
def test_probabilities_of_one_class_an_image_sum_to_1(kind):
    found = probabilities(LOGITS[:, : outputs.width(kind, 4)], kind)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_binary_logit_speaks_for_the_second_class():
    found = probabilities(LOGITS[:, :1], "binary")
    np.testing.assert_allclose(found[:, 1], sigmoid(LOGITS[:, 0]), rtol=1e-5)


def test_binary_is_the_softmax_of_two_classes():
    logit = LOGITS[:, :1]
    both = np.concatenate([np.zeros_like(logit), logit], axis=1)
    np.testing.assert_allclose(
        probabilities(logit, "binary"), probabilities(both, "multi_class"), rtol=1e-5
    )


def test_certain_binary_answer_leaves_the_other_class_a_probability():
    assert probabilities(np.array([[30.0]], np.float32), "binary")[0, 0] > 0


def test_labels_of_multi_label_have_probabilities_of_their_own():
    found = probabilities(LOGITS, "multi_label")
    np.testing.assert_allclose(found, sigmoid(LOGITS), rtol=1e-5)


def test_classes_become_targets_as_wide_as_the_logits():
    labels = np.array([0, 1, 1])
    np.testing.assert_array_equal(outputs.targets(labels, 1), [[0], [1], [1]])
    np.testing.assert_array_equal(outputs.targets(labels, 3), np.eye(3)[labels])


def test_targets_of_several_labels_an_image_stay_as_they_are():
    hot = np.array([[1, 0, 1], [0, 0, 0]])
    found = outputs.targets(hot, 3)
    np.testing.assert_array_equal(found, hot)
    assert found.dtype == np.float32


@pytest.mark.parametrize("kind", ["multi_class", "binary", "multi_label"])
def test_loss_is_the_cross_entropy_of_the_probabilities(kind):
    width = outputs.width(kind, 4)
    logits, labels = LOGITS[:, :width], np.arange(50) % max(width, 2)
    targets = outputs.targets(labels, width)
    found = probabilities(logits, kind)
    if kind == "multi_label":
        likelihood = np.where(targets > 0, found, 1 - found)
    else:
        likelihood = found[np.arange(50), labels]
    loss = outputs.loss(kind, label_smoothing=0.0)(targets, logits)
    assert float(loss) == pytest.approx(-np.log(likelihood).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "targets", "logits", "expected"),
    [
        ("multi_class", [[0, 1, 0], [1, 0, 0]], [[-3, -1, -2], [0, 1, 2]], 0.5),
        # A logit of 0.3 is more than 0, though less than a half.
        ("binary", [[1], [0], [1], [0]], [[0.3], [-0.3], [-2], [0.1]], 0.5),
        ("multi_label", [[1, 1, 0, 0]], [[0.3, -2, -2, -0.1]], 0.75),
    ],
)
def test_accuracy_is_the_share_of_right_answers(kind, targets, logits, expected):
    metric = outputs.accuracy(kind)
    metric.update_state(np.array(targets, float), np.array(logits, float))
    assert float(metric.result()) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["multi_class", "binary", "multi_label"])
def test_accuracy_takes_mixed_and_smoothed_targets_for_the_larger_share(kind):
    width = outputs.width(kind, 3)
    targets = np.full((1, width), 0.1)
    targets[0, 0] = 0.8
    logits = np.full((1, width), -1.0)
    logits[0, 0] = 1.0
    metric = outputs.accuracy(kind)
    metric.update_state(targets, logits)
    assert float(metric.result()) == 1.0
