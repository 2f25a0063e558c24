"""Random views: the same everywhere, and small changes only."""

import functools
import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.datasets.augmentation import policies
from tl_keras.datasets.augmentation.policies import (
    POLICIES,
    light,
    no_flip,
    none,
    policy,
)
from tl_keras.errors import UsageError

SIDE = 24
compiled = tf.function(light)


def picture(side=SIDE):
    """Returns a random picture, the same in every process."""
    values = np.random.RandomState(0).randint(0, 256, (side, side, 3))
    return tf.constant(values, tf.uint8)


def seed(number):
    return tf.constant([number, 7], tf.int32)


def digest(image):
    return hashlib.sha256(image.numpy().tobytes()).hexdigest()


def half_and_half():
    """Returns a picture that is black on the left and grey on the right."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:, SIDE // 2 :] = 128
    return tf.constant(pixels)


def test_none_leaves_the_image_as_it_is():
    assert digest(none(picture(), seed(1))) == digest(picture())


def test_same_seed_gives_the_same_view():
    assert digest(compiled(picture(), seed(3))) == digest(compiled(picture(), seed(3)))


def test_view_does_not_depend_on_the_views_before_it():
    forth = {number: digest(compiled(picture(), seed(number))) for number in range(5)}
    back = {
        number: digest(compiled(picture(), seed(number)))
        for number in reversed(range(5))
    }
    assert forth == back


def test_view_does_not_depend_on_the_global_seed():
    tf.random.set_seed(1)
    first = digest(compiled(picture(), seed(3)))
    tf.random.set_seed(2)
    assert digest(light(picture(), seed(3))) == first


@pytest.mark.slow
def test_another_process_draws_the_same_view():
    program = f"""
