"""Crops, turns and boxes: within their limits, and where they should be."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.datasets.augmentation import geometry, policies

SIDE, COUNT = 33, 500
AREA, RATIO = policies.CROP_AREA, policies.CROP_RATIO
ERASED = (policies.ERASED_AREA, policies.ERASED_RATIO)


def seed(number):
    return tf.constant([number, 7], tf.int32)


@pytest.fixture(scope="module")
def crops():
    """Where 500 crops come from: their sides, their centre and their angle.

    Each view is one of a picture whose colours are the places of its pixels.
    """
    down, right = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    places = tf.constant(np.stack([right, down, down], axis=-1), tf.float32)
    function = tf.function(
        lambda seed: geometry.crop_and_turn(
            places, seed, area=AREA, ratio=RATIO, rotation=policies.ROTATION
        )
    )
    views = np.stack([function(seed(number)).numpy() for number in range(COUNT)])
    middle, reach = SIDE // 2, 4
    along = (views[:, middle, middle + reach] - views[:, middle, middle - reach])[:, :2]
    below = (views[:, middle + reach, middle] - views[:, middle - reach, middle])[:, :2]
    return {
        "width": np.hypot(*along.T) / (2 * reach),
        "height": np.hypot(*below.T) / (2 * reach),
        "angle": np.arctan2(along[:, 1], along[:, 0]),
        "centre": views[:, middle, middle, :2],
    }


def test_crop_has_an_area_within_its_limits(crops):
    area = crops["width"] * crops["height"]
    assert AREA[0] - 1e-4 <= area.min() and area.max() <= AREA[1] + 1e-4


def test_crops_come_small_and_large(crops):
    area = crops["width"] * crops["height"]
    assert area.min() < 0.52 and area.max() > 0.95


def test_crop_has_sides_within_their_limits(crops):
    ratio = crops["height"] / crops["width"]
    assert RATIO[0] - 1e-4 <= ratio.min() and ratio.max() <= RATIO[1] + 1e-4


def test_crop_lies_inside_the_image_before_it_is_turned(crops):
    for place, side in ((0, "width"), (1, "height")):
        offset = np.abs(crops["centre"][:, place] - (SIDE - 1) / 2) / SIDE
        assert (offset + crops[side] / 2 <= 0.5 + 1e-4).all()


def test_crop_is_turned_by_no_more_than_ten_degrees(crops):
    assert np.degrees(np.abs(crops["angle"])).max() <= 10 + 1e-3


def test_crops_are_turned_both_ways_to_the_limits(crops):
    degrees = np.degrees(crops["angle"])
    assert degrees.min() < -9 and degrees.max() > 9


def test_crop_of_everything_is_the_image():
    image = tf.random.stateless_uniform((SIDE, SIDE, 3), seed(1), 0, 255)
    view = geometry.crop_and_turn(
        image, seed(1), area=(1.0, 1.0), ratio=(1.0, 1.0), rotation=0.0
    )
    np.testing.assert_allclose(view, image, atol=1e-2)


def test_warp_turns_clockwise_what_it_reads_turned_the_other_way():
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[SIDE // 2, -3] = 255
    quarter = geometry.turned(math.pi / 2, 1.0, 1.0)
    view = geometry.warp(tf.constant(image), quarter, (0.0, 0.0)).numpy()
    assert np.argwhere(view[..., 0] > 200).tolist() == [[2, SIDE // 2]]


@pytest.mark.parametrize(
    ("fill", "expected"), [(geometry.WHITE, 255), (geometry.EDGE, 9)]
)
def test_fill_is_what_comes_in_at_the_border(fill, expected):
    image = tf.fill((8, 8, 3), tf.constant(9, tf.uint8))
    view = geometry.warp(image, (1.0, 0.0, 0.0, 1.0), (3.0, 0.0), fill)
    assert (view[:, -2:].numpy() == expected).all()


def test_box_keeps_its_limits_where_a_side_is_cut():
    draws = np.random.default_rng(0).uniform(size=(COUNT, 2)).astype(np.float32)
    sides = np.array([geometry.box(pair, AREA, RATIO) for pair in draws])
    areas = sides.prod(axis=1)
    assert (sides <= 1).all() and (sides == 1).any() and areas.min() >= AREA[0]


@pytest.fixture(scope="module")
def boxes():
    """500 black images of 64 x 64 with a white box each: where they are white."""
    function = tf.function(
        lambda seed: geometry.erase(
            tf.zeros((64, 64, 3)),
            seed,
            probability=1.0,
            area=ERASED[0],
            ratio=ERASED[1],
            colour=(255.0, 255.0, 255.0),
        )
    )
    views = np.stack([function(seed(number)).numpy() for number in range(COUNT)])
    return views[..., 0] > 0


def sides_of(boxes):
    return np.stack([boxes.any(axis=2).sum(axis=1), boxes.any(axis=1).sum(axis=1)])


def test_erased_places_are_a_box(boxes):
    np.testing.assert_array_equal(boxes.sum(axis=(1, 2)), sides_of(boxes).prod(axis=0))


def test_erased_share_is_within_its_limits(boxes):
    # Half a pixel more or less at every side.
    height, width = sides_of(boxes)
    (low, high), _ = ERASED
    assert ((height + 0.5) * (width + 0.5) / 64**2 >= low).all()
    assert ((height - 0.5) * (width - 0.5) / 64**2 <= high).all()


def test_erased_boxes_come_small_and_large(boxes):
    share = boxes.mean(axis=(1, 2))
    assert share.min() < 0.03 and share.max() > 0.18


def test_erased_box_has_sides_within_their_limits(boxes):
    height, width = sides_of(boxes)
    _, (low, high) = ERASED
    assert ((height + 0.5) / (width - 0.5) >= low).all()
    assert ((height - 0.5) / (width + 0.5) <= high).all()


def test_erased_boxes_reach_every_side_of_the_image(boxes):
    reached = boxes.any(axis=0)
    assert all(side.any() for side in (*reached[[0, -1]], *reached.T[[0, -1]]))


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_only_that_share_of_the_images_is_erased(probability):
    function = tf.function(
        lambda seed: geometry.erase(
            tf.zeros((16, 16, 3)),
            seed,
            probability=probability,
            area=ERASED[0],
            ratio=ERASED[1],
            colour=(9.0, 9.0, 9.0),
        )
    )
    found = sum(function(seed(n)).numpy().any() for n in range(COUNT))
    spread = 4 * (COUNT * probability * (1 - probability)) ** 0.5
    assert abs(found - COUNT * probability) <= spread
