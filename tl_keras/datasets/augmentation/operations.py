"""The operations of RandAugment (Cubuk et al., 2020): arxiv.org/abs/1909.13719.

`keras.layers.RandAugment` cannot be taken: it draws from a generator of its own, runs
all operations to keep one, and its strengths are not the paper's (at 0.3 it turns by
up to 108 degrees).
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from tl_keras.datasets.augmentation import colours, geometry

# What the paper finds best for ResNet-50 on ImageNet, on its scale from 0 to 30.
OPERATIONS, MAGNITUDE, GREATEST = 2, 9, 30

# What magnitude 30 means: table 6 of AutoAugment (https://arxiv.org/abs/1805.09501),
# which has the shifts in pixels of 331.
ROTATION = math.radians(30)
SHEAR = 0.3
SHIFT = 150 / 331
BLEND = 0.9
LOST_BITS = 4

# From an image, float32 `(side, side, 3)` in [0, 255], and a strength in [-1, 1].
Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def apply_some(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Applies `OPERATIONS` of the paper's list, one behind the other.

    Args:
        image: uint8 in [0, 255], `(side, side, 3)`.
        seed: int32, `(2,)`. Of which operations, and of the sign of their strength.

    Returns:
        float32 in [0, 255]. White comes in at the borders.
    """
    image = tf.cast(image, tf.float32)
    kind_seed, sign_seed = tf.unstack(tf.random.split(seed, 2))
    count = len(PAPERS_LIST)
    kinds = tf.random.stateless_uniform((OPERATIONS,), kind_seed, 0, count, tf.int32)
    signs = tf.random.stateless_uniform((OPERATIONS,), sign_seed, -1.0, 1.0)
    strengths = tf.sign(signs) * MAGNITUDE / GREATEST
    for kind, strength in zip(tf.unstack(kinds), tf.unstack(strengths)):
        image = _apply(image, kind, strength)
    return image


@tf.function
def _apply(image: tf.Tensor, kind: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Applies one operation; only the chosen one runs."""
    branches = [
        lambda operation=operation: tf.ensure_shape(
            operation(image, strength), image.shape
        )
        for operation in PAPERS_LIST.values()
    ]
    return tf.clip_by_value(tf.switch_case(kind, branches), 0.0, 255.0)


def _identity(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Returns the image as it is."""
    del strength
    return image


def _auto_contrast(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Stretches each colour to [0, 255]."""
    del strength
    # Whatever the precision policy of the network: pixels need 8 bits.
    layer = keras.layers.AutoContrast((0, 255), dtype="float32")
    return layer(image[tf.newaxis])[0]


def _equalize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Makes each colour's values equally frequent."""
    del strength
    layer = keras.layers.Equalization((0, 255), dtype="float32")
    return layer(tf.round(image)[tf.newaxis])[0]


def _solarize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Turns what is brighter than a threshold into its negative."""
    threshold = 256 * (1 - tf.abs(strength))
    return tf.where(image < threshold, image, 255 - image)


def _posterize(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Sets the lowest bits to 0."""
    step = 2 ** tf.round(LOST_BITS * tf.abs(strength))
    return tf.floor(tf.round(image) / step) * step


def _colour(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Changes the saturation."""
    return colours.adjust(image, saturation=1 + BLEND * strength)


def _contrast(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Changes the contrast."""
    return colours.adjust(image, contrast=1 + BLEND * strength)


def _brightness(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Changes the brightness."""
    return colours.adjust(image, brightness=1 + BLEND * strength)


def _sharpness(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Blends the image with a smooth one, or moves it away from that."""
    # Pillow's SMOOTH. `keras.layers.RandomSharpness` pads with black: dark borders.
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13
    kernel = tf.tile(kernel[..., tf.newaxis, tf.newaxis], (1, 1, 3, 1))
    padded = tf.pad(image, ((1, 1), (1, 1), (0, 0)), "SYMMETRIC")[tf.newaxis]
    smooth = tf.nn.depthwise_conv2d(padded, kernel, (1, 1, 1, 1), "VALID")[0]
    return smooth + (1 + BLEND * strength) * (image - smooth)


def _rotate(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Turns about the centre."""
    one = tf.ones(())
    return geometry.warp(
        image, geometry.turned(ROTATION * strength, one, one), (0.0, 0.0)
    )


def _shear_x(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Moves each row sideways, the farther from the centre the more."""
    return geometry.warp(image, (1.0, SHEAR * strength, 0.0, 1.0), (0.0, 0.0))


def _shear_y(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Moves each column up or down, the farther from the centre the more."""
    return geometry.warp(image, (1.0, 0.0, SHEAR * strength, 1.0), (0.0, 0.0))


def _shift_x(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Moves sideways."""
    return _shift(image, SHIFT * strength, 0.0)


def _shift_y(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Moves up or down."""
    return _shift(image, 0.0, SHIFT * strength)


def _shift(
    image: tf.Tensor, right: tf.Tensor | float, down: tf.Tensor | float
) -> tf.Tensor:
    """Moves by shares of the side."""
    side = image.shape[0]
    return geometry.warp(image, (1.0, 0.0, 0.0, 1.0), (right * side, down * side))


# Section 3 of the paper, in its order.
PAPERS_LIST: dict[str, Operation] = {
    "identity": _identity,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "rotate": _rotate,
    "solarize": _solarize,
    "color": _colour,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _shift_x,
    "translate_y": _shift_y,
}
