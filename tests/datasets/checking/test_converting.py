"""What training cannot read becomes a PNG with the right pixels."""

import io

import numpy as np
import pytest
from bad_files import (
    JPEG,
    TWELVE_BITS,
    animation,
    clear_palette,
    gradient,
    half_transparent,
    halves,
    on_white,
    one_colour,
    saved,
    sixteen_bit_rgb,
    three,
    turned,
)
from PIL import Image

from tl_keras.datasets.checking.converting import convert
from tl_keras.errors import DataError

WHITE = (255, 255, 255)


def converted(folder, content, background=WHITE):
    """Returns the pixels of the PNG that a file becomes."""
    convert(content, folder / "new" / "a.png", background)
    with Image.open(folder / "new" / "a.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def tiff(values):
    """Returns a TIFF of an array."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (saved(gradient(), "TIFF"), gradient()),
        (saved(gradient(), "PPM"), gradient()),
        (saved(Image.fromarray(gradient()).convert("L"), "BMP"), None),
        (saved(clear_palette(), "GIF", transparency=0), halves(255, (0, 0, 255))),
        (saved(half_transparent(), "TIFF"), on_white(half_transparent())),
        (turned(6, "PNG"), gradient()),
        (animation("WEBP"), one_colour((255, 0, 0))),
    ],
)
def test_png_has_the_pictures_pixels(tmp_path, content, expected):
    if expected is None:
        expected = three(np.asarray(Image.fromarray(gradient()).convert("L")))
    difference = converted(tmp_path, content).astype(int) - expected
    assert np.abs(difference).max() <= 2


def test_transparent_pixels_show_the_background(tmp_path):
    content = saved(clear_palette(), "GIF", transparency=0)
    pixels = converted(tmp_path, content, (1, 2, 3))
    assert np.array_equal(pixels, halves((1, 2, 3), (0, 0, 255)))


def test_twelve_bits_become_eight(tmp_path):
    pixels = converted(tmp_path, saved(TWELVE_BITS, "PNG"))
    expected = three(np.round(TWELVE_BITS / 4095 * 255))
    assert np.array_equal(pixels, expected)


def test_twelve_bits_of_a_tiff_become_eight(tmp_path):
    pixels = converted(tmp_path, tiff(TWELVE_BITS))
    assert np.array_equal(pixels, three(np.round(TWELVE_BITS / 4095 * 255)))


def test_sixteen_bit_colours_keep_their_hue(tmp_path):
    values = gradient().astype(np.uint16) * 257
    assert np.array_equal(converted(tmp_path, sixteen_bit_rgb(values)), gradient())


def test_numbers_are_stretched_to_the_whole_range(tmp_path):
    values = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)
    pixels = converted(tmp_path, tiff(values))
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_damaged_picture_is_refused(tmp_path):
    with pytest.raises(DataError, match="Pillow cannot read it, either"):
        convert(JPEG[:200], tmp_path / "a.png", WHITE)


def test_refused_picture_leaves_no_file(tmp_path):
    with pytest.raises(DataError):
        convert(JPEG[:200], tmp_path / "a.png", WHITE)
    assert list(tmp_path.iterdir()) == []


def test_heic_without_its_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(DataError, match=r"pip install tl_keras\[heif\]"):
        convert(b"\0\0\0\x18ftypheic" + bytes(50), tmp_path / "a.png", WHITE)
