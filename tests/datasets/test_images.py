"""Pixels of every kind of image file, compared with Pillow's."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tl_keras.datasets.formats import MAGIC
from tl_keras.datasets.images import UPRIGHT_JPEG, decode, decode_and_resize
from tl_keras.datasets.square import Square

HEIGHT, WIDTH = 13, 21
SMALL = Square(side=16)
ORIENTATION = 0x0112
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6

compiled = tf.function(decode, input_signature=[tf.TensorSpec([], tf.string)])


def noise(mode, seed=0):
    """Returns a random image of a Pillow mode."""
    shape = (HEIGHT, WIDTH, len(Image.new(mode, (1, 1)).getbands()))
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.frombytes(mode, (WIDTH, HEIGHT), values.tobytes())


def smooth():
    """Returns a colourful image without sharp edges, which JPEG keeps well."""
    rows, columns = np.mgrid[0:48, 0:64] / 64.0
    channels = (columns, rows, 1 - columns * rows)
    pixels = np.stack(channels, axis=-1) * 200 + 30
    return Image.fromarray(pixels.astype(np.uint8))


def saved(image, kind, **options):
    """Returns the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def on_white(content):
    """Returns what Pillow makes of a file: RGB, transparency on white."""
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"), np.int32)


def difference(content, expected=None):
    """Returns the greatest difference between our pixels and Pillow's."""
    found = compiled(content).numpy().astype(np.int32)
    expected = on_white(content) if expected is None else expected
    assert found.shape == expected.shape
    return np.abs(found - expected).max()


def chunk(name, data):
    """Returns a PNG chunk."""
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def png(rows, width, depth, colour_type, *chunks):
    """Returns a PNG of packed rows, for the kinds that Pillow does not write."""
    size = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + b"".join(chunk(name, data) for name, data in chunks)
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def random_rows(row_bytes, seed=0):
    """Returns rows of random bytes."""
    random = np.random.default_rng(seed)
    return [random.bytes(row_bytes) for _ in range(HEIGHT)]


def palette(colours, alphas=None):
    """Returns a PLTE chunk, with a tRNS chunk if there are alphas."""
    random = np.random.default_rng(3)
    chunks = [(b"PLTE", random.bytes(3 * colours))]
    return [*chunks, (b"tRNS", bytes(alphas))] if alphas else chunks


def webp(image, **options):
    return saved(image, "WEBP", lossless=True, exact=True, **options)


OPAQUE = {
    "png RGB": saved(noise("RGB"), "PNG"),
    "png L": saved(noise("L"), "PNG"),
    "png 1 bit": saved(noise("L").convert("1"), "PNG"),
    "png palette": saved(noise("RGB").quantize(200), "PNG"),
    "png palette 1 bit": saved(noise("RGB").quantize(2), "PNG", bits=1),
    "png palette 2 bits": saved(noise("RGB").quantize(4), "PNG", bits=2),
    "png palette 4 bits": saved(noise("RGB").quantize(16), "PNG", bits=4),
    "png L 2 bits": png(random_rows(6), WIDTH, 2, GREY),
    "png L 4 bits": png(random_rows(11), WIDTH, 4, GREY),
    "bmp RGB": saved(noise("RGB"), "BMP"),
    "bmp RGBA, without its alpha": saved(noise("RGB").convert("RGBA"), "BMP"),
    "webp lossless RGB": webp(noise("RGB")),
    "gif": saved(noise("RGB").quantize(200), "GIF"),
}
TRANSPARENT = {
    "png RGBA": saved(noise("RGBA"), "PNG"),
    "png LA": saved(noise("LA"), "PNG"),
    "png palette with tRNS": png(
        random_rows(WIDTH), WIDTH, 8, PALETTE, *palette(256, range(256))
    ),
    "png palette with a short tRNS": png(
        random_rows(WIDTH), WIDTH, 8, PALETTE, *palette(256, [0, 128, 7])
    ),
    "png palette of 1 bit with tRNS": png(
        random_rows(3), WIDTH, 1, PALETTE, *palette(2, [0])
    ),
    "png palette of 2 bits with tRNS": png(
        random_rows(6), WIDTH, 2, PALETTE, *palette(4, [0, 100])
    ),
    "png palette of 4 bits with tRNS": png(
        random_rows(11), WIDTH, 4, PALETTE, *palette(16, [0, 100, 200])
    ),
    "png L with tRNS": png(
        [bytes(range(WIDTH))] * HEIGHT, WIDTH, 8, GREY, (b"tRNS", b"\0\5")
    ),
    "png RGB with tRNS": png(
        [bytes(range(3 * WIDTH))] * HEIGHT, WIDTH, 8, RGB, (b"tRNS", b"\0\3\0\4\0\5")
    ),
    "webp lossless RGBA": webp(noise("RGBA")),
    "webp of an extended header with alpha": webp(noise("RGBA"), icc_profile=b"x"),
}


