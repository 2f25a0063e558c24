"""How many pixels decoding an image file would take, read from its header.

Each format is read by what its decoder goes by: Pillow refuses files that TensorFlow
decodes, and tells of a GIF no frame but the first, where TensorFlow unpacks them all.
"""

import struct

import tensorflow as tf

from tl_keras.datasets.formats import MAGIC
from tl_keras.serving.refusals import bad

# GIF89a, sections 18 to 24: sizes in bytes, and how blocks start.
GIF_HEADER, GIF_DESCRIPTOR, GIF_PACKED = 13, 10, 10
GIF_IMAGE, GIF_EXTENSION = 0x2C, 0x21
# Where the formats hold their sides.
PNG_SIDES, BMP_SIDES = 16, 18
WEBP_KIND, WEBP_EXTENDED, WEBP_LOSSLESS, WEBP_LOSSY = 12, 24, 21, 26


def require_small(contents: list[bytes], most: int) -> list[int]:
    """Returns the pixels of each of some image files.

    Args:
        contents: The files; what is no image counts as 0.
        most: Of one image.

    Raises:
        Refusal: If one is larger.
    """
    sizes = [pixels(content) for content in contents]
    for place, size in enumerate(sizes):
        if size > most:
            raise bad(
                f"Image {place} has {size / 1e6:,.1f} million pixels; at most "
                f"{most / 1e6:g} million are decoded."
            )
    return sizes


def pixels(content: bytes) -> int:
    """Returns the pixels that decoding a file would make, all frames together.

    Args:
        content: Any bytes; 0 is returned where the header is damaged, for then
            nothing is decoded.
    """
    for kind, start in MAGIC.items():
        if content.startswith(start):
            try:
                return READERS[kind](content)
            except (struct.error, IndexError):
                return 0
    return 0


def _jpeg(content: bytes) -> int:
    """Returns a JPEG's pixels, as the decoder itself reads them."""
    try:
        height, width, _ = tf.io.extract_jpeg_shape(content).numpy().tolist()
    except tf.errors.InvalidArgumentError:
        return 0
    return height * width


def _png(content: bytes) -> int:
    """Returns a PNG's pixels."""
    width, height = struct.unpack_from(">II", content, PNG_SIDES)
    return width * height


def _bmp(content: bytes) -> int:
    """Returns a BMP's pixels; a negative height tells the order of its rows."""
    width, height = struct.unpack_from("<ii", content, BMP_SIDES)
    return abs(width * height)


def _webp(content: bytes) -> int:
    """Returns the pixels of a WebP, by the first of its chunks."""
    kind = content[WEBP_KIND : WEBP_KIND + 4]
    if kind == b"VP8X":
        sides = content[WEBP_EXTENDED : WEBP_EXTENDED + 6]
        width, height = (int.from_bytes(sides[at : at + 3], "little") for at in (0, 3))
        return (width + 1) * (height + 1)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, WEBP_LOSSLESS)
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    width, height = struct.unpack_from("<HH", content, WEBP_LOSSY)
    return (width & 0x3FFF) * (height & 0x3FFF)


def _gif(content: bytes) -> int:
    """Returns the pixels of all of a GIF's frames, and of its screen if that is more.

    What comes behind a damaged block is not decoded, and not counted.
    """
    screen_width, screen_height = struct.unpack_from("<HH", content, 6)
    at = GIF_HEADER + _table(content[GIF_PACKED])
    total = 0
    while at < len(content) and content[at] in (GIF_IMAGE, GIF_EXTENSION):
        if content[at] == GIF_IMAGE:
            if at + GIF_DESCRIPTOR > len(content):
                break
            width, height = struct.unpack_from("<HH", content, at + 5)
            total += width * height
            at += GIF_DESCRIPTOR + _table(content[at + 9]) + 1
        else:
            at += 2
        at = _behind_blocks(content, at)
    return max(total, screen_width * screen_height)


def _table(packed: int) -> int:
    """Returns the bytes of a GIF's colour table."""
    return 3 << (packed & 7) + 1 if packed & 0x80 else 0


def _behind_blocks(content: bytes, at: int) -> int:
    """Returns where a GIF goes on behind some blocks of data."""
    while at < len(content) and content[at]:
        at += content[at] + 1
    return at + 1


READERS = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "BMP": _bmp, "GIF": _gif}
