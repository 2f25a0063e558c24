"""From an image of any shape to the square that a network takes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import tensorflow as tf

from tl_keras.sections import Data

WHITE = (255, 255, 255)
CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class Square:
    """What images are made of before a network sees them.

    Attributes:
        side: In pixels.
        resize: A key of `WAYS`.
        background: RGB in [0, 255]: lies under transparent pixels, and around the
            image where `resize` is `pad`.
    """

    side: int
    resize: str = "squash"
    background: tuple[int, ...] = WHITE

    @classmethod
    def of(cls, data: Data, side: int) -> Self:
        """Returns what a config asks for; the only place that reads it.

        Args:
            data: The config's section.
            side: In pixels: `backbone.image_size`, once that is settled.
        """
        background = tuple(data.background)
        return cls(side=side, resize=data.resize, background=background)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(side, side, 3)`."""
        return self.side, self.side, CHANNELS

    @property
    def bytes(self) -> int:
        """Of the pixels of one."""
        return math.prod(self.shape)

    def fill(self, image: tf.Tensor) -> tf.Tensor:
        """Resizes an image to the square, antialiased.

        Args:
            image: uint8 RGB in [0, 255], `(height, width, 3)`, upright.

        Returns:
            uint8 RGB in [0, 255], `shape`.
        """
        return tf.ensure_shape(WAYS[self.resize](image, self), self.shape)

    def shrinks_by(self, sides: tf.Tensor) -> tf.Tensor:
        """Returns how much smaller an image becomes, on the side that loses least.

        Args:
            sides: int32, `(2,)`, in pixels.

        Returns:
            Scalar float32; below 1 where the image grows.
        """
        # The whole of a padded image is seen, at one scale; in the two other ways the
        # shorter side fills the square.
        whole = self.resize == "pad"
        measured = tf.reduce_max(sides) if whole else tf.reduce_min(sides)
        return tf.cast(measured, tf.float32) / self.side


def _squash(image: tf.Tensor, square: Square) -> tf.Tensor:
    """Changes the aspect ratio."""
    return _resize(image, (square.side, square.side))


def _crop(image: tf.Tensor, square: Square) -> tf.Tensor:
    """Takes the centre of the longer side."""
    shape = tf.shape(image)[:2]
    start = (shape - tf.reduce_min(shape)) // 2
    end = start + tf.reduce_min(shape)
    return _squash(image[start[0] : end[0], start[1] : end[1]], square)


def _pad(image: tf.Tensor, square: Square) -> tf.Tensor:
    """Takes the whole image and fills up at both ends of the shorter side."""
    shape = tf.shape(image)[:2]
    scale = square.side / tf.reduce_max(shape)
    size = tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32)
    image = _resize(image, tf.maximum(size, 1))
    missing = square.side - tf.shape(image)
    before = missing // 2
    ends = tf.stack([before, missing - before], axis=1) * [[1], [1], [0]]
    # `tf.pad` has one value for all channels.
    background = tf.constant(square.background, tf.int16)
    padded = tf.pad(tf.cast(image, tf.int16) - background, ends) + background
    return tf.cast(padded, tf.uint8)


WAYS: dict[str, Callable[[tf.Tensor, Square], tf.Tensor]] = {
    "squash": _squash,
    "crop": _crop,
    "pad": _pad,
}


def _resize(image: tf.Tensor, size: tf.Tensor | tuple[int, int]) -> tf.Tensor:
    """Resizes by the mean of the area that a pixel covers, or bilinearly.

    The mean is for images that shrink. On photographs it is nearer to a Lanczos
    filter than the antialiased bilinear filter is, by a fifth to a quarter, at every
    scale, and takes a quarter of its time. A side that grows is interpolated.
    """
    shrinks = tf.reduce_all(tf.shape(image)[:2] >= size)
    resized = tf.cond(
        shrinks,
        lambda: tf.image.resize(image, size, tf.image.ResizeMethod.AREA),
        lambda: tf.image.resize(image, size, antialias=True),
    )
    return tf.cast(tf.round(resized), tf.uint8)
