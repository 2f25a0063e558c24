"""From an image file's bytes to the pixels that the network sees.

The same TensorFlow ops run in training, in prediction and inside the exported
model: what was trained on is what is served. `tf.io.decode_image` alone is silently
wrong for transparent images (alpha dropped), for phone photographs (EXIF rotation
ignored) and for palette BMPs; these are mended or refused here.
"""

from functools import partial

import tensorflow as tf

from tl_keras.datasets.formats import (
    ANIMATED_WEBP,
    PALETTE_BMP,
    REFUSAL,
    TRANSPARENT_GIF,
    WEBP_FLAGS,
    byte,
    has_bits,
    has_palette,
    header,
    is_animated_webp,
    is_transparent_gif,
    number_of,
)
from tl_keras.datasets.orientation import (
    exif_orientation,
    has_exif,
    turn_upright,
)
from tl_keras.datasets.square import WHITE, Square

# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which leaves most of the work
# out, where this many times the wanted side is left.
RATIOS, LEFT = (2, 4, 8), 1.5
# Pixels of a transparent image that are composited at once: 16 MB as float32.
STRIP_PIXELS = 1 << 20

UPRIGHT_JPEG = "upright JPEG"

# PNG, section 11.2.1: byte 25 is the colour type, its bit 4 says alpha.
PNG_COLOUR_TYPE, PNG_ALPHA = 25, 4
# Section 5.3: a chunk is length, name and checksum, 4 bytes each, around its data.
PNG_SIGNATURE_BYTES, PNG_CHUNK_FRAME = 8, 12
# WebP container: a flag of the extended format; bit 28 of a lossless stream.
WEBP_ALPHA = 0x10
WEBP_LOSSLESS_ALPHA_BYTE, WEBP_LOSSLESS_ALPHA = 24, 0x10


def decode_and_resize(
    image_bytes: tf.Tensor, square: Square, only: str = ""
) -> tf.Tensor:
    """Decodes one image file to the square that the network takes.

    JPEGs are decoded at 1/2, 1/4 or 1/8 where that leaves 1.5 times the square's side
    or more and divides both sides, as it does in most cameras' photographs. On real
    photographs this changes a value by 1.3 to 1.8 levels in the mean; one in a
    thousand changes by more than 29. The filters themselves differ by as much.

    Args:
        image_bytes: Scalar string, the content of a JPEG, PNG, GIF, BMP or WebP file.
        square: What to make of it.
        only: What the file is known to be, a key of `formats.MAGIC` or
            `UPRIGHT_JPEG`: the graph then holds the ops for that alone, with the same
            result. Empty where it may be anything.

    Returns:
        uint8 RGB in [0, 255], `square.shape`.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no image, or one that
            TensorFlow would decode to wrong pixels.
    """
    return square.fill(_decode(image_bytes, square.background, square, only))


def decode(image_bytes: tf.Tensor, background: tuple[int, ...] = WHITE) -> tf.Tensor:
    """Decodes one image file at its full size to upright RGB.

    Animations give their first frame, except animated WebP, which is refused.

    Args:
        image_bytes: Scalar string, the content of a JPEG, PNG, GIF, BMP or WebP file.
        background: RGB in [0, 255] that transparent pixels are composited on.

    Returns:
        uint8 RGB in [0, 255], `(height, width, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no image, or one that
            TensorFlow would decode to wrong pixels.
    """
    return _decode(image_bytes, background, None, "")


def _decode(
    image_bytes: tf.Tensor,
    background: tuple[int, ...],
    square: Square | None,
    only: str,
) -> tf.Tensor:
    """Decodes a file by its kind, JPEGs no larger than `square` needs them."""
    upright = partial(_decode_jpeg, image_bytes, square)
    decoders = {
        "JPEG": partial(_decode_turned_jpeg, image_bytes, square),
        "PNG": partial(_decode_png, image_bytes, background),
        "WEBP": partial(_decode_webp, image_bytes, background),
        "BMP": partial(_decode_bmp, image_bytes),
        "GIF": partial(_decode_gif, image_bytes),
    }
    # TensorFlow goes through the ops of branches that are not taken, too: those of the
    # other kinds stand behind one condition, out of the way of the most common one, or
    # are left out.
    if only == UPRIGHT_JPEG:
        image = upright()
    elif only == "JPEG":
        image = tf.cond(has_exif(image_bytes), decoders["JPEG"], upright)
    elif only:
        image = decoders[only]()
    else:
        # TensorFlow itself reads the whole of the magic bytes and refuses wrong ones.
        index = number_of(image_bytes)
        branches = [partial(_decode_other, image_bytes), *decoders.values()]
        image = tf.cond(
            (index == 1) & ~has_exif(image_bytes),
            upright,
            lambda: tf.switch_case(index, branches),
        )
    image.set_shape((None, None, 3))
    return image


def _decode_jpeg(image_bytes: tf.Tensor, square: Square | None) -> tf.Tensor:
    """Decodes a JPEG, at the smallest scale that leaves enough for the square."""
    read = partial(tf.io.decode_jpeg, image_bytes, channels=3)
    if square is None:
        return read()
    sides = tf.io.extract_jpeg_shape(image_bytes)[:2]
    enough = square.shrinks_by(sides) >= LEFT * tf.constant(RATIOS, tf.float32)
    # A part of a pixel that is left over would stretch or move the picture.
    whole = tf.reduce_all(sides[:, tf.newaxis] % RATIOS == 0, axis=0)
    return tf.switch_case(
        tf.reduce_sum(tf.cast(enough & whole, tf.int32)),
        [partial(read, ratio=ratio) for ratio in (1, *RATIOS)],
    )


