"""Which images a classifier is most wrong about."""

from pathlib import Path

import numpy as np
import pytest

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import DataError
from tl_keras.evaluation.explanation import losses

NAMES = ("cat", "dog", "eel")
PREDICTED = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]], np.float32)


def of(labels, *, several=False):
    rows = tuple(Row(path=f"{i}.png", label=name) for i, name in enumerate(labels))
    return Manifest(Path("."), rows, NAMES, multi_label=several)


def test_highest_loss_comes_first():
    found = losses.judge(of(["cat", "dog", "dog"]), PREDICTED, NAMES)
    assert [one.row for one in found] == [1, 2, 0]
    assert found[0].loss == pytest.approx(-np.log(0.1))


def test_image_is_told_with_truth_and_prediction():
    first = losses.judge(of(["cat", "dog", "dog"]), PREDICTED, NAMES)[0]
    assert (first.path, first.true, first.predicted) == ("1.png", "dog", "eel")
    assert first.probability == pytest.approx(0.8)


def test_equal_losses_keep_the_order_of_the_manifest():
    # Sorts that are not stable are so for few numbers.
    same = np.full((100, 3), 1 / 3)
    same[::2, 1] = 0.25
    found = losses.judge(of(["dog"] * 100), same, NAMES)
    assert [one.row for one in found] == [*range(0, 100, 2), *range(1, 100, 2)]


def test_loss_of_a_certain_mistake_is_finite():
    found = losses.of_images(np.array([1]), np.array([[1.0, 0.0]]))
    assert np.isfinite(found[0]) and found[0] > 20


def test_loss_with_several_labels_is_the_mean_over_the_classes():
    targets, predicted = np.array([[1.0, 0.0]]), np.array([[0.5, 0.25]])
    found = losses.of_images(targets, predicted)
    assert found[0] == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)


def test_order_of_several_labels_makes_none_wrong():
    predicted = np.array([[0.9, 0.1, 0.9], [0.9, 0.9, 0.1]])
    found = losses.judge(of(["eel|cat", "cat|eel"], several=True), predicted, NAMES)
    assert {one.row: losses.is_wrong(one) for one in found} == {0: False, 1: True}


def test_unknown_class_is_refused():
    with pytest.raises(DataError, match="does not know: fox"):
        losses.judge(of(["cat", "dog", "fox"]), PREDICTED, NAMES)
