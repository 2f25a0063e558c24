"""RandAugment: the paper's operations at the stated strength, each equally often."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from tl_keras.datasets.augmentation import operations

SIDE = 33
CHANGING = sorted(set(operations.PAPERS_LIST) - {"identity"})
STRENGTH = operations.MAGNITUDE / operations.GREATEST


def picture():
    """A smooth coloured picture that does not use all values."""
    small = np.random.default_rng(0).integers(20, 220, (5, 5, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.BICUBIC))


def places():
    """A picture whose first two colours are the places of its pixels."""
    down, right = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    return np.stack([right, down, down], axis=-1)


def apply(name, pixels, strength=STRENGTH):
    image = tf.constant(pixels, tf.float32)
    found = operations.PAPERS_LIST[name](image, tf.constant(strength, tf.float32))
    return np.clip(found.numpy(), 0, 255)


def steps(name, strength=STRENGTH):
    """Returns how far a step right and a step down go in the image, near its middle."""
    view, middle = apply(name, places(), strength)[..., :2], SIDE // 2
    right = view[middle, middle + 2] - view[middle, middle - 2]
    down = view[middle + 2, middle] - view[middle - 2, middle]
    return right / 4, down / 4


PILLOW = {
    "auto_contrast": ImageOps.autocontrast,
    "solarize": lambda image: ImageOps.solarize(image, 256 * (1 - STRENGTH)),
    "posterize": lambda image: ImageOps.posterize(image, 7),
    "color": lambda image: ImageEnhance.Color(image).enhance(1.27),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.27),
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(1.27),
    "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(1.27),
}


@pytest.mark.parametrize("name", PILLOW)
def test_change_of_colours_is_that_of_pillow(name):
    expected = np.asarray(PILLOW[name](Image.fromarray(picture())), float)
    found = apply(name, picture())
    # Pillow leaves the border unsharpened, and cuts fractions off on the way.
    inside = slice(1, -1)
    np.testing.assert_allclose(found[inside, inside], expected[inside, inside], atol=2)


def test_equalizing_is_nearly_that_of_pillow():
    large = Image.fromarray(picture()).resize((160, 160))
    # Pillow counts in whole steps of images / 255.
    found = apply("equalize", np.asarray(large))
    np.testing.assert_allclose(found, np.asarray(ImageOps.equalize(large)), atol=4)


def test_strongest_posterizing_leaves_four_bits():
    assert set(np.unique(apply("posterize", picture(), 1.0) % 16)) == {0}


def test_sharpening_does_not_darken_the_border():
    white = np.full((SIDE, SIDE, 3), 200)
    np.testing.assert_allclose(apply("sharpness", white, -1.0), white, atol=1e-3)


@pytest.mark.parametrize("sign", [-1, 1])
def test_rotation_is_by_nine_degrees(sign):
    right, _ = steps("rotate", sign * STRENGTH)
    assert np.degrees(np.arctan2(*right[::-1])) == pytest.approx(9 * sign, abs=1e-3)


def test_shears_are_by_nine_percent_along_one_axis():
    found = [np.array(steps(name)) - np.eye(2) for name in ("shear_x", "shear_y")]
    np.testing.assert_allclose(found[0], [[0, 0], [0.09, 0]], atol=1e-5)
    np.testing.assert_allclose(found[1], [[0, 0.09], [0, 0]], atol=1e-5)


@pytest.mark.parametrize(("name", "axis"), [("translate_x", 0), ("translate_y", 1)])
def test_shift_is_by_an_eighth_of_the_side_along_one_axis(name, axis):
    middle = SIDE // 2
    moved = apply(name, places())[middle, middle, :2] - middle
    expected = np.eye(2)[axis] * SIDE * 150 / 331 * 0.3
    np.testing.assert_allclose(moved, expected, atol=1e-3)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x"])
def test_white_comes_in_at_the_borders(name):
    grey = np.full((SIDE, SIDE, 3), 100)
    assert apply(name, grey).max() == 255


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("strength", [-STRENGTH, STRENGTH])
def test_every_operation_changes_the_image(name, strength):
    assert np.abs(apply(name, picture(), strength) - picture()).max() >= 1


def test_identity_changes_nothing():
    np.testing.assert_array_equal(apply("identity", picture()), picture())


@pytest.mark.parametrize("name", ["auto_contrast", "equalize"])
def test_pixels_do_not_depend_on_the_networks_precision(name):
    before, policy = apply(name, picture()), keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = apply(name, picture())
        np.testing.assert_array_equal(found, before)
        assert found.dtype == before.dtype == np.float32
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("name", operations.PAPERS_LIST)
@pytest.mark.parametrize("value", [0, 255])
def test_one_colour_gives_pixel_values(name, value):
    found = apply(name, np.full((8, 8, 3), value))
    assert np.isfinite(found).all()


@pytest.fixture(scope="module")
def drawn():
    """The operations and strengths of 1,000 seeds, `(1000, 2)` each."""
    calls = []

    def note(image, kind, strength):
        calls.append((int(kind), float(strength)))
        return image

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "_apply", note)
        for number in range(1000):
            seed = tf.constant([5, number], tf.int32)
            operations.apply_some(tf.zeros((1, 1, 3), tf.uint8), seed)
    return np.array(calls).reshape(1000, 2, 2)


def test_every_operation_is_equally_frequent_at_both_places(drawn):
    share = 1 / len(operations.PAPERS_LIST)
    spread = (1000 * share * (1 - share)) ** 0.5
    for place in (0, 1):
        counts = np.bincount(drawn[:, place, 0].astype(int), minlength=14)
        assert np.abs(counts - 1000 * share).max() <= 4 * spread


def test_second_operation_does_not_depend_on_the_first(drawn):
    same = int((drawn[:, 0, 0] == drawn[:, 1, 0]).sum())
    assert abs(same - 1000 / 14) <= 4 * (1000 / 14) ** 0.5


def test_strength_is_nine_of_thirty_either_way(drawn):
    np.testing.assert_allclose(np.abs(drawn[..., 1]), 0.3, rtol=1e-6)
    assert abs((drawn[..., 1] > 0).sum() - 1000) <= 4 * 500**0.5


def test_list_is_the_papers():
    assert len(operations.PAPERS_LIST) == 14
