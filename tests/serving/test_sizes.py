"""How large an image says it is: in every format, damaged, and as an attack."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tl_keras.serving.refusals import Refusal
from tl_keras.serving.sizes import pixels, require_small

KINDS = {
    "JPEG": {},
    "PNG": {},
    "BMP": {},
    "GIF": {},
    "WEBP": {},
    "WEBP lossless": {"lossless": True},
    "WEBP extended": {"exif": b"Exif\0\0"},
}


def written(kind, side=(37, 21), **more):
    """Returns an image file's bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (side[1], side[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind.split()[0], **KINDS[kind], **more)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_image(kind):
    assert pixels(written(kind)) == 37 * 21


@pytest.mark.parametrize("kind", KINDS)
def test_header_cut_off_anywhere_gives_a_number_or_nothing(kind):
    content = written(kind)
    assert max(pixels(content[:end]) for end in range(0, 60)) <= 37 * 21


def test_frames_of_a_gif_count():
    frames = [Image.new("RGB", (50, 40), (n, 0, 0)) for n in range(10, 130, 10)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    # A byte each while they are read, where the picture takes three.
    assert pixels(file.getvalue()) == 12 * 50 * 40 // 3


def test_gif_of_tiny_screen_and_huge_frames_is_found_out():
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 60000, 50000, 0) + b"\x02\x01\x00\x00"
    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + frame * 4 + b"\x3b"
    assert pixels(gif) == 4 * 60000 * 50000 // 3


def test_bmp_with_its_rows_from_above_has_positive_pixels():
    content = bytearray(written("BMP"))
    content[22:26] = struct.pack("<i", -21)
    assert pixels(bytes(content)) == 37 * 21


def test_what_is_no_image_has_no_pixels():
    assert [pixels(content) for content in (b"", b"text", b"\xff\xd8\xff")] == [0] * 3


def test_image_that_claims_too_much_is_refused_before_it_is_decoded():
    content = bytearray(written("PNG"))
    content[16:24] = struct.pack(">II", 60000, 60000)
    with pytest.raises(Refusal, match="Image 1 has 3,600.0 million pixels") as refused:
        require_small([b"", bytes(content)], 50_000_000)
    assert refused.value.status == 400
