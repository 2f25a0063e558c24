"""What the first bytes of an image file say, read inside the TensorFlow graph.

Nothing here fails, whatever the bytes are: behind a file's end lie zeros.
"""

import tensorflow as tf

# Kinds of files by their first two bytes.
MAGIC = {
    "JPEG": b"\xff\xd8",
    "PNG": b"\x89P",
    "WEBP": b"RI",
    "BMP": b"BM",
    "GIF": b"GI",
}
HEADER_BYTES = 64

# GIF89a, section 18: byte 10 tells the size of the colour table behind the header;
# section 23: the byte behind a control block's start says that a colour is clear.
GIF_HEADER_BYTES, GIF_PACKED, GIF_HAS_TABLE = 13, 10, 0x80
GIF_CONTROL, GIF_TRANSPARENT = b"\x21\xf9\x04", 0x01
GIF_IMAGE, GIF_SEARCHED_BYTES = b"\0\x2c", 2048
# WebP container: flags of the extended format.
WEBP_FLAGS, WEBP_ANIMATION = 20, 0x02
BMP_BITS_PER_PIXEL, BMP_FEWEST_BITS = 28, 24

ANIMATED_WEBP = "animated WebP"
PALETTE_BMP = "BMP with a palette"
TRANSPARENT_GIF = "transparent GIF"
REFUSAL = "{} cannot be decoded rightly: convert it to PNG"


def number_of(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns the kind of a file: 1 for the first of `MAGIC`, …, 0 for none of them."""
    start = tf.strings.substr(header(image_bytes), 0, 2)
    is_kind = start == list(MAGIC.values())
    return tf.reduce_sum(tf.where(is_kind, tf.range(1, len(MAGIC) + 1), 0))


def is_animated_webp(webp: tf.Tensor) -> tf.Tensor:
    """Tells whether a WebP moves."""
    start = header(webp)
    extended = tf.strings.substr(start, 12, 4) == b"VP8X"
    return extended & has_bits(byte(start, WEBP_FLAGS), WEBP_ANIMATION)


def has_palette(bmp: tf.Tensor) -> tf.Tensor:
    """Tells whether a BMP has fewer than 24 bits a pixel."""
    return byte(header(bmp), BMP_BITS_PER_PIXEL) < BMP_FEWEST_BITS


def is_transparent_gif(gif: tf.Tensor) -> tf.Tensor:
    """Tells whether a GIF's first frame has a clear colour."""
    start = GIF_HEADER_BYTES + gif_table_bytes(byte(header(gif), GIF_PACKED))
    padded = tf.strings.join([gif, b"\0" * GIF_SEARCHED_BYTES])
    blocks = tf.strings.substr(padded, start, GIF_SEARCHED_BYTES)
    # A control block counts for the first frame where no image stands before it.
    blocks = tf.strings.join([b"\0", blocks])
    before_image = tf.strings.split(blocks, GIF_IMAGE)[0]
    # One more, with no flag set, stands for a frame that has none.
    controls = tf.strings.join([before_image, GIF_CONTROL])
    flags = byte(header(tf.strings.split(controls, GIF_CONTROL)[1]), 0)
    return has_bits(flags, GIF_TRANSPARENT)


def gif_table_bytes(packed: tf.Tensor) -> tf.Tensor:
    """Returns the bytes of a GIF's table of colours, by the byte that tells of it."""
    colours = tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(packed, 7))
    return tf.where(has_bits(packed, GIF_HAS_TABLE), 3 * colours, 0)


def header(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns the first bytes, zeros behind the end of a shorter file."""
    start = tf.strings.substr(image_bytes, 0, HEADER_BYTES)
    padded = tf.strings.join([start, b"\0" * HEADER_BYTES])
    return tf.strings.substr(padded, 0, HEADER_BYTES)


def byte(header: tf.Tensor, index: int) -> tf.Tensor:
    """Returns one byte of a header as int32."""
    return tf.cast(tf.io.decode_raw(header, tf.uint8)[index], tf.int32)


def has_bits(value: tf.Tensor, bits: int) -> tf.Tensor:
    """Tells whether any of `bits` is set."""
    return tf.bitwise.bitwise_and(value, bits) > 0
