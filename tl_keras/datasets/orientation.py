"""EXIF orientation inside the TensorFlow graph.

Phones write the sensor's rows as they come and note in the EXIF header how to turn
them. TensorFlow's decoders ignore the note, so a third of a person's photographs
would lie on their side. Layout read here: JPEG segments (ITU T.81, annex B), APP1
with a TIFF header (Exif 2.32, section 4.5).
"""

import tensorflow as tf

# EXIF comes among the first segments, each of at most 64 KB.
SEARCHED_BYTES = 1 << 18
APP1, START_OF_SCAN = 0xE1, 0xDA
ORIENTATION_TAG = 0x0112
LONG = 4
EXIF_HEADER, EXIF_PATTERN = b"Exif\0\0", r"Exif\x00\x00"
LITTLE_ENDIAN = ord("I")
# Exif 2.32, section 4.6.5: how to turn the eight kinds: those from 5 are transposed
# first, then these have their rows or their columns put in reverse order.
FIRST_LYING, UPSIDE_DOWN, MIRRORED = 5, (3, 4, 7, 8), (2, 3, 6, 7)


def exif_orientation(jpeg: tf.Tensor) -> tf.Tensor:
    """Reads a JPEG's EXIF orientation.

    Args:
        jpeg: Scalar string, the file's content.

    Returns:
        Scalar int32 in 1…8; 1 (upright) where there is none or it is damaged.
    """
    head = tf.strings.substr(jpeg, 0, SEARCHED_BYTES)
    data = tf.io.decode_raw(head, tf.uint8)
    start = _find_exif(head, data)
    return tf.cond(start > 0, lambda: _read_tag(data, start), lambda: tf.constant(1))


def has_exif(jpeg: tf.Tensor) -> tf.Tensor:
    """Tells in microseconds whether the bytes of an EXIF header occur at all.

    Args:
        jpeg: Scalar string, the file's content.

    Returns:
        Scalar bool; where it is false, `exif_orientation` gives 1.
    """
    head = tf.strings.substr(jpeg, 0, SEARCHED_BYTES)
    # Of the string ops this one alone searches at the speed of the memory.
    shorter = tf.strings.regex_replace(head, EXIF_PATTERN, "", replace_global=False)
    return tf.strings.length(shorter) < tf.strings.length(head)


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors pixels as an EXIF orientation says.

    Args:
        image: `(height, width, 3)`.
        orientation: Scalar int32 in 1…8.

    Returns:
        The upright image; sides are swapped for 5…8.
    """
    image = tf.cond(
        orientation >= FIRST_LYING,
        lambda: tf.transpose(image, (1, 0, 2)),
        lambda: image,
    )
    upside_down, mirrored = (
        tf.reduce_any(orientation == kinds) for kinds in (UPSIDE_DOWN, MIRRORED)
    )
    # One op; `tf.image` has a dozen for each of the eight, which every data set would
    # spend its start on.
    dims = tf.stack([upside_down, mirrored, False])
    return tf.raw_ops.Reverse(tensor=image, dims=dims)


def _find_exif(head: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """Returns where the TIFF header starts, or 0."""

    def more(position: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        marker = _byte(data, position + 1)
        is_segment = (_byte(data, position) == 0xFF) & (marker != START_OF_SCAN)
        return is_segment & (found == 0) & (position + 4 < tf.size(data))

    def step(position: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        content = position + 4
        header = tf.strings.substr(head, content, len(EXIF_HEADER))
        is_exif = (_byte(data, position + 1) == APP1) & (header == EXIF_HEADER)
        found = tf.where(is_exif, content + len(EXIF_HEADER), 0)
        # ITU T.81, B.1.1.2: a marker may have fill bytes 0xFF in front of it.
        is_fill = _byte(data, position + 1) == 0xFF
        # A damaged length of 0 must not loop for ever.
        length = tf.maximum(_number(data, position + 2, 2, little=False), 2)
        return position + tf.where(is_fill, 1, 2 + length), found

    _, found = tf.while_loop(more, step, [tf.constant(2), tf.constant(0)])
    return found


def _read_tag(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Returns the orientation of the first image file directory, or 1."""
    little = _byte(data, start) == LITTLE_ENDIAN
    # An offset beyond the file reads zeros, so it gives no entry and no overflow.
    offset = tf.clip_by_value(_number(data, start + 4, 4, little), 0, SEARCHED_BYTES)
    directory = start + offset
    count = _number(data, directory, 2, little)
    entries = directory + 2 + 12 * tf.range(count)
    tags = _number(data, entries, 2, little)
    is_long = _number(data, entries + 2, 2, little) == LONG
    short = _number(data, entries + 8, 2, little)
    values = tf.where(is_long, _number(data, entries + 8, 4, little), short)
    values = tf.where((tags == ORIENTATION_TAG) & (values <= 8), values, 0)
    return tf.maximum(tf.reduce_max(tf.concat([values, [1]], axis=0)), 1)


def _number(
    data: tf.Tensor, position: tf.Tensor, size: int, little: tf.Tensor | bool
) -> tf.Tensor:
    """Returns unsigned integers of `size` bytes, as int32."""
    value = tf.zeros_like(position)
    for index in range(size):
        place = tf.where(little, index, size - 1 - index)
        value += _byte(data, position + index) * tf.bitwise.left_shift(1, 8 * place)
    return value


def _byte(data: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Returns bytes as int32, 0 behind the end."""
    inside = (position >= 0) & (position < tf.size(data))
    last = tf.maximum(tf.size(data) - 1, 0)
    value = tf.gather(data, tf.clip_by_value(position, 0, last))
    return tf.where(inside, tf.cast(value, tf.int32), 0)