def _decode_turned_jpeg(image_bytes: tf.Tensor, square: Square | None) -> tf.Tensor:
    """Decodes a JPEG and turns it as its EXIF orientation says."""
    image = _decode_jpeg(image_bytes, square)
    return turn_upright(image, exif_orientation(image_bytes))


def _decode_png(image_bytes: tf.Tensor, background: tuple[int, ...]) -> tf.Tensor:
    """Decodes a PNG of any colour type."""
    # Four channels are asked for only where there is alpha: below 8 bits TensorFlow
    # 2.21 gives opaque pixels the alpha 2^depth - 1 and they would all but vanish.
    transparent_colour = _png_has_chunk(image_bytes, b"tRNS")
    colour_type = byte(header(image_bytes), PNG_COLOUR_TYPE)
    has_alpha = transparent_colour | has_bits(colour_type, PNG_ALPHA)
    read = partial(tf.io.decode_png, image_bytes)
    return tf.cond(has_alpha, lambda: _composite(read(4), background), lambda: read(3))


def _png_has_chunk(image_bytes: tf.Tensor, wanted: bytes) -> tf.Tensor:
    """Tells whether a chunk stands before the pixels, going from chunk to chunk."""
    padded = tf.strings.join([image_bytes, b"IDAT" * 3])
    end = tf.cast(tf.strings.length(image_bytes), tf.int64)
    powers = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)

    def name_at(position: tf.Tensor) -> tf.Tensor:
        return tf.strings.substr(padded, position + 4, 4)

    def more(position: tf.Tensor) -> tf.Tensor:
        name = name_at(position)
        return (name != wanted) & (name != b"IDAT") & (position < end)

    def step(position: tf.Tensor) -> list[tf.Tensor]:
        digits = tf.io.decode_raw(tf.strings.substr(padded, position, 4), tf.uint8)
        length = tf.reduce_sum(tf.cast(digits, tf.int64) * powers)
        return [tf.minimum(position + PNG_CHUNK_FRAME + length, end)]

    first = tf.constant(PNG_SIGNATURE_BYTES, tf.int64)
    (position,) = tf.nest.flatten(tf.while_loop(more, step, [first]))
    return name_at(position) == wanted


def _decode_webp(image_bytes: tf.Tensor, background: tuple[int, ...]) -> tf.Tensor:
    """Decodes a still WebP; an animated one would crash TensorFlow 2.21."""
    start = header(image_bytes)
    kind = tf.strings.substr(start, 12, 4)
    extended, lossless = kind == b"VP8X", kind == b"VP8L"
    flags = byte(start, WEBP_FLAGS)
    stream = byte(start, WEBP_LOSSLESS_ALPHA_BYTE)
    has_alpha = (extended & has_bits(flags, WEBP_ALPHA)) | (
        lossless & has_bits(stream, WEBP_LOSSLESS_ALPHA)
    )
    refusal = _refuse(is_animated_webp(image_bytes), ANIMATED_WEBP)
    with tf.control_dependencies([refusal]):
        image_bytes = tf.identity(image_bytes)
    read = partial(tf.io.decode_image, image_bytes, expand_animations=False)
    return tf.cond(
        has_alpha,
        lambda: _composite(read(channels=4), background),
        lambda: read(channels=3),
    )


def _decode_bmp(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP of 24 or 32 bits; TensorFlow misreads palettes."""
    refusal = _refuse(has_palette(image_bytes), PALETTE_BMP)
    with tf.control_dependencies([refusal]):
        image_bytes = tf.identity(image_bytes)
    return tf.io.decode_bmp(image_bytes, channels=0)[..., :3]


def _decode_gif(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes a GIF's first frame; TensorFlow makes transparent pixels black."""
    refusal = _refuse(is_transparent_gif(image_bytes), TRANSPARENT_GIF)
    with tf.control_dependencies([refusal]):
        image_bytes = tf.identity(image_bytes)
    return tf.io.decode_image(image_bytes, channels=3, expand_animations=False)


def _decode_other(image_bytes: tf.Tensor) -> tf.Tensor:
    """Lets TensorFlow say that this is no image."""
    return tf.io.decode_image(image_bytes, channels=3, expand_animations=False)


def _composite(image: tf.Tensor, background: tuple[int, ...]) -> tf.Tensor:
    """Lays RGBA on the background: `(height, width, 4)` → `(height, width, 3)`.

    It goes by strips of rows: as floats, the whole of a large image takes gigabytes.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    rows = tf.maximum(STRIP_PIXELS // width, 1)
    count = -(-height // rows)
    strips = tf.TensorArray(tf.uint8, count, infer_shape=False)

    def step(index: tf.Tensor, strips: tf.TensorArray) -> tuple:
        strip = tf.cast(image[index * rows : (index + 1) * rows], tf.float32)
        opacity = strip[..., 3:] / 255.0
        strip = strip[..., :3] * opacity + background * (1.0 - opacity)
        return index + 1, strips.write(index, tf.cast(tf.round(strip), tf.uint8))

    _, strips = tf.while_loop(
        lambda index, _: index < count, step, (0, strips), parallel_iterations=1
    )
    return strips.concat()


def _refuse(condition: tf.Tensor, what: str) -> tf.Operation:
    """Fails where `condition` holds."""
    message = REFUSAL.format(what)
    return tf.debugging.Assert(tf.logical_not(condition), [message])