@pytest.mark.parametrize("kind", OPAQUE)
def test_opaque_file_gives_the_pixels_that_pillow_gives(kind):
    assert difference(OPAQUE[kind]) == 0


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparency_lies_on_white_as_in_pillow(kind):
    # Pillow composites in whole numbers.
    assert difference(TRANSPARENT[kind]) <= 1


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_grey_of_few_bits_with_a_transparent_one_keeps_its_opaque_pixels(depth):
    rows = random_rows(-(-WIDTH * depth // 8))
    transparent = png(rows, WIDTH, depth, GREY, (b"tRNS", b"\0\1"))
    levels = on_white(png(rows, WIDTH, depth, GREY))
    levels[levels == 255 // (2**depth - 1)] = 255
    assert difference(transparent, levels) == 0


def test_fully_transparent_pixels_are_white_whatever_colour_they_hide():
    red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (compiled(saved(red, "PNG")).numpy() == 255).all()


def test_gif_with_transparency_lies_on_white_or_is_refused():
    image = noise("RGB").quantize(200)
    content = saved(image, "GIF", transparency=image.getpixel((0, 0)))
    with contextlib.suppress(tf.errors.InvalidArgumentError):
        assert difference(content) == 0


def test_animated_gif_gives_its_first_frame():
    frames = [noise("L", seed).convert("RGB").quantize(100) for seed in range(3)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert difference(content) == 0


@pytest.mark.parametrize(
    ("colour_type", "samples"), [(GREY, 1), (RGB, 3), (GREY_ALPHA, 2), (RGB_ALPHA, 4)]
)
def test_png_of_16_bits_gives_the_pixels_of_its_high_bytes(colour_type, samples):
    wide = random_rows(WIDTH * samples * 2)
    high = [row[::2] for row in wide]
    content = png(wide, WIDTH, 16, colour_type)
    assert difference(content, on_white(png(high, WIDTH, 8, colour_type))) <= 1


def test_interlaced_png_gives_its_pixels():
    # One pixel is in the first pass of seven, so that a plain row is interlaced too.
    pixel = png([b"\x10\x20\x30"], 1, 8, RGB)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, RGB, 0, 0, 1))
    assert difference(pixel[:8] + header + pixel[8 + len(header) :]) == 0


def test_text_in_a_png_does_not_change_its_pixels():
    text = (b"tEXt", b"Comment\0about tRNS and IDAT chunks")
    content = png(random_rows(3), WIDTH, 1, GREY, text)
    assert difference(content) == 0


def test_transparency_is_found_behind_text_that_speaks_of_pixels():
    text = (b"tEXt", b"Comment\0about IDAT chunks")
    chunks = [text, *palette(256, range(256))]
    content = png(random_rows(WIDTH), WIDTH, 8, PALETTE, *chunks)
    assert difference(content) <= 1


# TensorFlow's default is the fast cosine transform, Pillow's the accurate one: hence
# the tolerances.
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_of_full_quality_gives_nearly_the_pixels_that_pillow_gives(mode):
    content = saved(smooth().convert(mode), "JPEG", quality=100)
    assert difference(content) <= 8


def test_jpeg_with_coarse_colour_gives_nearly_the_pixels_that_pillow_gives():
    assert difference(saved(smooth(), "JPEG", quality=90, subsampling=2)) <= 8


def test_progressive_jpeg_gives_nearly_the_pixels_that_pillow_gives():
    content = saved(smooth(), "JPEG", quality=100, progressive=True)
    assert difference(content) <= 8


def test_cmyk_jpeg_gives_nearly_the_colours_that_pillow_gives():
    content = saved(smooth().convert("CMYK"), "JPEG", quality=100)
    assert difference(content) <= 8


def test_lossy_webp_gives_nearly_the_pixels_that_pillow_gives():
    assert difference(saved(smooth(), "WEBP", quality=100)) <= 2


def test_lossy_webp_with_alpha_lies_on_white():
    image = smooth()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    assert difference(saved(image, "WEBP", quality=100)) <= 3


def test_bmp_that_is_written_from_the_top_is_not_upside_down():
    content = bytearray(saved(noise("RGB"), "BMP"))
    content[22:26] = struct.pack("<i", -HEIGHT)
    assert difference(bytes(content)) == 0


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("number", range(1, 9))
def test_photo_is_upright_as_in_pillow(number, order):
    block = Image.Exif()
    block.endian = order
    block[ORIENTATION] = number
    content = saved(smooth(), "JPEG", quality=100, exif=block)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert difference(content, np.asarray(upright, np.int32)) <= 8


def test_photo_with_a_damaged_exif_block_keeps_its_pixels():
    random = np.random.default_rng(7)
    size = np.asarray(smooth()).size
    for _ in range(30):
        block = b"Exif\0\0" + random.bytes(40)
        assert compiled(saved(smooth(), "JPEG", exif=block)).numpy().size == size


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_bmp_with_a_palette_is_refused(mode):
    content = saved(noise("RGB").convert(mode), "BMP")
    with pytest.raises(tf.errors.InvalidArgumentError, match="BMP with a palette"):
        compiled(content)


@pytest.mark.parametrize("lossless", [True, False])
def test_animated_webp_is_refused(lossless):
    frames = [noise("RGB", seed) for seed in range(2)]
    options = {"save_all": True, "append_images": frames[1:], "lossless": lossless}
    with pytest.raises(tf.errors.InvalidArgumentError, match="animated WebP"):
        compiled(saved(frames[0], "WEBP", **options))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"B", b"\xff\xd8\xff", b"\x89PNG", b"RIFF....WEBP", b"BM", b"GIF89a"]
    + [b"just text " * 50, b"\0" * 100, b"<svg xmlns='http://www.w3.org/2000/svg'/>"],
)
def test_bytes_that_are_no_image_are_refused(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        compiled(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_file_cut_in_half_is_refused(kind):
    image = Image.effect_noise((64, 64), 90).convert("RGB")
    content = saved(image, kind)
    with pytest.raises(tf.errors.InvalidArgumentError):
        compiled(content[: len(content) // 2])


SAMPLES = {
    "png RGB": OPAQUE["png RGB"],
    "png 1 bit": OPAQUE["png 1 bit"],
    "png RGBA": TRANSPARENT["png RGBA"],
    "bmp RGB": OPAQUE["bmp RGB"],
    "webp lossless RGBA": TRANSPARENT["webp lossless RGBA"],
    "gif": OPAQUE["gif"],
    "jpeg": saved(noise("RGB"), "JPEG"),
    "turned jpeg": saved(
        noise("RGB"),
        "JPEG",
        exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
    ),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_eager_and_compiled_decoding_agree(kind):
    eager = decode(tf.constant(SAMPLES[kind])).numpy()
    assert (eager == compiled(SAMPLES[kind]).numpy()).all()


@pytest.mark.parametrize("kind", SAMPLES)
def test_decoder_of_one_kind_gives_what_the_decoder_of_all_gives(kind):
    content = tf.constant(SAMPLES[kind])
    (only,) = (name for name in MAGIC if SAMPLES[kind].startswith(MAGIC[name]))
    found = decode_and_resize(content, SMALL, only).numpy()
    assert (found == decode_and_resize(content, SMALL).numpy()).all()


def test_decoder_of_upright_jpegs_gives_what_the_decoder_of_all_gives():
    content = tf.constant(SAMPLES["jpeg"])
    found = decode_and_resize(content, SMALL, UPRIGHT_JPEG).numpy()
    assert (found == decode_and_resize(content, SMALL).numpy()).all()


def test_decoding_inside_map_fn_agrees():
    contents = tf.constant(list(SAMPLES.values()))
    output = tf.TensorSpec((16, 16, 3), tf.uint8)

    @tf.function
    def every(contents):
        return tf.map_fn(
            lambda content: decode_and_resize(content, SMALL),
            contents,
            fn_output_signature=output,
        )

    alone = np.stack([decode_and_resize(content, SMALL) for content in contents])
    assert (every(contents).numpy() == alone).all()


@pytest.fixture(scope="module")
def dataset():
    """The samples, decoded as training does it."""
    contents = tf.data.Dataset.from_tensor_slices(list(SAMPLES.values()))
    return contents.map(lambda content: decode_and_resize(content, SMALL))


def test_decoding_inside_a_dataset_agrees(dataset):
    alone = [decode_and_resize(content, SMALL) for content in SAMPLES.values()]
    assert (np.stack(list(dataset)) == np.stack(alone)).all()


def test_resized_image_has_a_static_shape(dataset):
    assert dataset.element_spec == tf.TensorSpec((16, 16, 3), tf.uint8)


def test_decoded_images_have_three_channels_in_the_graph():
    assert compiled.get_concrete_function().output_shapes.as_list() == [None, None, 3]


@pytest.mark.parametrize("size", [8, 13, 50])
def test_resized_image_is_a_square_of_bytes(size):
    image = decode_and_resize(tf.constant(OPAQUE["png RGB"]), Square(side=size))
    assert (image.shape, image.dtype) == ((size, size, 3), tf.uint8)


def filtered(size, **options):
    """Returns what TensorFlow's resizing makes of the first sample."""
    pixels = np.asarray(Image.open(io.BytesIO(OPAQUE["png RGB"])))
    return tf.image.resize(pixels, (size, size), **options).numpy()


def test_image_that_grows_is_interpolated_bilinearly():
    found = decode_and_resize(tf.constant(OPAQUE["png RGB"]), Square(side=50)).numpy()
    assert np.abs(found - filtered(50, antialias=True)).max() <= 0.5 + 1e-3


def test_image_that_shrinks_gives_the_means_of_areas():
    found = decode_and_resize(tf.constant(OPAQUE["png RGB"]), Square(side=8)).numpy()
    assert np.abs(found - filtered(8, method="area")).max() <= 0.5 + 1e-3


def test_image_that_shrinks_on_one_side_alone_is_antialiased():
    found = decode_and_resize(tf.constant(OPAQUE["png RGB"]), SMALL).numpy()
    assert np.abs(found - filtered(16, antialias=True)).max() <= 0.5 + 1e-3


def test_resizing_is_close_to_pillows():
    content = saved(smooth(), "PNG")
    expected = smooth().resize((24, 24), Image.Resampling.BILINEAR)
    found = (
        decode_and_resize(tf.constant(content), Square(side=24))
        .numpy()
        .astype(np.int32)
    )
    assert np.abs(found - np.asarray(expected, np.int32)).max() <= 2


@pytest.mark.parametrize("value", [0, 255])
def test_resizing_keeps_black_and_white(value):
    content = saved(Image.new("RGB", (7, 5), (value,) * 3), "PNG")
    assert (
        decode_and_resize(tf.constant(content), Square(side=20)).numpy() == value
    ).all()


def test_image_that_has_the_size_already_keeps_its_pixels():
    square = noise("RGB").crop((0, 0, HEIGHT, HEIGHT))
    content = tf.constant(saved(square, "PNG"))
    found = decode_and_resize(content, Square(side=HEIGHT)).numpy()
    assert (found == np.asarray(square)).all()
