"""How many pixels a file claims to have, read inside the TensorFlow graph.

Decoders make room for what a header says before they read on: a file of some kilobytes
can ask for gigabytes.
"""

from functools import partial

import tensorflow as tf

from tl_keras.datasets import formats

# GIF89a, sections 20 and 24 to 26: what a block starts with, and where it goes on. An
# image's block has its sides in bytes 5 to 8, and tells of its colours in byte 9.
GIF_IMAGE, GIF_EXTENSION = 0x2C, 0x21
GIF_IMAGE_BYTES, GIF_EXTENSION_BYTES = 10, 2
GIF_SIDES, GIF_IMAGE_PACKED = 5, 9
# While a GIF is read each frame takes a byte a pixel, the picture made of it three.
CHANNELS = 3
# A side of a WebP has 14 bits.
WEBP_SIDE = 1 << 14


def pixels_of(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns the pixels that a file's header claims, scalar int64.

    Args:
        image_bytes: Scalar string, the content of a file.

    Raises:
        tf.errors.InvalidArgumentError: If a JPEG has no readable header. Of what is no
            image it is 0.
    """
    claims = {
        "JPEG": _of_jpeg,
        "PNG": _of_png,
        "WEBP": _of_webp,
        "BMP": _of_bmp,
        "GIF": _of_gif,
    }
    branches = [lambda: tf.constant(0, tf.int64)]
    branches += [partial(claims[name], image_bytes) for name in formats.MAGIC]
    return tf.switch_case(formats.number_of(image_bytes), branches)


def _of_jpeg(jpeg: tf.Tensor) -> tf.Tensor:
    """Lets TensorFlow look for the frame's header."""
    sides = tf.io.extract_jpeg_shape(jpeg)[:2]
    return tf.reduce_prod(tf.cast(sides, tf.int64))


def _of_png(png: tf.Tensor) -> tf.Tensor:
    """Reads the first chunk: PNG, section 11.2.1."""
    data = _numbers(formats.header(png))
    return _number(data[19:15:-1]) * _number(data[23:19:-1])


def _of_webp(webp: tf.Tensor) -> tf.Tensor:
    """Reads what a lossy, a lossless or an extended file starts with."""
    start = formats.header(webp)
    data, kind = _numbers(start), tf.strings.substr(start, 12, 4)
    lossy = _low(_number(data[26:28])) * _low(_number(data[28:30]))
    bits = _number(data[21:25])
    lossless = (_low(bits) + 1) * (_low(bits // WEBP_SIDE) + 1)
    extended = (_number(data[24:27]) + 1) * (_number(data[27:30]) + 1)
    return tf.where(
        kind == b"VP8X", extended, tf.where(kind == b"VP8L", lossless, lossy)
    )


def _of_bmp(bmp: tf.Tensor) -> tf.Tensor:
    """Reads the information header; a height below 0 stands for rows from the top."""
    data = _numbers(formats.header(bmp))
    width, height = _number(data[18:22]), _number(data[22:26])
    return width * tf.minimum(height, (1 << 32) - height)


def _of_gif(gif: tf.Tensor) -> tf.Tensor:
    """Goes through the blocks: the largest frame, or all where they are many."""
    # Zeros behind the end stop every walk.
    data = tf.concat([tf.io.decode_raw(gif, tf.uint8), tf.zeros(16, tf.uint8)], 0)
    end = tf.size(data) - 16
    zero = tf.constant(0, tf.int64)

    def more(position: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        marker = data[tf.minimum(position, end)]
        is_block = (marker == GIF_IMAGE) | (marker == GIF_EXTENSION)
        return (position < end) & is_block

    def step(
        position: tf.Tensor, largest: tf.Tensor, total: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        is_image = data[position] == GIF_IMAGE
        head = _numbers_at(data, position)
        sides = head[GIF_SIDES : GIF_SIDES + 2], head[GIF_SIDES + 2 : GIF_SIDES + 4]
        pixels = tf.where(is_image, _number(sides[0]) * _number(sides[1]), zero)
        table = formats.gif_table_bytes(tf.cast(head[GIF_IMAGE_PACKED], tf.int32))
        # Behind an image's colours stands one byte of its own.
        image = GIF_IMAGE_BYTES + table + 1
        position = position + tf.where(is_image, image, GIF_EXTENSION_BYTES)
        position = _behind_parts(data, position, end)
        return position, tf.maximum(largest, pixels), total + pixels

    start = formats.GIF_HEADER_BYTES + formats.gif_table_bytes(
        formats.byte(formats.header(gif), formats.GIF_PACKED)
    )
    _, largest, total = tf.while_loop(more, step, (start, zero, zero))
    return tf.maximum(largest, total // CHANNELS)


def _behind_parts(data: tf.Tensor, position: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Returns where a GIF's parts end: each begins with its length, the last is 0."""

    def length(position: tf.Tensor) -> tf.Tensor:
        return tf.cast(data[tf.minimum(position, end)], tf.int32)

    (position,) = tf.nest.flatten(
        tf.while_loop(
            lambda position: length(position) > 0,
            lambda position: [position + length(position) + 1],
            [position],
        )
    )
    return position + 1


def _low(number: tf.Tensor) -> tf.Tensor:
    """Returns the lowest 14 bits of a number."""
    return number % WEBP_SIDE


def _numbers(header: tf.Tensor) -> tf.Tensor:
    """Returns a header's bytes as int64."""
    return tf.cast(tf.io.decode_raw(header, tf.uint8), tf.int64)


def _numbers_at(data: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Returns an image's block as int64."""
    return tf.cast(data[position : position + GIF_IMAGE_BYTES], tf.int64)


def _number(digits: tf.Tensor) -> tf.Tensor:
    """Returns the number that bytes make, the lowest first."""
    powers = 256 ** tf.range(tf.size(digits, out_type=tf.int64))
    return tf.reduce_sum(digits * powers)
