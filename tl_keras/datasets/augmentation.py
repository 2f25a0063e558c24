"""Random changes of training images: the same picture, seen a little differently.

Stateless ops with a seed made from the picture and the number of the view: the
pixels are the same whatever the order, the process or the number of workers.
"""

import math
from collections.abc import Callable

import tensorflow as tf

# Limits of the policy `light`: a small camera movement.
ROTATION = math.radians(10)
SCALE = (0.8, 1.15)
STRETCH = 0.05
SHIFT = 0.09

Policy = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def none(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the image as it is."""
    del seed
    return image


def light(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips, turns by up to 10 degrees, scales by 0.87 to 1.25 and shifts by 9 %.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. White comes in at the borders.
    """
    flip_seed, move_seed = tf.unstack(tf.random.split(seed, 2))
    image = tf.image.stateless_random_flip_left_right(image, flip_seed)
    return _move(image, move_seed, "CONSTANT")


def no_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Does what `light` does, but never mirrors: for digits, letters, signs.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`. The image's edge is repeated beyond it.
    """
    _, move_seed = tf.unstack(tf.random.split(seed, 2))
    return _move(image, move_seed, "NEAREST")


def _move(image: tf.Tensor, seed: tf.Tensor, fill_mode: str) -> tf.Tensor:
    """Turns, scales and shifts an image at random."""
    side = image.shape[0]
    draws = tf.random.stateless_uniform((5,), seed, -1.0, 1.0)
    angle, zoom, stretch, right, down = tf.unstack(draws)
    low, high = SCALE
    zoom = (low + high) / 2 + (high - low) / 2 * zoom
    transform = _affine(
        angle=angle * ROTATION,
        across=zoom * (1 + stretch * STRETCH),
        along=zoom * (1 - stretch * STRETCH),
        shift=(right * SHIFT * side, down * SHIFT * side),
        side=side,
    )
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=(side, side),
        fill_value=255.0,
        interpolation="BILINEAR",
        fill_mode=fill_mode,
    )[0]
    return tf.cast(tf.round(moved), tf.uint8)


def _affine(
    *,
    angle: tf.Tensor,
    across: tf.Tensor,
    along: tf.Tensor,
    shift: tuple[tf.Tensor, tf.Tensor],
    side: int,
) -> tf.Tensor:
    """Returns where each output pixel comes from, turned about the image's centre.

    The eight numbers of `ImageProjectiveTransformV3`: `x' = a0 x + a1 y + a2`,
    `y' = b0 x + b1 y + b2`, and two zeros.
    """
    centre = (side - 1) / 2
    a0, a1 = tf.cos(angle) * across, -tf.sin(angle) * along
    b0, b1 = tf.sin(angle) * across, tf.cos(angle) * along
    a2 = centre - (a0 + a1) * centre + shift[0]
    b2 = centre - (b0 + b1) * centre + shift[1]
    zero = tf.zeros(())
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero])


POLICIES: dict[str, Policy] = {"none": none, "light": light, "no_flip": no_flip}
