"""Makes PNGs that training reads of pictures that it would read wrongly or not."""

import importlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tl_keras.datasets.checking.headers import format_of, is_sixteen_bit_png
from tl_keras.errors import DataError
from tl_keras.files import replacing

SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
NUMBERS = ("I", "F")
# Cameras and scanners that write 16 bits fill as many of them.
DEPTHS = (8, 10, 12, 14, 16)


def convert(content: bytes, target: Path, background: tuple[int, ...]) -> None:
    """Writes a picture's first frame, upright and opaque, as an 8-bit RGB PNG.

    Args:
        content: Of a file that Pillow reads.
        target: The PNG; it appears whole or not at all.
        background: Red, green and blue in [0, 255], shown through transparent pixels.

    Raises:
        DataError: If Pillow cannot read the file, either.
        StorageError: If the target cannot be written.
    """
    found = format_of(content)
    if found.name == "HEIC":
        _read_heic()
    try:
        if is_sixteen_bit_png(content, found):
            picture = _from_sixteen_bits(content)
        else:
            with Image.open(io.BytesIO(content)) as image:
                # Reads the checksums of a PNG, which decoding passes over.
                image.verify()
            with Image.open(io.BytesIO(content)) as image:
                picture = _eight_bits(ImageOps.exif_transpose(image))
        picture = _opaque(picture, background)
    # Pillow's plugins fail in every way there is on damaged files.
    except Exception as error:
        raise DataError(f"Pillow cannot read it, either: {error}") from None
    with replacing(target) as temporary:
        picture.save(temporary, "PNG", compress_level=1)


def _read_heic() -> None:
    """Teaches Pillow HEIC."""
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        raise DataError("HEIC needs a package: pip install tl_keras[heif]") from None
    plugin.register_heif_opener()


def _eight_bits(image: Image.Image) -> Image.Image:
    """Returns a picture of 8 bits a channel."""
    if image.mode in SIXTEEN_BIT:
        return Image.fromarray(_scaled(np.asarray(image).astype(np.uint16)))
    if image.mode in NUMBERS:
        values = np.asarray(image, np.float64)
        low, high = values.min(), values.max()
        values = (values - low) / max(high - low, np.finfo(float).tiny)
        return Image.fromarray(np.uint8(np.round(255 * values)))
    return image


def _from_sixteen_bits(content: bytes) -> Image.Image:
    """Reads a 16-bit PNG: Pillow would take the upper bytes of a coloured one."""
    import tensorflow as tf

    values = tf.io.decode_png(content, channels=4, dtype=tf.uint16).numpy()
    opacity = np.uint8(values[..., 3:] >> 8)
    return Image.fromarray(np.dstack([_scaled(values[..., :3]), opacity]))


def _scaled(values: np.ndarray) -> np.ndarray:
    """Scales uint16 to uint8 by as many bits as are in use."""
    largest = int(values.max())
    bits = next(depth for depth in DEPTHS if largest < 1 << depth)
    return np.uint8(np.round(values * (255.0 / ((1 << bits) - 1))))


def _opaque(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    """Lays a picture on a colour."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (*background, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")