import hashlib
import numpy as np
import tensorflow as tf
from tl_keras.datasets.augmentation.policies import light
values = np.random.RandomState(0).randint(0, 256, ({SIDE}, {SIDE}, 3))
view = tf.function(light)(tf.constant(values, tf.uint8), tf.constant([3, 7]))
print(hashlib.sha256(view.numpy().tobytes()).hexdigest())
"""
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(compiled(picture(), seed(3)))


def test_other_seeds_give_other_views():
    views = {digest(compiled(picture(), seed(number))) for number in range(50)}
    assert len(views) == 50


def test_view_differs_from_the_plain_image():
    assert digest(compiled(picture(), seed(1))) != digest(picture())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("side", [8, 33])
def test_view_has_the_shape_and_type_of_the_image(policy, side):
    view = POLICIES[policy](picture(side), seed(1))
    assert (view.shape, view.dtype) == ((side, side, 3), tf.uint8)


def test_white_image_stays_white():
    white = tf.fill((SIDE, SIDE, 3), tf.constant(255, tf.uint8))
    lowest = [int(tf.reduce_min(compiled(white, seed(n)))) for n in range(100)]
    assert min(lowest) == 255


def test_only_white_comes_in_at_the_borders():
    grey = tf.fill((SIDE, SIDE, 3), tf.constant(100, tf.uint8))
    views = np.stack([compiled(grey, seed(number)) for number in range(50)])
    assert views.min() == 100 and views.max() == 255


def test_centre_stays_in_the_picture():
    grey = tf.fill((SIDE, SIDE, 3), tf.constant(100, tf.uint8))
    views = np.stack([compiled(grey, seed(number)) for number in range(100)])
    middle = slice(SIDE // 4, -SIDE // 4)
    assert (views[:, middle, middle] == 100).all()


def test_about_half_of_the_views_are_flipped():
    count = 400
    views = np.stack([compiled(half_and_half(), seed(n)) for n in range(count)])
    rows, edge = slice(SIDE // 3, -SIDE // 3), SIDE // 4
    left = views[:, rows, edge : edge + 2].mean(axis=(1, 2, 3))
    right = views[:, rows, -edge - 2 : -edge].mean(axis=(1, 2, 3))
    flipped = int((left > right).sum())
    # Four standard deviations of a fair coin.
    assert abs(flipped - count / 2) <= 4 * (count / 4) ** 0.5


@pytest.fixture(scope="module")
def centres():
    """Where 400 views show the middle of the image, in pixels from their own."""
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    pixels[8:16, 8:16] = 0
    views = np.stack([compiled(tf.constant(pixels), seed(n)) for n in range(400)])
    weight = 1 - views[..., 0] / 255.0
    places = np.arange(SIDE) - (SIDE - 1) / 2
    down = (weight.sum(2) * places).sum(1) / weight.sum((1, 2))
    across = (weight.sum(1) * places).sum(1) / weight.sum((1, 2))
    return np.stack([down, across], axis=1)


def test_views_scatter_around_the_plain_image(centres):
    assert centres.mean(axis=0).tolist() == pytest.approx([0, 0], abs=0.4)


def test_views_are_shifted_by_no_more_than_the_limit(centres):
    # The shift is that of the plain image; a view that is zoomed in shows it larger.
    low, _ = policies.SCALE
    limit = policies.SHIFT * SIDE / low * (1 + 2 * policies.STRETCH)
    assert np.abs(centres).max() <= limit * (1 + np.sin(policies.ROTATION))


def test_size_of_things_stays_within_the_limits():
    pixels = np.full((48, 48, 3), 255, np.uint8)
    pixels[16:32, 16:32] = 0
    function = tf.function(light)
    views = np.stack([function(tf.constant(pixels), seed(n)) for n in range(200)])
    area = (1 - views[..., 0] / 255.0).sum((1, 2)) / 16**2
    low, high = policies.SCALE
    assert 0.95 / high**2 <= area.min() and area.max() <= 1.05 / low**2


def test_things_get_larger_and_smaller():
    pixels = np.full((48, 48, 3), 255, np.uint8)
    pixels[16:32, 16:32] = 0
    function = tf.function(light)
    views = np.stack([function(tf.constant(pixels), seed(n)) for n in range(100)])
    area = (1 - views[..., 0] / 255.0).sum((1, 2)) / 16**2
    assert area.min() < 0.9 and area.max() > 1.2


def test_view_inside_a_parallel_dataset_is_the_same():
    numbers = tf.data.Dataset.range(20, output_type=tf.int32)
    views = numbers.map(
        lambda n: light(picture(), tf.stack([n, 7])), num_parallel_calls=4
    )
    found = [digest(view) for view in views]
    assert found == [digest(compiled(picture(), seed(n))) for n in range(20)]


def test_policy_without_flips_never_mirrors():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :16] = 255
    function = tf.function(no_flip)
    for seed in range(40):
        view = function(tf.constant(image), tf.constant([seed, 7])).numpy()
        assert view[:, :8].mean() > view[:, -8:].mean() + 100


@pytest.mark.parametrize("value", [0, 255])
def test_policy_without_flips_repeats_the_edge(value):
    image = tf.fill((32, 32, 3), tf.constant(value, tf.uint8))
    for seed in range(5):
        assert (no_flip(image, tf.constant([seed, 7])).numpy() == value).all()


def test_policy_without_flips_changes_the_image():
    assert not np.array_equal(no_flip(picture(), tf.constant([3, 7])), picture())


CHANGING = sorted(set(POLICIES) - {"none"})


@functools.cache
def drawing(name, flip=True):
    """Returns a policy's function, traced once a test session."""
    return tf.function(policy(name, flip=flip))


def draw(name, image, count, flip=True):
    function = drawing(name, flip)
    return np.stack([function(image, seed(number)).numpy() for number in range(count)])


def rough_on_the_left():
    """Returns a picture that is noise on the left and one colour on the right.

    No change of colours makes the noise plain, or the plain half noise.
    """
    noise = np.random.RandomState(3).randint(60, 140, (16, 8, 3))
    pixels = np.full((32, 32, 3), 100)
    pixels[:, :16] = np.kron(noise, np.ones((2, 2, 1)))
    return tf.constant(pixels, tf.uint8)


def mirrored(views):
    """Tells which views are rougher on the right than on the left."""
    roughness = np.abs(np.diff(views.astype(int), axis=1)).mean(axis=(1, 3))
    third = views.shape[2] // 3
    return roughness[:, -third:].mean(axis=1) > roughness[:, :third].mean(axis=1)


@pytest.mark.parametrize("name", CHANGING)
def test_every_policy_draws_the_same_view_of_the_same_seed(name):
    first = draw(name, picture(), 5)
    tf.random.set_seed(9)
    np.testing.assert_array_equal(draw(name, picture(), 5), first)


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("workers", [1, 3])
def test_views_do_not_depend_on_their_order_or_the_number_of_workers(name, workers):
    back = tf.data.Dataset.range(19, -1, -1, output_type=tf.int32)
    views = back.map(
        lambda number: policy(name)(picture(), tf.stack([number, 7])),
        num_parallel_calls=workers,
        deterministic=True,
    )
    found = np.stack([view.numpy() for view in views])[::-1]
    np.testing.assert_array_equal(found, draw(name, picture(), 20))


