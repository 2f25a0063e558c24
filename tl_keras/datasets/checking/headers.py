"""What the first bytes of a file say: its format, and Pillow's facts about it."""

import io
import os
import re
import warnings
from dataclasses import dataclass

from PIL import Image

from tl_keras.datasets.checking.findings import Facts

HEAD_BYTES = 512
DECODED = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
EXIF_ORIENTATION = 0x0112
# PNG, section 11.2.1: byte 24 is the bit depth.
PNG_DEPTH = 24


@dataclass(frozen=True)
class Format:
    """A format, and how it is known.

    Attributes:
        name: As Pillow calls it, or in a person's words.
        pattern: Of the first bytes.
        suffixes: Of its files' names; empty where none is typical.
        picture: Whether it holds a picture.
    """

    name: str
    pattern: re.Pattern[bytes]
    suffixes: tuple[str, ...] = ()
    picture: bool = True


def _format(name: str, pattern: bytes, *suffixes: str, picture: bool = True) -> Format:
    """Returns a row of `FORMATS`."""
    return Format(name, re.compile(pattern, re.DOTALL), suffixes, picture)


# The first that fits counts.
FORMATS = (
    _format("JPEG", rb"\xff\xd8\xff", ".jpg", ".jpeg", ".jpe", ".jfif"),
    _format("PNG", rb"\x89PNG", ".png", ".apng"),
    _format("GIF", rb"GIF8", ".gif"),
    _format("WEBP", rb"RIFF....WEBP", ".webp"),
    _format("BMP", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", ".bmp", ".dib"),
    _format("TIFF", rb"II[*+]\0|MM\0[*+]", ".tif", ".tiff"),
    _format("AVIF", rb"....ftyp.{0,24}avi[fs]", ".avif"),
    _format("HEIC", rb"....ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)", ".heic", ".heif"),
    _format("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL ", ".jxl"),
    _format("JPEG 2000", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", ".jp2", ".j2k", ".jpx"),
    _format("ICO", rb"\0\0[\x01\x02]\0", ".ico", ".cur"),
    _format("PSD", rb"8BPS", ".psd"),
    _format("PPM", rb"P[1-7][\s#]", ".ppm", ".pgm", ".pbm", ".pnm"),
    _format("DDS", rb"DDS ", ".dds"),
    _format("OpenEXR", rb"v/1\x01", ".exr"),
    _format("DICOM", rb".{128}DICM", ".dcm"),
    _format("SVG", rb"\s*(<\?xml.*|<!--.*|<!DOCTYPE svg.*)?<svg", ".svg"),
    _format("HTML", rb"(?i)\s*(<!doctype html|<html|<head|<body)", picture=False),
    _format("PDF", rb"%PDF", picture=False),
    _format("a ZIP archive", rb"PK\x03\x04", picture=False),
    _format("a gzip archive", rb"\x1f\x8b", picture=False),
    _format("video", rb"....ftyp|RIFF....AVI |\x1aE\xdf\xa3", picture=False),
    _format("a sound", rb"RIFF....WAVE|ID3|OggS|fLaC", picture=False),
    _format("a macOS companion file", rb"\x00\x05\x16\x07", picture=False),
)
BY_SUFFIX = {suffix: known for known in FORMATS for suffix in known.suffixes}


def format_of(head: bytes) -> Format:
    """Returns the format of a file by its first bytes.

    Args:
        head: The first `HEAD_BYTES` of the file, not empty.
    """
    for known in FORMATS:
        if known.pattern.match(head):
            return known
    return _format("text" if _is_text(head) else "unknown bytes", b"", picture=False)


def _is_text(head: bytes) -> bool:
    """Tells whether bytes are written characters."""
    # The end may lie within a character.
    text = head.decode("utf-8", errors="ignore")
    controls = re.search(r"[\x00-\x08\x0e-\x1f]", text)
    return bool(text) and len(text.encode()) > len(head) - 4 and not controls


def contradiction(path: str, found: Format) -> str:
    """Returns what is odd about a file's extension; empty if nothing."""
    suffix = os.path.splitext(path)[1].lower()
    claimed = BY_SUFFIX.get(suffix)
    if claimed is None or claimed.name == found.name:
        return ""
    return f"named {suffix}, but it is {found.name}"


def facts_of(content: bytes, found: Format, most_pixels: int) -> tuple[Facts, int]:
    """Reads a header with Pillow, no pixels.

    Args:
        content: The file.
        found: Its format.
        most_pixels: Of a larger picture the frames are not counted.

    Returns:
        The facts, and the pixels that the header claims; 0 where Pillow cannot open
        the file, which says nothing: training decodes with TensorFlow.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                pixels = image.width * image.height
                return _facts(image, found, len(content), pixels > most_pixels), pixels
        except Exception:
            return Facts(format=found.name, bytes=len(content)), 0


def _facts(image: Image.Image, found: Format, size: int, only_size: bool) -> Facts:
    """Returns the facts of an opened image."""
    if only_size:
        return Facts(format=found.name, mode=image.mode, bytes=size)
    frames = getattr(image, "n_frames", 1) if found.name in ANIMATED else 1
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    return Facts(
        format=found.name,
        mode=image.mode,
        orientation=orientation if orientation in range(1, 9) else 1,
        frames=frames,
        bytes=size,
        transparent=image.has_transparency_data,
    )


def is_sixteen_bit_png(content: bytes, found: Format) -> bool:
    """Tells whether a PNG has 16 bits a channel."""
    return found.name == "PNG" and content[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10"
