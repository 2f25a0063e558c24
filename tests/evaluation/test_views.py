"""Test-time augmentation: which views there are, and what they gain and cost."""

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.datasets.square import Square
from tl_keras.errors import UsageError
from tl_keras.evaluation import views
from tl_keras.evaluation.views import Compared

SIDE = 16
RANDOM = np.random.default_rng(0)
IMAGES = tf.constant(RANDOM.integers(0, 256, (3, SIDE, SIDE, 3)), tf.uint8)


def compared(plain, averaged):
    return Compared(
        name="flips",
        views=2,
        plain=np.array(plain),
        averaged=np.array(averaged),
        seconds=3.0,
        plain_seconds=1.5,
    )


def test_flips_are_the_image_and_its_mirror_image():
    plain, mirrored = views.flips(IMAGES)
    np.testing.assert_array_equal(plain, IMAGES)
    np.testing.assert_array_equal(mirrored, IMAGES.numpy()[:, :, ::-1])


def test_ten_crop_takes_corners_and_centre_and_mirrors_them():
    """The image is a slope: a crop's first and last values say where it lies."""
    down, right = np.meshgrid(np.arange(16), np.arange(16), indexing="ij")
    slope = tf.constant(np.stack([down, right, down], -1)[None] * 10, tf.uint8)
    found = [view.numpy().astype(int)[0] for view in views.ten_crop(slope)]
    assert len(found) == 10
    spans = [(v[0, 0, 0], v[-1, 0, 0], v[0, 0, 1], v[0, -1, 1]) for v in found[::2]]
    # 14 of 16 pixels, from the first, the second and the third on.
    low, middle, high = (0, 130), (10, 140), (20, 150)
    assert spans == [low + low, low + high, high + low, high + high, middle + middle]
    for view, mirrored in zip(found[::2], found[1::2]):
        np.testing.assert_array_equal(mirrored, view[:, ::-1])


@pytest.mark.parametrize("name", sorted(views.VIEWS))
def test_views_are_pixels_of_the_same_shape_and_never_drawn_at_random(name):
    first, second = views.named(name)(IMAGES), views.named(name)(IMAGES)
    for one, other in zip(first, second, strict=True):
        assert (one.shape, one.dtype) == (IMAGES.shape, tf.uint8)
        np.testing.assert_array_equal(one, other)


def test_ten_crop_of_one_colour_is_that_colour():
    grey = tf.fill((1, SIDE, SIDE, 3), tf.constant(77, tf.uint8))
    assert all((view.numpy() == 77).all() for view in views.ten_crop(grey))


def test_probabilities_are_the_mean_over_the_views():
    def left(images):
        share = np.asarray(images)[:, :, :8].mean(axis=(1, 2, 3)) / 255
        return np.stack([share, 1 - share], axis=1)

    found = views.of_batch(left, "flips")(IMAGES)
    expected = (left(IMAGES) + left(IMAGES[:, :, ::-1])) / 2
    np.testing.assert_allclose(found, expected)
    assert not np.allclose(found, left(IMAGES))


def test_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match="'flip'. Did you mean 'flips'.*ten_crop"):
        views.of_batch(None, "flip")


def test_every_image_is_predicted_both_ways(manifest):
    def classify(images):
        means = np.asarray(images)[:, :, : SIDE // 2].mean(axis=(1, 2))
        return (means / (means.sum(axis=1, keepdims=True) + 1e-6)).astype(np.float32)

    found = views.compare(classify, manifest, Square(side=SIDE), "flips")
    assert found.plain.shape == found.averaged.shape == (len(manifest.rows), 3)
    assert found.views == 2 and found.seconds > 0 and found.plain_seconds > 0
    # A noisy colour stays that colour when it is mirrored, but not to the digit.
    labels = np.array(
        [{"blue": 2, "green": 1, "red": 0}[r.label] for r in manifest.rows]
    )
    np.testing.assert_array_equal(found.averaged.argmax(axis=1), labels)
    assert not np.array_equal(found.plain, found.averaged)


def test_gain_is_counted_image_by_image():
    plain = [[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4]]
    averaged = [[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.6, 0.4], [0.4, 0.6]]
    found = views.gain(compared(plain, averaged), np.array([0, 1, 1, 1, 1]))
    assert (found["mended"], found["spoiled"], found["changed"]) == (3, 1, 4)
    assert found["accuracy_without"] == pytest.approx(2 / 5)
    assert found["gain"] == pytest.approx(2 / 5)
    # Of four fair coins, three or four on one side: 10 of 16.
    assert found["p_value"] == pytest.approx(10 / 16)
    low, high = found["interval"]
    assert -1 < low < 2 / 5 < high < 1
    assert found["cost"] == 2


def test_another_wrong_class_is_a_change_and_no_gain():
    plain, averaged = [[0.1, 0.8, 0.1]], [[0.1, 0.1, 0.8]]
    found = views.gain(compared(plain, averaged), np.array([0]))
    assert (found["changed"], found["gain"], found["p_value"]) == (1, 0, 1)


def test_several_labels_are_right_where_all_are():
    plain = [[0.9, 0.4], [0.9, 0.9]]
    averaged = [[0.9, 0.6], [0.9, 0.8]]
    found = views.gain(compared(plain, averaged), np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert (found["mended"], found["changed"], found["gain"]) == (1, 1, 0.5)
    assert found["accuracy_without"] == 0
