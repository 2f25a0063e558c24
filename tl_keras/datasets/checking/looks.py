"""What decoded pixels look like: digests, a thumbnail, and what is odd about them."""

import hashlib
import re
from dataclasses import replace

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from tl_keras.datasets.checking import headers
from tl_keras.datasets.checking.results import Result

THUMBNAIL = 16
HASHED_SIDE = 128
SMALLEST_SIDE = 8
LARGEST_RATIO = 20
DARK_LEVELS = 16
# libjpeg's words for damage; others of its warnings are about harmless things.
DAMAGE = re.compile(
    r"Corrupt JPEG data: [^\n]*|Premature end of JPEG[^\n]*|Invalid SOS[^\n]*"
    r"|Inconsistent progression[^\n]*"
)


def problems_of(
    path: str,
    content: bytes,
    found: headers.Format,
    facts: headers.Facts,
    pixels: np.ndarray,
    said: str,
) -> dict[str, str]:
    """Returns the detail of each kind of problem of a file that has pixels."""
    height, width, _ = pixels.shape
    size = f"{width}x{height}"
    levels = int(pixels.max()) - int(pixels.min()) + 1
    damage = DAMAGE.search(said) if found.name == "JPEG" else None
    deep = headers.is_sixteen_bit_png(content, found)
    dark = deep and levels <= DARK_LEVELS and not _is_blank(_sixteen_bits(content))
    upright = found.name == "JPEG" or facts.orientation == 1
    contradiction = headers.contradiction(path, found)
    details = {
        "damaged_jpeg": damage and damage[0],
        "turned": "" if upright else str(facts.orientation),
        "dark_sixteen_bit": dark and str(levels),
        "sixteen_bit": deep and not dark and size,
        "extension": contradiction,
        "animation": facts.frames > 1 and str(facts.frames),
        "tiny": min(width, height) < SMALLEST_SIDE and size,
        "extreme_shape": _ratio(width, height) > LARGEST_RATIO and size,
        "blank": not dark and _is_blank(pixels) and size,
    }
    return {kind: detail for kind, detail in details.items() if detail}


def _ratio(width: int, height: int) -> float:
    """Returns how much longer the longer side is."""
    return max(width / height, height / width)


def _is_blank(pixels: np.ndarray) -> bool:
    """Tells whether all pixels are equal."""
    return bool((pixels == pixels[0, 0]).all())


def _sixteen_bits(content: bytes) -> np.ndarray:
    """Returns a PNG's pixels as uint16."""
    return tf.io.decode_png(content, dtype=tf.uint16).numpy()


def result_of(
    content: bytes, facts: headers.Facts, pixels: np.ndarray, problems: dict[str, str]
) -> Result:
    """Returns all that is known of a file that has pixels."""
    height, width, _ = pixels.shape
    # The shape belongs to the picture: a white 2x8 is not a white 4x4.
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Result(
        sha256=hashlib.sha256(content).hexdigest(),
        pixels=digest.hexdigest(),
        width=width,
        height=height,
        phash=int(str(imagehash.phash(_smaller(pixels))), 16),
        facts=replace(facts, bytes=len(content)),
        problems=tuple(problems.items()),
    )


def _smaller(pixels: np.ndarray) -> Image.Image:
    """Returns a picture that is large enough for a hash of 32x32 pixels."""
    image = Image.fromarray(pixels)
    factor = max(min(image.size) // HASHED_SIDE, 1)
    return image.reduce(factor) if factor > 1 else image


def thumbnail_of(pixels: np.ndarray) -> bytes:
    """Returns the picture as 16x16 means."""
    size = (THUMBNAIL, THUMBNAIL)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BOX).tobytes()
