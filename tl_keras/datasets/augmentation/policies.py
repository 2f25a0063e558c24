"""Random changes of training images: the same picture, seen a little differently.

Stateless ops with a seed made from the picture and the number of the view: the
pixels are the same whatever the order, the process or the number of workers. Keras's
`Random*` layers draw from a generator instead, whose state the order decides.
"""

import math
from collections.abc import Callable
from functools import partial

import tensorflow as tf

from tl_keras.datasets.augmentation import colours, geometry, operations
from tl_keras.registry import lookup

# Limits of the policy `light`: a small camera movement.
ROTATION = math.radians(10)
SCALE = (0.8, 1.15)
STRETCH = 0.05
SHIFT = 0.09

# Limits of the policy `standard`. Half of the area at least: pretrained features
# learn from few images, which must stay what they are called.
CROP_AREA, CROP_RATIO = (0.5, 1.0), (3 / 4, 4 / 3)
JITTER = 0.3
ERASED, ERASED_AREA, ERASED_RATIO = 0.5, (0.02, 0.2), (0.3, 1 / 0.3)
IMAGENET_MEAN = (123.675, 116.28, 103.53)

# AlexNet, section 4.1: crops of 224 pixels from 256, colour noise of this deviation.
ALEXNET_CROP = 224 / 256
ALEXNET_NOISE = 0.1

# From an image, uint8 `(side, side, 3)`, and a seed, int32 `(2,)`, to a view of it.
Policy = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def policy(name: str, *, flip: bool = True) -> Policy:
    """Returns the function that draws a policy's views.

    Args:
        name: A key of `POLICIES`.
        flip: Whether the policy may mirror images.

    Raises:
        UsageError: If the policy is unknown.
    """
    chosen = lookup(POLICIES, name, "augmentation policy")
    return partial(chosen, flip=False) if unmirrored(name, flip) else chosen


def unmirrored(name: str, flip: bool) -> bool:
    """Tells whether a policy that mirrors images is kept from doing so."""
    return name in MIRRORING and not flip


def none(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the image as it is."""
    del seed
    return image


def light(image: tf.Tensor, seed: tf.Tensor, *, flip: bool = True) -> tf.Tensor:
    """Flips, turns by up to 10 degrees, scales by 0.87 to 1.25 and shifts by 9 %.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.
        flip: Whether half of the views are mirrored.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. White comes in at the borders.
    """
    flip_seed, move_seed = tf.unstack(tf.random.split(seed, 2))
    image = _mirror(image, flip_seed, flip)
    return _move(image, move_seed, geometry.WHITE)


def no_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Does what `light` does, but never mirrors: for digits, letters, signs.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. The image's edge is repeated beyond it.
    """
    _, move_seed = tf.unstack(tf.random.split(seed, 2))
    return _move(image, move_seed, geometry.EDGE)


def standard(image: tf.Tensor, seed: tf.Tensor, *, flip: bool = True) -> tf.Tensor:
    """Crops, flips, turns by up to 10 degrees, changes colours and erases a box.

    The crop has 50 to 100 % of the area and sides of 3:4 to 4:3; brightness, contrast
    and saturation change by up to 30 %; half of the views lose a box of 2 to 20 % of
    the area to ImageNet's mean colour.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.
        flip: Whether half of the views are mirrored.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. White comes in at turned corners; it
        changes with the colours, so that a white background shows no seam.
    """
    seeds = tf.unstack(tf.random.split(seed, 4))
    image = _mirror(image, seeds[0], flip)
    image = geometry.crop_and_turn(
        image, seeds[1], area=CROP_AREA, ratio=CROP_RATIO, rotation=ROTATION
    )
    image = colours.jitter(image, seeds[2], JITTER)
    image = geometry.erase(
        image,
        seeds[3],
        probability=ERASED,
        area=ERASED_AREA,
        ratio=ERASED_RATIO,
        colour=IMAGENET_MEAN,
    )
    return _pixels(image)


def alexnet(image: tf.Tensor, seed: tf.Tensor, *, flip: bool = True) -> tf.Tensor:
    """Crops, flips and adds colour noise: what AlexNet was trained with.

    Krizhevsky et al. (2012), section 4.1. The crop, 7/8 of the side, is enlarged to
    the whole square: the paper has images of 256 pixels for a network of 224, here
    both have one size.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.
        flip: Whether half of the views are mirrored.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. Nothing comes in at the borders.
    """
    side = image.shape[0]
    crop = round(side * ALEXNET_CROP)
    crop_seed, flip_seed, noise_seed = tf.unstack(tf.random.split(seed, 3))
    image = tf.image.stateless_random_crop(image, (crop, crop, 3), crop_seed)
    image = _mirror(image, flip_seed, flip)
    image = tf.image.resize(image, (side, side))
    return _pixels(colours.component_noise(image, noise_seed, ALEXNET_NOISE))


def randaugment(image: tf.Tensor, seed: tf.Tensor, *, flip: bool = True) -> tf.Tensor:
    """Flips, and applies 2 of RandAugment's 14 operations at magnitude 9 of 30.

    Without the crops that the paper has before it: the shifts of its list stand for
    them. See `augmentation.operations`.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.
        flip: Whether half of the views are mirrored.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. White comes in at the borders.
    """
    flip_seed, change_seed = tf.unstack(tf.random.split(seed, 2))
    image = _mirror(image, flip_seed, flip)
    return _pixels(operations.apply_some(image, change_seed))


def _mirror(image: tf.Tensor, seed: tf.Tensor, flip: bool) -> tf.Tensor:
    """Mirrors half of the images, if images may be mirrored."""
    return tf.image.stateless_random_flip_left_right(image, seed) if flip else image


def _move(image: tf.Tensor, seed: tf.Tensor, fill: str) -> tf.Tensor:
    """Turns, scales and shifts an image at random."""
    side = image.shape[0]
    draws = tf.random.stateless_uniform((5,), seed, -1.0, 1.0)
    angle, zoom, stretch, right, down = tf.unstack(draws)
    low, high = SCALE
    zoom = (low + high) / 2 + (high - low) / 2 * zoom
    coefficients = geometry.turned(
        angle * ROTATION,
        zoom * (1 + stretch * STRETCH),
        zoom * (1 - stretch * STRETCH),
    )
    shift = right * SHIFT * side, down * SHIFT * side
    return _pixels(geometry.warp(image, coefficients, shift, fill))


def _pixels(image: tf.Tensor) -> tf.Tensor:
    """Returns whole pixel values of an image in [0, 255]."""
    return tf.cast(tf.round(image), tf.uint8)


POLICIES: dict[str, Policy] = {
    "none": none,
    "light": light,
    "no_flip": no_flip,
    "standard": standard,
    "alexnet": alexnet,
    "randaugment": randaugment,
}
# Those that mirror half of the views where they may.
MIRRORING = frozenset({"light", "standard", "alexnet", "randaugment"})