@pytest.mark.slow
def test_another_process_draws_the_same_views_of_every_policy():
    program = f"""
import hashlib
import numpy as np
import tensorflow as tf
from tl_keras.datasets.augmentation.policies import POLICIES
values = np.random.RandomState(0).randint(0, 256, ({SIDE}, {SIDE}, 3))
for name in sorted(POLICIES):
    function = tf.function(POLICIES[name])
    for number in range(30):
        view = function(tf.constant(values, tf.uint8), tf.constant([number, 7]))
        print(name, hashlib.sha256(view.numpy().tobytes()).hexdigest())
"""
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.splitlines() == [
        f"{name} {hashlib.sha256(view.tobytes()).hexdigest()}"
        for name in sorted(POLICIES)
        for view in draw(name, picture(), 30)
    ]


@pytest.mark.parametrize(
    ("name", "least"), [("standard", 50), ("alexnet", 50), ("randaugment", 30)]
)
def test_other_seeds_give_other_views_of_every_policy(name, least):
    # Two operations of fourteen may well be the same two, or nothing at all.
    assert len({view.tobytes() for view in draw(name, picture(), 50)}) >= least


@pytest.mark.parametrize("name", CHANGING)
def test_without_flips_no_view_is_nearer_to_the_mirror_image(name):
    assert not mirrored(draw(name, rough_on_the_left(), 200, flip=False)).any()


@pytest.mark.parametrize("name", sorted(policies.MIRRORING))
def test_with_flips_half_of_the_views_are_nearer_to_the_mirror_image(name):
    count = 200
    flipped = mirrored(draw(name, rough_on_the_left(), count)).sum()
    # Four standard deviations of a fair coin.
    assert abs(flipped - count / 2) <= 4 * (count / 4) ** 0.5


def test_policies_that_do_not_mirror_are_the_same_without_flips():
    for name in set(POLICIES) - policies.MIRRORING:
        assert policy(name, flip=False) is POLICIES[name]
        assert not policies.unmirrored(name, flip=False)


def test_unknown_policy_is_answered_with_the_nearest():
    with pytest.raises(
        UsageError, match="policy 'randaug'. Did you mean 'randaugment'"
    ):
        policy("randaug")


def test_standard_shows_no_seam_on_a_white_background():
    white = tf.fill((SIDE, SIDE, 3), tf.constant(255, tf.uint8))
    box = np.rint(policies.IMAGENET_MEAN).astype(np.uint8)
    for view in draw("standard", white, 60):
        colours = {tuple(colour) for colour in view.reshape(-1, 3)}
        assert len(colours - {tuple(box)}) == 1


def test_standard_lets_something_in_at_turned_corners_only():
    grey = tf.fill((SIDE, SIDE, 3), tf.constant(100, tf.uint8))
    views = draw("standard", grey, 60).astype(int)
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 1)
    corner = np.abs(views[:, 0, 0] - views[:, middle, middle].max(axis=(1, 2)))
    assert (corner.max(axis=1) > 30).mean() > 0.2


def test_standard_erases_half_of_the_views():
    black = tf.zeros((SIDE, SIDE, 3), tf.uint8)
    box = np.rint(policies.IMAGENET_MEAN).astype(np.uint8)
    erased = (draw("standard", black, 300) == box).all(axis=-1).any(axis=(1, 2))
    assert abs(erased.sum() - 150) <= 4 * (300 / 4) ** 0.5


def test_alexnet_lets_nothing_in_at_the_borders():
    grey = tf.fill((SIDE, SIDE, 3), tf.constant(100, tf.uint8))
    views = draw("alexnet", grey, 50)
    np.testing.assert_array_equal(views, views[:, :1, :1] + np.zeros_like(views))


def test_alexnet_shows_seven_eighths_of_the_side():
    ramp = np.broadcast_to(np.arange(64)[:, np.newaxis, np.newaxis], (64, 64, 3))
    views = draw("alexnet", tf.constant(ramp, tf.uint8), 40, flip=False).astype(float)
    # Far from the borders, whose half pixel the enlarging repeats.
    shown = (views[:, 56].mean(axis=(1, 2)) - views[:, 8].mean(axis=(1, 2))) / 48
    assert shown == pytest.approx(np.full(40, 7 / 8), abs=0.03)


def test_randaugment_lets_white_in():
    grey = tf.fill((SIDE, SIDE, 3), tf.constant(100, tf.uint8))
    assert (draw("randaugment", grey, 50) == 255).all(axis=-1).any()
