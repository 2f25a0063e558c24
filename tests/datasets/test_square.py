"""Squares: what each way of resizing keeps, on pictures of four coloured quarters."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tl_keras.datasets import batches
from tl_keras.datasets.images import decode, decode_and_resize
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.square import WAYS, Square
from tl_keras.sections import Data

RED, GREEN, BLUE, YELLOW = (250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)
QUARTERS = [[RED, GREEN], [BLUE, YELLOW]]
GREY = (10, 120, 200)
ORIENTATION = 0x0112


def quarters(width, height):
    """Returns a picture: red, green above blue, yellow."""
    halves = np.repeat(np.array(QUARTERS, np.uint8), height // 2, axis=0)
    return Image.fromarray(np.repeat(halves, width // 2, axis=1))


def content_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def made(image, side=16, **options):
    """Returns the square that is made of a picture."""
    square = Square(side=side, background=GREY, **options)
    found = decode_and_resize(tf.constant(content_of(image)), square)
    return found.numpy().astype(int)


@pytest.mark.parametrize("size", [(64, 32), (32, 64)], ids=["wide", "tall"])
@pytest.mark.parametrize("way", ["squash", "crop"])
def test_square_is_full_of_the_four_quarters(way, size):
    expected = np.asarray(quarters(16, 16))
    assert (made(quarters(*size), resize=way) == expected).all()


def test_wide_image_is_padded_above_and_below():
    found = made(quarters(64, 32), resize="pad")
    assert (found[4:12] == np.asarray(quarters(16, 8))).all()
    assert (found[[0, 3, 12, 15]] == GREY).all()


def test_tall_image_is_padded_on_its_left_and_right():
    found = made(quarters(32, 64), resize="pad")
    assert (found[:, 4:12] == np.asarray(quarters(8, 16))).all()
    assert (found[:, [0, 3, 12, 15]] == GREY).all()


def test_crop_takes_the_centre():
    stripes = np.zeros((10, 50, 3), np.uint8)
    stripes[:, 20:30] = RED
    assert (made(Image.fromarray(stripes), resize="crop") == RED).all()


def test_squash_keeps_what_crop_cuts_off():
    stripes = np.zeros((32, 96, 3), np.uint8)
    stripes[:, :32] = RED
    found = made(Image.fromarray(stripes), side=6, resize="squash")
    assert (found[:, :2] == RED).all() and (found[:, 2:] == 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_one_pixel_fills_the_square(way):
    assert (made(Image.new("RGB", (1, 1), RED), resize=way) == RED).all()


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1)], ids=str)
@pytest.mark.parametrize("way", ["squash", "crop"])
def test_line_of_pixels_fills_the_square(way, size):
    assert (made(Image.new("RGB", size, RED), resize=way) == RED).all()


def test_line_of_pixels_is_padded_to_a_line():
    found = made(Image.new("RGB", (5000, 1), RED), resize="pad")
    assert (found == RED).all(axis=-1).sum() == 16


@pytest.mark.parametrize("way", WAYS)
def test_photo_that_is_turned_is_cut_and_padded_upright(way):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    options = {"quality": 100, "subsampling": 0}
    upright = quarters(96, 48)
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    square = Square(side=16, resize=way, background=GREY)
    found = decode_and_resize(
        tf.constant(content_of(lying, "JPEG", exif=exif, **options)), square
    )
    expected = decode_and_resize(
        tf.constant(content_of(upright, "JPEG", **options)), square
    )
    assert np.abs(found.numpy().astype(int) - expected.numpy()).max() <= 8


@pytest.mark.parametrize("way", WAYS)
def test_transparent_pixels_show_the_background(way):
    clear = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    assert (made(clear, resize=way) == GREY).all()


def test_half_transparent_pixels_are_mixed_with_the_background():
    image = content_of(Image.new("RGBA", (3, 3), (100, 100, 100, 51)))
    found = decode(tf.constant(image), background=(200, 0, 50)).numpy()
    assert (found == (180, 20, 60)).all()


def test_strips_of_a_large_transparent_image_join():
    values = np.random.default_rng(0).integers(0, 256, (700, 3000, 4), np.uint8)
    found = decode(
        tf.constant(content_of(Image.fromarray(values), compress_level=1))
    ).numpy()
    opacity = values[..., 3:] / 255
    expected = values[..., :3] * opacity + 255 * (1 - opacity)
    assert np.abs(found - expected).max() <= 0.501


def photo(width, height, seed=0):
    """Returns a picture with detail at every scale, as a JPEG."""
    random, pixels = np.random.default_rng(seed), 120.0
    for octave in range(1, width.bit_length()):
        cells = 2**octave
        noise = random.normal(0, 1, (max(cells * height // width, 1), cells))
        grown = Image.fromarray(noise.astype(np.float32)).resize((width, height))
        pixels += 60 * 0.75**octave * np.asarray(grown)
    grey = np.clip(pixels, 0, 255).astype(np.uint8)
    image = Image.merge("RGB", [Image.fromarray(grey)] * 3)
    return content_of(image, "JPEG", quality=90)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(224, 168), (448, 336), (896, 672)], ids=str)
def test_reduced_scale_gives_nearly_the_pixels_of_the_full_one(way, size):
    content = tf.constant(photo(*size))
    square = Square(side=56, resize=way)
    full = square.fill(decode(content)).numpy().astype(int)
    reduced = decode_and_resize(content, square).numpy()
    assert np.abs(reduced - full).mean() <= 1.5


@pytest.mark.parametrize(
    ("size", "way", "factor"),
    [((58, 90), "squash", 1), ((58, 90), "pad", 2), ((60, 90), "crop", 2)]
    + [((116, 300), "squash", 2), ((120, 300), "squash", 4), ((240, 240), "pad", 8)]
    + [((241, 240), "squash", 1), ((240, 242), "squash", 2)],
)
def test_scale_leaves_one_and_a_half_times_the_side(monkeypatch, size, way, factor):
    content = tf.constant(photo(*size))
    seen = []
    monkeypatch.setitem(
        WAYS,
        way,
        lambda image, square: seen.append(image.shape) or tf.zeros((20, 20, 3)),
    )
    decode_and_resize(content, Square(side=20, resize=way))
    width, height = size
    assert seen == [(-(-height // factor), -(-width // factor), 3)]


def test_config_says_what_a_square_is():
    data = Data(resize="crop", background=[1, 2, 3])
    expected = Square(side=64, resize="crop", background=(1, 2, 3))
    assert Square.of(data, 64) == expected


@pytest.mark.parametrize("way", WAYS)
def test_batches_give_the_squares_of_each_way(way, tmp_path):
    (tmp_path / "0.png").write_bytes(content_of(quarters(64, 32)))
    square = Square(side=16, resize=way, background=GREY)
    manifest = Manifest(tmp_path, (Row(path="0.png", label="a"),))
    (found,) = list(batches.images(manifest, square, 4))
    assert (found.numpy()[0] == made(quarters(64, 32), resize=way)).all()
