"""EXIF orientation inside the graph, compared with Pillow's."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tl_keras.datasets.orientation import exif_orientation, has_exif, turn_upright

ORIENTATION = 0x0112
SHORT, LONG = 3, 4
ORDERS = {"little-endian": "<", "big-endian": ">"}

read = tf.function(exif_orientation, input_signature=[tf.TensorSpec([], tf.string)])


def photo():
    """Returns an image of which no two turned or mirrored forms are equal."""
    rows, columns = np.mgrid[0:40, 0:56]
    pixels = np.stack([columns * 4, rows * 6, 255 - columns * 4], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def jpeg(**options):
    file = io.BytesIO()
    photo().save(file, "JPEG", quality=100, subsampling=0, **options)
    return file.getvalue()


PLAIN = jpeg()


def exif(order, *entries, offset=8):
    """Returns an EXIF block of entries `(tag, type, value)`."""
    values = [
        struct.pack(f"{order}HHI", tag, kind, 1)
        + struct.pack(f"{order}{'Hxx' if kind == SHORT else 'I'}", value)
        for tag, kind, value in entries
    ]
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", offset)
    count = struct.pack(f"{order}H", len(values))
    gap = b"\0" * (offset - 8)
    return b"Exif\0\0" + start + gap + count + b"".join(values) + b"\0\0\0\0"


def segment(content, marker=0xE1):
    """Returns a JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def with_segments(*segments):
    """Returns the photo's JPEG with segments put first, as cameras do."""
    return PLAIN[:2] + b"".join(segments) + PLAIN[2:]


def oriented(number, order="<"):
    """Returns the photo with an orientation among other entries."""
    other = [(0x010F, LONG, 5), (ORIENTATION, SHORT, number), (0x0128, SHORT, 2)]
    return with_segments(segment(exif(order, *other)))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("number", range(1, 9))
def test_orientation_is_read_in_both_byte_orders(number, order):
    assert read(oriented(number, order)) == number


@pytest.mark.parametrize("number", range(1, 9))
def test_block_that_pillow_writes_is_read(number):
    block = Image.Exif()
    block[ORIENTATION] = number
    block[0x010F] = "A maker whose name is longer than four bytes"
    assert read(jpeg(exif=block)) == number


@pytest.mark.parametrize("number", range(1, 9))
def test_turning_pixels_is_what_pillow_does(number):
    block = Image.Exif()
    block[ORIENTATION] = number
    image = photo()
    image.info["exif"] = block.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(image))
    found = turn_upright(tf.constant(np.asarray(photo())), tf.constant(number))
    assert np.array_equal(found, expected)


def test_the_eight_orientations_give_eight_pictures():
    pixels = tf.constant(np.asarray(photo()))
    turned = [turn_upright(pixels, tf.constant(number)) for number in range(1, 9)]
    assert len({(*image.shape, image.numpy().tobytes()) for image in turned}) == 8


def test_quick_search_finds_every_block_that_is_read():
    assert has_exif(oriented(6)) and has_exif(
        with_segments(segment(b"x" * 60_000, 0xE2), segment(exif("<")))
    )


def test_quick_search_finds_nothing_in_a_photo_without_exif():
    assert not has_exif(PLAIN)


def test_photo_without_exif_is_upright():
    assert read(PLAIN) == 1


@pytest.mark.parametrize("number", [0, 9, 255, 65535])
def test_orientation_that_does_not_exist_means_upright(number):
    assert read(oriented(number)) == 1


def test_exif_without_an_orientation_means_upright():
    assert read(with_segments(segment(exif("<", (0x0128, SHORT, 2))))) == 1


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_directory_need_not_follow_the_header_at_once(order):
    block = exif(order, (ORIENTATION, SHORT, 6), offset=100)
    assert read(with_segments(segment(block))) == 6


@pytest.mark.parametrize(
    "before",
    [
        segment(b"JFIF\0\1\1\0\0\1\0\1\0\0", 0xE0),
        segment(b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
        segment(b"ICC_PROFILE\0" + b"x" * 60_000, 0xE2),
        segment(b"a comment", 0xFE),
    ],
    ids=["JFIF", "XMP", "a large colour profile", "a comment"],
)
def test_exif_is_found_behind(before):
    block = segment(exif("<", (ORIENTATION, SHORT, 8)))
    assert read(with_segments(before, block)) == 8


def test_exif_is_found_behind_fill_bytes():
    # ITU T.81, B.1.1.2: any marker may have bytes 0xFF in front of it.
    block = segment(exif("<", (ORIENTATION, SHORT, 8)))
    assert read(with_segments(b"\xff\xff", block)) == 8


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_orientation_in_four_bytes_is_read(order):
    # Some writers store it as LONG; Pillow reads that too.
    assert read(with_segments(segment(exif(order, (ORIENTATION, LONG, 6))))) == 6


def test_exif_in_another_segment_than_app1_is_not_read():
    block = exif("<", (ORIENTATION, SHORT, 6))
    assert read(with_segments(segment(block, 0xE2))) == 1


def test_bytes_that_look_like_exif_behind_the_pixels_are_not_read():
    assert read(PLAIN + segment(exif("<", (ORIENTATION, SHORT, 6)))) == 1


@pytest.mark.parametrize(
    "content",
    [b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe1\0\0"]
    + [b"\xff\xd8" + b"\xff\xe1\0\0" * 50, b"\xff" * 300, b"\0" * 300],
)
def test_header_without_content_means_upright(content):
    assert read(content) == 1


def test_number_of_entries_that_is_far_too_great_still_finds_the_orientation():
    block = bytearray(exif("<", (ORIENTATION, SHORT, 6)))
    block[14:16] = b"\xff\xff"
    assert read(with_segments(segment(bytes(block)))) in range(1, 9)


@pytest.mark.parametrize("offset", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x0003FFFF])
def test_offset_beyond_the_file_means_upright(offset):
    block = bytearray(exif("<", (ORIENTATION, SHORT, 6)))
    block[10:14] = struct.pack("<I", offset)
    assert read(with_segments(segment(bytes(block)))) == 1


def test_photo_cut_off_anywhere_in_its_exif_gives_an_orientation():
    content = oriented(6, ">")
    end = content.index(b"JFIF")
    assert {int(read(content[:size])) for size in range(2, end)} <= {1, 6}


def test_random_bytes_in_the_exif_block_give_an_orientation():
    random = np.random.default_rng(5)
    content = oriented(6, "<")
    end = content.index(b"JFIF")
    found = set()
    for _ in range(200):
        damaged = bytearray(content)
        for place in random.integers(2, end, random.integers(1, 8)):
            damaged[place] = random.integers(256)
        found.add(int(read(bytes(damaged))))
    assert found <= set(range(1, 9))


def test_random_bytes_put_into_the_exif_block_give_an_orientation():
    random = np.random.default_rng(6)
    content = oriented(6, ">")
    end = content.index(b"JFIF")
    found = set()
    for _ in range(200):
        place = int(random.integers(2, end))
        extra = random.bytes(int(random.integers(1, 40)))
        found.add(int(read(content[:place] + extra + content[place:])))
    assert found <= set(range(1, 9))
