"""Every kind of bad file is named, with a reason that a person understands."""

import errno
import hashlib
import io
import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tl_keras.datasets import check as check_module
from tl_keras.datasets import sources
from tl_keras.datasets.check import NAMED_FILES, check
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import DataError


def saved(image, kind, **options):
    """Returns the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(seed=0, side=64):
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))


def png_header(width, height):
    """Returns the start of a PNG that claims a size, without its pixels."""
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(content))
    length = struct.pack(">I", len(content) - 4)
    return b"\x89PNG\r\n\x1a\n" + length + content + checksum


# The start of the pixels: only with it does Pillow believe the header.
PIXELS = struct.pack(">I", 100) + b"IDAT" + b"x" * 10


def cut(content):
    return content[: len(content) // 2]


def animated_webp():
    return saved(noise(), "WEBP", save_all=True, append_images=[noise(1)])


BAD = {
    "empty.jpg": (b"", "not an image|the file is empty"),
    "text.jpg": (b"not an image at all" * 20, "not an image"),
    "page.png": (b"<html><body>404</body></html>", "not an image"),
    "cut.jpg": (cut(saved(noise(), "JPEG")), "the JPEG is damaged or cut off"),
    "cut.png": (cut(saved(noise(), "PNG")), "the PNG is damaged or cut off"),
    "cut.webp": (cut(saved(noise(), "WEBP")), "(?i)webp"),
    "cut.gif": (cut(saved(noise(), "GIF")), "(?i)gif"),
    "cut.bmp": (cut(saved(noise(), "BMP")), "(?i)bmp"),
    "moving.webp": (animated_webp(), "^animated WebP cannot be decoded rightly"),
    "palette.bmp": (
        saved(noise().quantize(16), "BMP"),
        "^BMP with a palette cannot be decoded rightly: convert it to PNG$",
    ),
    "bomb.png": (png_header(60_000, 60_000) + PIXELS, "header claims an enormous size"),
    "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "photo.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" * 9, "not an image"),
    "photo.tif": (saved(noise(), "TIFF"), "not an image"),
}


def add(folder, *names, label="red"):
    """Writes bad files into a class."""
    for name in names:
        (folder / label / name).write_bytes(BAD[name][0])


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """The reason given for each bad file, all of them found in one pass."""
    folder = tmp_path_factory.mktemp("photos")
    for label in ("good", "red"):
        (folder / label).mkdir()
        noise().save(folder / label / "fine.png")
    add(folder, *BAD)
    (folder / "red" / "gone.png").symlink_to(folder / "nowhere.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_module, "NAMED_FILES", 100)
        with pytest.raises(DataError) as error:
            check(sources.find(folder), "error")
    lines = str(error.value).splitlines()[1:]
    return dict(line.strip().removeprefix("red/").split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named_with_its_reason(complaints, name):
    assert re.search(BAD[name][1], complaints[name])


def test_good_file_is_not_named(complaints):
    assert "fine.png" not in complaints


def test_file_that_cannot_be_opened_is_named_with_the_systems_reason(complaints):
    assert complaints["gone.png"] == "No such file or directory"


@pytest.mark.parametrize("name", BAD)
def test_reason_is_short_and_without_tensorflows_inner_names(complaints, name):
    assert not re.search(r"\{\{|node|Op:|0x[0-9a-f]{6}|b'", complaints[name])


def refuse(content):
    """Fails as the decoder does for what it refuses."""
    message = "animated WebP cannot be decoded rightly: convert it to PNG"
    failure = tf.debugging.Assert(tf.strings.length(content) == 0, [message])
    with tf.control_dependencies([failure]):
        return tf.identity(content)


def eager(function, content):
    function(content)


def compiled(function, content):
    tf.function(function)(content)


def mapped(function, content):
    list(tf.data.Dataset.from_tensors(content).map(function))


@pytest.mark.parametrize("run", [eager, compiled, mapped])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (tf.io.decode_image, "not an image (JPEG, PNG, GIF, BMP and WebP are)"),
        (refuse, "animated WebP cannot be decoded rightly: convert it to PNG"),
    ],
)
def test_reason_is_the_same_wherever_the_decoder_runs(run, function, expected):
    with pytest.raises(tf.errors.OpError) as error:
        run(function, tf.constant(b"just text"))
    assert check_module.reason(error.value) == expected


def test_bad_file_stops_the_run_and_says_how_to_go_on(squares):
    add(squares, "text.jpg")
    with pytest.raises(DataError, match=r"1 file is not usable\..*skip.*:\n  red/text"):
        check(sources.find(squares), "error")


def test_bad_file_is_left_out_where_it_may_be_skipped(squares):
    add(squares, "text.jpg", "cut.png")
    paths = [row.path for row in sources.find(squares).rows]
    kept = [row.path for row in check(sources.find(squares), "skip").rows]
    assert kept == [p for p in paths if p not in ("red/text.jpg", "red/cut.png")]


def test_files_left_out_are_named(squares, capsys):
    add(squares, "text.jpg")
    check(sources.find(squares), "skip")
    assert (
        "1 file is left out:\n  red/text.jpg: not an image" in capsys.readouterr().err
    )


def test_long_list_of_bad_files_is_cut(squares):
    for number in range(NAMED_FILES + 3):
        (squares / "red" / f"bad{number}.png").write_text("x")
    with pytest.raises(DataError) as error:
        check(sources.find(squares), "error")
    lines = str(error.value).splitlines()
    assert (len(lines), lines[-1]) == (NAMED_FILES + 2, "  … and 3 more")


def test_class_that_is_lost_by_skipping_is_named(squares):
    (squares / "grey").mkdir()
    add(squares, "text.jpg", label="grey")
    with pytest.raises(DataError, match="No image can be read in class grey"):
        check(sources.find(squares), "skip")


def test_file_without_permission_is_named(squares, monkeypatch):
    read = Path.read_bytes

    def refuse(path):
        if path.name == "3.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="blue/3.png: Permission denied"):
        check(sources.find(squares), "error")


def test_size_below_the_limit_is_not_called_enormous(tmp_path):
    # A camera of 200 megapixels; the pixels are missing, so that no memory is used.
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        noise().save(tmp_path / label / "fine.png")
    (tmp_path / "a" / "large.png").write_bytes(png_header(16_320, 12_240) + PIXELS)
    with pytest.raises(DataError, match="a/large.png: the PNG is damaged or cut off"):
        check(sources.find(tmp_path), "error")


def test_interrupted_check_stops(squares, monkeypatch):
    def interrupt(items, *_):
        yield next(iter(items))
        raise KeyboardInterrupt

    monkeypatch.setattr(check_module, "track", interrupt)
    with pytest.raises(KeyboardInterrupt):
        check(sources.find(squares), "error")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Checked rows by name: the same picture in several forms, and others."""
    folder = tmp_path_factory.mktemp("pictures")
    picture, wide = noise(), Image.new("RGB", (8, 2), "white")
    turned = Image.Exif()
    turned[0x0112] = 6
    (folder / "a" / "deep").mkdir(parents=True)
    (folder / "b").mkdir()
    picture.save(folder / "a" / "picture.png")
    picture.save(folder / "a" / "deep" / "again.png", compress_level=0)
    picture.save(folder / "a" / "picture.bmp")
    picture.save(folder / "b" / "picture.webp", lossless=True)
    picture.convert("RGBA").save(folder / "b" / "opaque.png")
    noise(1).save(folder / "b" / "other.png")
    wide.save(folder / "b" / "wide.png")
    Image.new("RGB", (4, 4), "white").save(folder / "b" / "square.png")
    wide.save(folder / "b" / "photo.jpg", exif=turned)
    checked = check(sources.find(folder), "error")
    return {os.path.basename(row.path): row for row in checked.rows}


