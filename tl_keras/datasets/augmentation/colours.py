"""Colours of an image: linear changes of every pixel, in one step.

Seeds are int32, `(2,)`; images are `(side, side, 3)` in [0, 255].
"""

import tensorflow as tf

# ITU-R BT.601: shares of red, green and blue in what the eye takes for brightness.
GREY = (0.299, 0.587, 0.114)

# Principal components of ImageNet's RGB values in [0, 1], one a column, and their
# eigenvalues. The AlexNet paper prints none; these were published with
# fb.resnet.torch (2016), "computed from random subset of ImageNet training images".
COMPONENTS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
EIGENVALUES = (0.2175, 0.0188, 0.0045)


def adjust(
    image: tf.Tensor,
    *,
    brightness: tf.Tensor | float = 1.0,
    contrast: tf.Tensor | float = 1.0,
    saturation: tf.Tensor | float = 1.0,
) -> tf.Tensor:
    """Blends an image with black, with its mean grey and with its grey picture.

    One product with a 3x3 matrix, where `tf.image.adjust_saturation` alone would go
    to HSV and back and take as long as a warp.

    Args:
        image: float32.
        brightness: Share of the image, beside black; above 1 it is brighter.
        contrast: Share of the image, beside its mean grey.
        saturation: Share of the image, beside its grey picture.

    Returns:
        float32, clipped to [0, 255].
    """
    grey = tf.constant(GREY)
    mean = tf.tensordot(tf.reduce_mean(image, axis=(0, 1)), grey, 1)
    # A row of pixels times this: each colour's own share, and the grey's for all.
    mixed = saturation * tf.eye(3) + (1 - saturation) * grey[:, tf.newaxis]
    pixels = tf.reshape(image, (-1, 3)) @ (brightness * contrast * mixed)
    pixels += brightness * (1 - contrast) * mean
    return tf.clip_by_value(tf.reshape(pixels, image.shape), 0.0, 255.0)


def jitter(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Draws brightness, contrast and saturation from `1 - strength` to `1 + strength`.

    The hue stays: to many classes it belongs.

    Args:
        image: float32.
        seed: Of the three factors.
        strength: In [0, 1].

    Returns:
        float32 in [0, 255].
    """
    draws = tf.random.stateless_uniform((3,), seed, 1 - strength, 1 + strength)
    brightness, contrast, saturation = tf.unstack(draws)
    return adjust(
        image, brightness=brightness, contrast=contrast, saturation=saturation
    )


def component_noise(image: tf.Tensor, seed: tf.Tensor, deviation: float) -> tf.Tensor:
    """Adds one random multiple of each principal component to the whole image.

    Krizhevsky et al. (2012), section 4.1: a change of the light's colour and strength.

    Args:
        image: float32.
        seed: Of the three multiples.
        deviation: Standard deviation of the multiples, in eigenvalues.

    Returns:
        float32, clipped to [0, 255].
    """
    shares = tf.random.stateless_normal((3,), seed, stddev=deviation)
    noise = tf.linalg.matvec(tf.constant(COMPONENTS), shares * EIGENVALUES)
    return tf.clip_by_value(image + 255 * noise, 0.0, 255.0)
