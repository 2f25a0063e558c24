"""Classes of different size: equal weights, equal draws, and a loss to match."""

import keras
import numpy as np
import pytest

from tl_keras.training import imbalance

LABELS = np.repeat([0, 1], [90, 10])


def generator():
    return np.random.default_rng(0)


def test_weights_sum_up_to_the_number_of_images():
    weights = imbalance.class_weights(LABELS, 2)
    assert weights[LABELS].sum() == pytest.approx(100)


def test_every_class_has_the_same_weight_in_all():
    weights = imbalance.class_weights(LABELS, 2)
    assert weights[0] * 90 == pytest.approx(weights[1] * 10)


def test_classes_of_one_size_weigh_one():
    weights = imbalance.class_weights(np.arange(30) % 3, 3)
    np.testing.assert_array_equal(weights, np.ones(3))


def test_class_without_images_weighs_nothing():
    weights = imbalance.class_weights(LABELS, 3)
    assert weights[2] == 0 and weights[LABELS].sum() == pytest.approx(100)


def loss(targets, logits):
    function = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)
    return np.asarray(function(targets, logits))


def test_weight_of_an_image_is_that_of_its_class():
    weights = np.array([0.5, 2.0, 3.0], np.float32)
    targets, found = imbalance.weigh(np.eye(3, dtype=np.float32)[[2, 0]], weights)
    np.testing.assert_array_equal(found, [3.0, 0.5])
    np.testing.assert_array_equal(targets, np.eye(3)[[2, 0]])


def test_loss_of_mixed_targets_weighs_each_classs_part():
    weights = np.array([0.5, 2.0, 3.0], np.float32)
    mixed = np.array([[0.3, 0.7, 0.0]], np.float32)
    logits = np.array([[1.0, -0.5, 0.2]], np.float32)
    alone = [loss(np.eye(3)[[label]], logits)[0] for label in (0, 1)]
    targets, weight = imbalance.weigh(mixed, weights)
    found = loss(targets, logits) * weight
    expected = 0.3 * 0.5 * alone[0] + 0.7 * 2.0 * alone[1]
    assert found[0] == pytest.approx(expected, rel=1e-5)


def test_one_logit_weighs_as_two_do():
    weights = np.array([0.5, 2.0], np.float32)
    second = np.array([[0.0], [1.0], [0.4]], np.float32)
    both = np.concatenate([1 - second, second], axis=1)
    one, two = imbalance.weigh(second, weights), imbalance.weigh(both, weights)
    np.testing.assert_allclose(one[0][:, 0], two[0][:, 1])
    np.testing.assert_allclose(one[1], two[1])


def test_classes_are_drawn_equally_often():
    drawn = imbalance.draw_equally(LABELS, 100, generator())
    assert np.bincount(LABELS[drawn]).tolist() == [50, 50]


def test_what_does_not_divide_goes_to_classes_at_random():
    counts = [
        np.bincount(LABELS[imbalance.draw_equally(LABELS, 7, np.random.default_rng(n))])
        for n in range(20)
    ]
    assert {tuple(count) for count in counts} == {(3, 4), (4, 3)}


def test_images_of_a_class_are_drawn_equally_often():
    drawn = imbalance.draw_equally(LABELS, 96, generator())
    times = np.bincount(drawn, minlength=100)
    assert set(times[:90]) == {0, 1} and set(times[90:]) == {4, 5}


def test_drawn_classes_are_shuffled():
    drawn = LABELS[imbalance.draw_equally(LABELS, 100, generator())]
    assert 30 < (np.diff(drawn) != 0).sum() < 70


def test_repeats_count_what_came_before():
    found = imbalance.repeats(np.array([5, 3, 5, 5, 3, 1]))
    assert found.tolist() == [0, 0, 1, 2, 1, 0]


def test_no_class_is_drawn_twice_more_than_another():
    drawn = imbalance.draw_equally(np.arange(30) % 3, 8, generator())
    assert sorted(np.bincount(drawn % 3)) == [2, 3, 3]
