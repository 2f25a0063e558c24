"""How many pixels files claim."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.bad_files import FILES, HEIGHT, WIDTH, animation, noise, saved
from tl_keras.datasets.claims import pixels_of


@pytest.fixture(scope="module")
def claimed():
    call = tf.function(pixels_of, input_signature=[tf.TensorSpec([], tf.string)])
    return lambda content: int(call(tf.constant(content)))


def whole():
    """Returns the names of files whose size is known."""
    return [name for name, file in FILES.items() if file.pixels is not None]


@pytest.mark.parametrize("name", whole())
def test_whole_file_claims_what_it_has(claimed, name):
    height, width = FILES[name].pixels.shape[:2]
    assert claimed(FILES[name].content) == height * width


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}])
def test_every_kind_of_webp_is_read(claimed, options):
    image = Image.fromarray(np.zeros((51, 333, 3), np.uint8))
    assert claimed(saved(image, "WEBP", **options)) == 51 * 333


def test_bmp_from_the_top_has_a_height_below_zero(claimed):
    content = bytearray(saved(noise(), "BMP"))
    content[22:26] = struct.pack("<i", -64)
    assert claimed(bytes(content)) == 64 * 64


def test_frames_of_a_gif_add_up_where_they_are_many(claimed):
    frames = [noise(seed) for seed in range(9)]
    more = dict(save_all=True, append_images=frames[1:], duration=40)
    assert claimed(saved(frames[0], "GIF", **more)) == 9 * 64 * 64 // 3
    assert claimed(animation("GIF")) == HEIGHT * WIDTH


def test_frame_larger_than_the_screen_is_found(claimed):
    """TensorFlow makes room for the largest frame, whatever the screen is."""
    content = bytearray(saved(noise().quantize(16), "GIF"))
    place = content.index(b"\x2c\0\0\0\0\x40\0\x40\0") + 5
    content[place : place + 4] = struct.pack("<HH", 32_767, 32_767)
    assert claimed(bytes(content)) == 32_767**2


def test_png_bomb_claims_what_it_says(claimed):
    assert claimed(FILES["bomb.png"].content) == 60_000**2


@pytest.mark.parametrize("content", [b"", b"G", b"GIF89a", b"RIFF", b"BM", b"\x89P"])
def test_stump_of_a_file_claims_something_without_failing(claimed, content):
    assert claimed(content) >= 0
