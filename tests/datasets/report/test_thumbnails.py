"""Small pictures: right side up, on their background, and never dangerous."""

import base64
import io
import os
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from tl_keras.datasets.report import thumbnails
from tl_keras.datasets.report.thumbnails import SIDE, data_uri

RED, WHITE = (220, 40, 40), (255, 255, 255)


def picture(path, background=WHITE):
    """Returns the small picture of a file as an open image."""
    head, _, content = data_uri(path, background).partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def near(pixel, colour):
    return np.abs(np.subtract(pixel, colour)).max() < 12


def test_picture_is_small_and_keeps_its_shape(tmp_path):
    Image.new("RGB", (1000, 500), RED).save(tmp_path / "wide.png")
    assert picture(tmp_path / "wide.png").size == (SIDE, SIDE // 2)


def test_small_picture_is_not_made_larger(tmp_path):
    Image.new("RGB", (8, 4), RED).save(tmp_path / "small.png")
    assert picture(tmp_path / "small.png").size == (8, 4)


def test_picture_is_as_small_as_it_is_wanted(tmp_path):
    Image.new("RGB", (1000, 500), RED).save(tmp_path / "wide.png")
    _, _, content = data_uri(tmp_path / "wide.png", WHITE, side=60).partition(",")
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (60, 30)


def test_png_in_memory_becomes_a_small_picture():
    file = io.BytesIO()
    Image.new("RGB", (300, 600), RED).save(file, "PNG")
    head, _, content = thumbnails.of_png(file.getvalue(), side=60).partition(",")
    shown = Image.open(io.BytesIO(base64.b64decode(content)))
    assert head == "data:image/jpeg;base64" and shown.size == (30, 60)
    assert near(shown.getpixel((9, 9)), RED)


def test_picture_is_turned_upright(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (100, 50), RED).save(tmp_path / "phone.jpg", exif=turned)
    assert picture(tmp_path / "phone.jpg").size == (50, 100)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_show_the_background(tmp_path, mode):
    Image.new(mode, (20, 20), (0,) * len(mode)).save(tmp_path / "clear.png")
    found = picture(tmp_path / "clear.png", background=RED)
    assert near(found.getpixel((10, 10)), RED)


def test_transparent_colour_of_a_palette_shows_the_background(tmp_path):
    image = Image.new("P", (20, 20), 0)
    image.putpalette([10, 200, 10])
    image.save(tmp_path / "clear.gif", transparency=0)
    assert near(picture(tmp_path / "clear.gif", RED).getpixel((10, 10)), RED)


def test_deep_pixels_are_scaled_not_cut_off(tmp_path):
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)
    Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / "deep.png")
    middle = np.asarray(picture(tmp_path / "deep.png").convert("L"))[32, 32]
    assert 110 < middle < 150


@pytest.mark.parametrize("suffix", ["bmp", "webp", "tif", "gif", "avif", "ico"])
def test_format_that_training_does_not_read_is_shown_too(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.new("RGB", (32, 32), RED).save(path)
    assert near(picture(path).getpixel((16, 16)), RED)


def test_cmyk_has_the_right_colours(tmp_path):
    Image.new("RGB", (32, 32), RED).convert("CMYK").save(tmp_path / "print.jpg")
    assert near(picture(tmp_path / "print.jpg").getpixel((16, 16)), RED)


def test_of_a_jpeg_that_is_cut_off_the_rest_is_shown(tmp_path):
    file = io.BytesIO()
    Image.effect_noise((300, 300), 60).save(file, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    assert picture(tmp_path / "cut.jpg").size == (SIDE, SIDE)


@pytest.mark.parametrize("content", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_gives_none(tmp_path, content):
    (tmp_path / "file.jpg").write_bytes(content)
    assert data_uri(tmp_path / "file.jpg", WHITE) is None


def test_damage_on_which_pillow_stumbles_gives_none(tmp_path):
    content = png_bomb(20).replace(b"IDAT", b"\xff\xff\xff\xff")
    (tmp_path / "file.png").write_bytes(content)
    assert data_uri(tmp_path / "file.png", WHITE) is None


def test_rarer_formats_are_known_from_the_start(tmp_path):
    Image.new("RGB", (32, 32), RED).save(tmp_path / "scan.tif")
    program = (
        "from pathlib import Path\n"
        "from tl_keras.datasets.report.thumbnails import data_uri\n"
        f"print(data_uri(Path({str(tmp_path / 'scan.tif')!r}), (0, 0, 0)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("data:image/jpeg")


def test_missing_file_gives_none(tmp_path):
    assert data_uri(tmp_path / "gone.jpg", WHITE) is None


def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert data_uri(tmp_path / "pipe.jpg", WHITE) is None


def png_bomb(side):
    """Returns a small PNG whose header and pixels are of an enormous white square."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000)
    end = chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + end


def gif_bomb(side):
    """Returns a small GIF whose screen is enormous."""
    file = io.BytesIO()
    Image.new("P", (2, 2)).save(file, "GIF")
    content = file.getvalue()
    return content[:6] + struct.pack("<HH", side, side) + content[10:]


@pytest.mark.parametrize("content", [png_bomb(20_000), gif_bomb(32_000)])
def test_bomb_is_not_decoded(tmp_path, content):
    (tmp_path / "bomb").write_bytes(content)
    started = time.process_time()
    assert data_uri(tmp_path / "bomb", WHITE) is None
    assert time.process_time() - started < 0.5


def test_enormous_file_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails, "MAX_BYTES", 10)
    Image.new("RGB", (32, 32), RED).save(tmp_path / "large.png")
    assert data_uri(tmp_path / "large.png", WHITE) is None


def test_limits_of_pillow_are_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1234)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    (tmp_path / "file.jpg").write_bytes(b"no image")
    data_uri(tmp_path / "file.jpg", WHITE)
    limits = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    assert limits == (False, 1234)
