"""Where things lie in an image: warps, crops and boxes, by numbers drawn before.

Seeds are int32, `(2,)`; images are `(side, side, 3)` in [0, 255].
"""

import tensorflow as tf

Coefficients = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]

WHITE, EDGE = "CONSTANT", "NEAREST"


def turned(angle: tf.Tensor, across: tf.Tensor, along: tf.Tensor) -> Coefficients:
    """Returns the map that turns by `angle` radians and scales both axes."""
    return (
        tf.cos(angle) * across,
        -tf.sin(angle) * along,
        tf.sin(angle) * across,
        tf.cos(angle) * along,
    )


def warp(
    image: tf.Tensor,
    coefficients: Coefficients,
    shift: tuple[tf.Tensor, tf.Tensor],
    fill: str = WHITE,
) -> tf.Tensor:
    """Takes each pixel from a linear map of its place, about the image's centre.

    Args:
        image: uint8 or float32.
        coefficients: `a0, a1, b0, b1` of `x' = a0 x + a1 y`, `y' = b0 x + b1 y`.
        shift: Right and down, in pixels, added to `x'` and `y'`.
        fill: `WHITE` lets white in beyond the borders, `EDGE` repeats the edge.

    Returns:
        float32 in [0, 255], interpolated bilinearly.
    """
    side = image.shape[0]
    centre = (side - 1) / 2
    a0, a1, b0, b1 = coefficients
    a2 = centre - (a0 + a1) * centre + shift[0]
    b2 = centre - (b0 + b1) * centre + shift[1]
    zero = tf.zeros(())
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[tf.newaxis],
        transforms=tf.stack([a0, a1, a2, b0, b1, b2, zero, zero])[tf.newaxis],
        output_shape=(side, side),
        fill_value=255.0,
        interpolation="BILINEAR",
        fill_mode=fill,
    )[0]


def box(
    draws: tf.Tensor, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns height and width of a box, as shares of the image's side.

    Not `tf.image.stateless_sample_distorted_bounding_box`: that takes the whole image
    where a few attempts find no box, which an erased box must never be.

    Args:
        draws: Two numbers in [0, 1).
        area: Least and greatest share of the image's area.
        ratio: Least and greatest height by width; its logarithm is uniform. A side
            beyond the image's is cut, which leaves the area above `1 / ratio[1]`.
    """
    low, high = area
    share = low + (high - low) * draws[0]
    low, high = tf.math.log(ratio[0]), tf.math.log(ratio[1])
    shape = tf.exp(low + (high - low) * draws[1])
    height, width = tf.sqrt(share * shape), tf.sqrt(share / shape)
    return tf.minimum(height, 1.0), tf.minimum(width, 1.0)


def crop_and_turn(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    area: tuple[float, float],
    ratio: tuple[float, float],
    rotation: float,
) -> tf.Tensor:
    """Shows a random box of the image, turned about its centre, on the whole square.

    Both at once: the image is interpolated once. White comes in at turned corners.

    Args:
        image: uint8 or float32.
        seed: Of the box and the angle.
        area: See `box`.
        ratio: See `box`.
        rotation: Greatest angle, in radians.

    Returns:
        float32 in [0, 255].
    """
    draws = tf.random.stateless_uniform((5,), seed)
    height, width = box(draws[:2], area, ratio)
    angle = rotation * (2 * draws[2] - 1)
    right, down = (draws[3] - 0.5) * (1 - width), (draws[4] - 0.5) * (1 - height)
    side = image.shape[0]
    return warp(image, turned(angle, width, height), (right * side, down * side))


def erase(
    image: tf.Tensor,
    seed: tf.Tensor,
    *,
    probability: float,
    area: tuple[float, float],
    ratio: tuple[float, float],
    colour: tuple[float, float, float],
) -> tf.Tensor:
    """Paints over a random box of some images (Zhong et al., 2020).

    https://arxiv.org/abs/1708.04896

    Args:
        image: float32.
        seed: Of the box, and of whether there is one.
        probability: Share of the images with a box.
        area: See `box`.
        ratio: See `box`.
        colour: Red, green and blue in [0, 255].

    Returns:
        float32 in [0, 255].
    """
    side = image.shape[0]
    draws = tf.random.stateless_uniform((5,), seed)
    sides = tf.stack(box(draws[:2], area, ratio))
    sides = tf.maximum(tf.round(sides * side), 1.0)
    starts = tf.floor(draws[2:4] * (side - sides + 1))
    places = tf.range(side, dtype=tf.float32)[tf.newaxis]
    begins, ends = starts[:, tf.newaxis], (starts + sides)[:, tf.newaxis]
    down, across = tf.unstack((places >= begins) & (places < ends))
    inside = down[:, tf.newaxis] & across & (draws[4] < probability)
    return tf.where(inside[..., tf.newaxis], tf.constant(colour), image)