@pytest.mark.parametrize(
    "name", ["again.png", "picture.bmp", "picture.webp", "opaque.png"]
)
def test_equal_pictures_in_different_files_have_equal_pixels(pictures, name):
    assert pictures[name].pixels == pictures["picture.png"].pixels


def test_different_pictures_have_different_pixels(pictures):
    assert pictures["other.png"].pixels != pictures["picture.png"].pixels


def test_white_pictures_of_different_shapes_are_different(pictures):
    assert pictures["wide.png"].pixels != pictures["square.png"].pixels


def test_pixels_are_the_digest_of_shape_and_bytes(pictures):
    content = b"64x64:" + np.asarray(noise()).tobytes()
    assert pictures["picture.png"].pixels == hashlib.sha256(content).hexdigest()


def test_sha256_is_the_files(pictures):
    content = saved(noise(), "BMP")
    assert pictures["picture.bmp"].sha256 == hashlib.sha256(content).hexdigest()


def test_width_and_height_are_the_pictures(pictures):
    assert (pictures["wide.png"].width, pictures["wide.png"].height) == (8, 2)


def test_width_and_height_are_those_of_the_upright_photo(pictures):
    assert (pictures["photo.jpg"].width, pictures["photo.jpg"].height) == (2, 8)


def test_checking_keeps_order_labels_and_root(squares):
    found = sources.find(squares)
    checked = check(found, "error")
    rows = tuple(Row(path=row.path, label=row.label) for row in checked.rows)
    assert Manifest(checked.root, rows) == found


def test_copies_are_counted(squares, capsys):
    for number in range(3):
        shutil.copy(squares / "red" / "0.png", squares / "red" / f"copy{number}.png")
    check(sources.find(squares), "error")
    assert "3 images are copies of others" in capsys.readouterr().err


def test_picture_under_two_labels_is_named_with_both(squares, capsys):
    shutil.copy(squares / "red" / "0.png", squares / "blue" / "wrong.png")
    check(sources.find(squares), "error")
    expected = "blue/wrong.png (blue) = red/0.png (red)"
    assert expected in capsys.readouterr().err
