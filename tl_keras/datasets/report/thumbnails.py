"""Small pictures of image files, also of broken and of hostile ones."""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

SIDE = 192
# Decoders that read pixels and nothing else: Pillow's for EPS starts a program.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "AVIF", "ICO")
# Decoded at full size, that is 200 MB; JPEGs are decoded at an eighth of their side.
MAX_PIXELS = 50_000_000
MAX_JPEG_PIXELS = 250_000_000
MAX_BYTES = 100_000_000
QUALITY = 80


def data_uri(
    path: Path, background: tuple[int, ...], *, side: int = SIDE
) -> str | None:
    """Returns a small upright picture of an image file, for a page to hold in itself.

    Args:
        path: The file. What is missing of a picture that is cut off is gray.
        background: Red, green and blue in [0, 255] behind transparent pixels.
        side: Of the square that it fits into, in pixels. It is not enlarged.

    Returns:
        `data:image/jpeg;base64,…`, or `None` where the file is no picture, or one
        that would take too much memory.
    """
    # Pillow knows only its commonest formats until it is told to load the others, and
    # refuses the name of one that it was built without.
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        with _lenient(), Image.open(path, formats=formats) as image:
            picture = _small(image, background, side)
    # Of a damaged file Pillow's decoders raise whatever they stumble over.
    except Exception:
        return None
    return None if picture is None else _as_uri(picture)


def of_png(content: bytes, *, side: int = SIDE) -> str:
    """Returns a small picture of a PNG that we drew ourselves.

    Args:
        content: Of the PNG file.
        side: Of the square that it fits into, in pixels. It is not enlarged.

    Returns:
        `data:image/jpeg;base64,…`.
    """
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        picture = image.convert("RGB")
    picture.thumbnail((side, side))
    return _as_uri(picture)


def _as_uri(picture: Image.Image) -> str:
    """Returns an RGB picture as a JPEG in an address."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _small(
    image: Image.Image, background: tuple[int, ...], side: int
) -> Image.Image | None:
    """Returns an open image as a small RGB one; `None` if it claims to be huge."""
    width, height = image.size
    # A JPEG skips most of the work of decoding what is made small anyway.
    reduced = image.draft("RGB", (2 * side, 2 * side)) is not None
    if width * height > (MAX_JPEG_PIXELS if reduced else MAX_PIXELS):
        return None
    image.load()
    if image.mode.startswith(("I", "F")):
        image = _eight_bit(image)
    image.thumbnail((2 * side, 2 * side))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(paper, image)
    image = ImageOps.exif_transpose(image.convert("RGB"))
    image.thumbnail((side, side))
    return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Returns an image of deep pixels as gray, its darkest black, its lightest white.

    Pillow's own conversion cuts all above 255 off.
    """
    values = np.asarray(image, np.float32)
    darkest, lightest = values.min(), values.max()
    scaled = (values - darkest) / max(lightest - darkest, 1) * 255
    return Image.fromarray(scaled.astype(np.uint8))


@contextmanager
def _lenient() -> Iterator[None]:
    """Shows of a file that is cut off what is there, and leaves limits to us."""
    kept = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = True, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = kept
