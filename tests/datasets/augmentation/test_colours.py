"""Changes of colour: those of Pillow, within their limits, along the stated axes."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from tl_keras.datasets.augmentation import colours, policies

KINDS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def picture(low=0, high=256):
    return np.random.default_rng(0).integers(low, high, (16, 16, 3)).astype(np.uint8)


def adjust(pixels, **factors):
    return colours.adjust(tf.constant(pixels, tf.float32), **factors).numpy()


def seed(number):
    return tf.constant([number, 7], tf.int32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
def test_change_is_that_of_pillow(kind, factor):
    pixels = picture()
    expected = KINDS[kind](Image.fromarray(pixels)).enhance(factor)
    # Pillow rounds grey values to whole numbers on the way.
    np.testing.assert_allclose(adjust(pixels, **{kind: factor}), expected, atol=1.6)


def test_all_changes_at_once_are_one_behind_the_other():
    pixels = picture(80, 160)
    one = adjust(pixels, saturation=1.2)
    one = adjust(adjust(one, brightness=0.9), contrast=1.1)
    both = adjust(pixels, saturation=1.2, brightness=0.9, contrast=1.1)
    np.testing.assert_allclose(both, one, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_values_stay_pixel_values(kind):
    found = adjust(picture(), **{kind: 3.0})
    assert found.min() >= 0 and found.max() <= 255


def jittered(pixels, count=500):
    image = tf.constant(pixels, tf.float32)
    function = tf.function(lambda s: colours.jitter(image, s, policies.JITTER))
    return np.stack([function(seed(number)).numpy() for number in range(count)])


def test_brightness_changes_by_up_to_thirty_percent_either_way():
    # Of one grey neither the contrast nor the saturation can change.
    factors = jittered(np.full((2, 2, 3), 100))[:, 0, 0, 0] / 100
    assert 0.7 - 1e-4 <= factors.min() < 0.71 and 1.29 < factors.max() <= 1.3 + 1e-4


def test_contrast_changes_by_up_to_thirty_percent_either_way():
    greys = np.array([[[90] * 3, [110] * 3]])
    views = jittered(greys)[..., 0]
    # Of the difference by the mean the brightness falls out.
    factors = (views[:, 0, 1] - views[:, 0, 0]) / views.mean(axis=(1, 2)) * 100 / 20
    assert 0.7 - 1e-4 <= factors.min() < 0.71 and 1.29 < factors.max() <= 1.3 + 1e-4


def test_saturation_changes_by_up_to_thirty_percent_either_way():
    views = jittered(np.array([[[130, 100, 90], [90, 90, 90]]]))[:, 0]
    greys = views @ np.array(colours.GREY)
    plain = np.array([40, 10, 0]) @ np.array(colours.GREY)
    # Brightness and contrast change the difference of the greys alike.
    others = (greys[:, 0] - greys[:, 1]) / plain
    factors = (views[:, 0, 0] - views[:, 0, 2]) / 40 / others
    assert 0.7 - 1e-4 <= factors.min() < 0.71 and 1.29 < factors.max() <= 1.3 + 1e-4


@pytest.fixture(scope="module")
def noise():
    """What 2,000 seeds add to a grey image, `(2000, 2, 2, 3)`."""
    grey = tf.fill((2, 2, 3), 128.0)
    function = tf.function(
        lambda s: colours.component_noise(grey, s, policies.ALEXNET_NOISE)
    )
    return np.stack([function(seed(n)).numpy() for n in range(2000)]) - 128


def test_noise_is_the_same_for_all_pixels(noise):
    np.testing.assert_array_equal(noise, noise[:, :1, :1] + np.zeros_like(noise))


def test_noise_along_each_component_has_the_stated_deviation(noise):
    shares = noise[:, 0, 0] @ np.array(colours.COMPONENTS)
    expected = 255 * 0.1 * np.array(colours.EIGENVALUES)
    # The deviation of 2,000 draws is known to 1.6 %; this is four times that.
    np.testing.assert_allclose(shares.std(axis=0), expected, rtol=0.064)


def test_noise_along_one_component_says_nothing_of_the_others(noise):
    shares = noise[:, 0, 0] @ np.array(colours.COMPONENTS)
    found = np.corrcoef(shares.T) - np.eye(3)
    assert np.abs(found).max() <= 4 / 2000**0.5


def test_components_are_at_right_angles_and_of_length_one():
    axes = np.array(colours.COMPONENTS)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=5e-4)


def test_noise_keeps_white_and_black_pixel_values():
    for value in (0.0, 255.0):
        image = tf.fill((1, 1, 3), value)
        views = np.stack(
            [colours.component_noise(image, seed(n), 1.0).numpy() for n in range(20)]
        )
        assert views.min() >= 0 and views.max() <= 255
