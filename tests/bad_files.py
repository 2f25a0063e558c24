"""Makers of image files that are damaged, odd, or fine though they look odd.

`FILES` is the table: name -> what the file holds, the kinds of problem that a check
must name, and the pixels that training must see.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64
ORIENTATION = 0x0112


def gradient():
    """Returns smooth RGB pixels, another colour in each corner: `(48, 64, 3)`."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.dstack([x * 4, y * 5, 255 - x * 4]).astype(np.uint8)


def noise(seed=0, side=64):
    """Returns a picture of random pixels."""
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))


def saved(image, kind, **options):
    """Returns the bytes of an image file."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def cut(content, share=0.5):
    """Returns the start of a file."""
    return content[: int(len(content) * share)]


def flipped(content, position):
    """Returns a file with one bit flipped, at a share of its length."""
    changed = bytearray(content)
    changed[int(len(content) * position)] ^= 0x10
    return bytes(changed)


def png_chunk(name, content):
    """Returns a PNG chunk."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png(width, height, *, depth=8, colour=2, chunks=(), pixels=b"x" * 10):
    """Returns a PNG that Pillow does not write: any depth, any colour type."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", pixels)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def sixteen_bit_rgb(values):
    """Returns a 16-bit RGB PNG of uint16 `(height, width, 3)`."""
    rows = [b"\0" + row.astype(">u2").tobytes() for row in values]
    height, width, _ = values.shape
    pixels = zlib.compress(b"".join(rows))
    return png(width, height, depth=16, pixels=pixels)


def gif_of_size(width, height):
    """Returns a GIF of one small frame whose screen claims a size."""
    content = bytearray(saved(noise().quantize(16), "GIF"))
    content[6:10] = struct.pack("<HH", width, height)
    return bytes(content)


def animation(kind):
    """Returns a file of three frames of one colour each: red, green, blue."""
    frames = [Image.new("RGB", (WIDTH, HEIGHT), c) for c in ("red", "lime", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=40)


def ycck():
    """Returns a JPEG in Adobe's YCCK."""
    inner = np.asarray(Image.fromarray(255 - gradient()).convert("YCbCr"))
    black = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    four = Image.fromarray(np.dstack([255 - inner, black]), "CMYK")
    content = bytearray(saved(four, "JPEG", quality=95))
    # The Adobe marker's last byte names the transform: 2 is YCCK.
    content[content.find(b"Adobe") + 11] = 2
    return bytes(content)


def turned(orientation, kind="JPEG"):
    """Returns a file whose EXIF says how its pixels must be turned to be upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    return saved(TURNS[orientation](gradient()).copy(), kind, exif=exif, **options)


# How an upright picture lies in the file, for each EXIF orientation.
TURNS = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, -1),
}


def half_transparent():
    """Returns RGBA pixels: the left half opaque, the right one half transparent."""
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 128
    return np.dstack([gradient(), alpha])


def on_white(pixels):
    """Returns RGBA pixels laid on white."""
    opacity = pixels[..., 3:] / 255
    return np.round(pixels[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)


def clear_palette():
    """Returns a palette picture whose first colour, red, is transparent."""
    image = Image.new("P", (WIDTH, HEIGHT), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, WIDTH // 2, HEIGHT))
    return image


def halves(left, right):
    """Returns RGB pixels of two colours side by side."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2], pixels[:, WIDTH // 2 :] = left, right
    return pixels


def grey():
    """Returns grey levels, `(48, 64)`."""
    return gradient()[..., 0]


def three(levels):
    """Returns grey levels as RGB."""
    return np.repeat(levels[..., None], 3, axis=2)


def black_and_white():
    """Returns a 1-bit picture."""
    return Image.fromarray(halves(0, 255)).convert("1")


def one_colour(colour):
    """Returns pixels of one colour."""
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def tall():
    """Returns a picture of 1x5000 pixels."""
    return np.random.default_rng(0).integers(0, 256, (5000, 1, 3), dtype=np.uint8)


@dataclass(frozen=True)
class File:
    """A row of the table.

    Attributes:
        content: Of the file.
        kinds: Of the problems that must be named.
        pixels: RGB that training must see; `None` where that is not looked at.
        tolerance: Mean difference of the pixels, for what JPEG loses.
    """

    content: bytes
    kinds: tuple[str, ...] = ()
    pixels: np.ndarray | None = None
    tolerance: float = 0.0


JPEG = saved(gradient(), "JPEG", quality=95, subsampling=0)
NOISE_JPEG = saved(noise(), "JPEG")
PNG = saved(gradient(), "PNG")
# 12 bits of a scientific camera in a 16-bit file.
TWELVE_BITS = (gradient().astype(np.uint16) << 4)[..., 0]

FILES = {
    # No image at all.
    "empty.jpg": File(b"", ("empty",)),
    "text.jpg": File(b"not an image at all" * 20, ("not_image",)),
    "one_byte.png": File(b"\x89", ("not_image",)),
    "page.jpg": File(b"<!DOCTYPE html><html>404</html>", ("not_image",)),
    "paper.png": File(b"%PDF-1.7\n%\xe2\xe3", ("not_image",)),
    "film.jpg": File(b"\0\0\0\x18ftypmp42" + bytes(99), ("not_image",)),
    "random.png": File(bytes(range(128, 256)) * 9, ("not_image",)),
    "archive.jpg": File(b"PK\x03\x04" + bytes(40), ("not_image",)),
    "companion.jpg": File(b"\0\5\x16\7" + bytes(40), ("not_image",)),
    # Pictures that TensorFlow does not read.
    "photo.tif": File(saved(gradient(), "TIFF"), ("unsupported",)),
    "photo.avif": File(saved(gradient(), "AVIF"), ("unsupported",)),
    "photo.heic": File(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" * 9, ("unsupported",)),
    "photo.jp2": File(saved(gradient(), "JPEG2000"), ("unsupported",)),
    "photo.jxl": File(b"\xff\x0a" + bytes(40), ("unsupported",)),
    "photo.ppm": File(saved(gradient(), "PPM"), ("unsupported",)),
    "icon.ico": File(saved(noise(), "ICO"), ("unsupported",)),
    "layers.psd": File(b"8BPS\0\1" + bytes(40), ("unsupported",)),
    "vector.svg": File(b"<svg xmlns='http://www.w3.org/2000/svg'/>", ("unsupported",)),
    # Damaged.
    "cut_header.jpg": File(JPEG[:10], ("damaged",)),
    "cut_early.jpg": File(cut(NOISE_JPEG, 0.3), ("damaged",)),
    "cut_half.jpg": File(cut(NOISE_JPEG), ("damaged",)),
    "cut_late.jpg": File(cut(NOISE_JPEG, 0.95), ("damaged",)),
    "cut_progressive.jpg": File(
        cut(saved(noise(), "JPEG", progressive=True)), ("damaged",)
    ),
    "no_end.jpg": File(JPEG[:-2], ("damaged",)),
    "cut.png": File(cut(PNG), ("damaged",)),
    "no_end.png": File(PNG[:-12], ("damaged",)),
    "flipped.png": File(flipped(PNG, 0.5), ("damaged",)),
    "cut.webp": File(cut(saved(noise(), "WEBP")), ("damaged",)),
    "cut.gif": File(cut(saved(noise(), "GIF")), ("damaged",)),
    "cut.bmp": File(cut(saved(noise(), "BMP")), ("damaged",)),
    "flipped.jpg": File(flipped(NOISE_JPEG, 0.54), ("damaged_jpeg",)),
    "zeros_inside.jpg": File(
        cut(NOISE_JPEG) + bytes(200) + NOISE_JPEG[len(NOISE_JPEG) // 2 + 200 :],
        ("damaged_jpeg",),
    ),
    # Bombs.
    "bomb.png": File(png(60_000, 60_000), ("enormous",)),
    "bomb.gif": File(gif_of_size(32_767, 32_767), ("enormous",)),
    "claims_much.png": File(png(8_000, 8_000), ("damaged",)),
    # What TensorFlow would decode to wrong pixels.
    "palette.bmp": File(saved(noise().quantize(16), "BMP"), ("palette_bmp",)),
    "one_bit.bmp": File(saved(black_and_white(), "BMP"), ("palette_bmp",)),
    "grey.bmp": File(saved(grey(), "BMP"), ("palette_bmp",)),
    "moving.webp": File(animation("WEBP"), ("animated_webp",)),
    "clear.gif": File(
        saved(clear_palette(), "GIF", transparency=0), ("transparent_gif",)
    ),
    "turned.png": File(turned(6, "PNG"), ("turned",)),
    "turned.webp": File(turned(3, "WEBP"), ("turned",)),
    "twelve_bits.png": File(saved(TWELVE_BITS, "PNG"), ("dark_sixteen_bit",)),
    # Odd, and decoded rightly.
    "moving.gif": File(
        animation("GIF"), ("animation", "blank"), one_colour((255, 0, 0))
    ),
    "moving.png": File(
        animation("PNG"), ("animation", "blank"), one_colour((255, 0, 0))
    ),
    "grey_16.png": File(
        saved(grey().astype(np.uint16) * 257, "PNG"), ("sixteen_bit",), three(grey())
    ),
    "colour_16.png": File(
        sixteen_bit_rgb(gradient().astype(np.uint16) * 257),
        ("sixteen_bit",),
        gradient(),
    ),
    "white_16.png": File(
        saved(np.full((HEIGHT, WIDTH), 65535, np.uint16), "PNG"),
        ("sixteen_bit", "blank"),
        one_colour(255),
    ),
    "png_named.jpg": File(PNG, ("extension",), gradient()),
    "jpeg_named.png": File(JPEG, ("extension",), gradient(), tolerance=2),
    "dot.png": File(
        saved(np.full((1, 1, 3), 7, np.uint8), "PNG"),
        ("tiny", "blank"),
        np.full((1, 1, 3), 7, np.uint8),
    ),
    "tall.png": File(saved(tall(), "PNG"), ("tiny", "extreme_shape"), tall()),
    "black.png": File(saved(one_colour(0), "PNG"), ("blank",), one_colour(0)),
    # Fine.
    "plain.png": File(PNG, (), gradient()),
    "plain.bmp": File(saved(gradient(), "BMP"), (), gradient()),
    "plain.jpg": File(JPEG, (), gradient(), tolerance=2),
    "plain.jpeg": File(JPEG, (), gradient(), tolerance=2),
    "progressive.jpg": File(
        saved(gradient(), "JPEG", progressive=True, quality=95, subsampling=0),
        (),
        gradient(),
        tolerance=2,
    ),
    "plain.webp": File(saved(gradient(), "WEBP", lossless=True), (), gradient()),
    "trailing.jpg": File(JPEG + b"more" * 50, (), gradient(), tolerance=2),
    "no_extension": File(PNG, (), gradient()),
    "cmyk.jpg": File(
        saved(Image.fromarray(gradient()).convert("CMYK"), "JPEG", quality=95),
        (),
        gradient(),
        tolerance=3,
    ),
    "ycck.jpg": File(ycck(), (), gradient(), tolerance=3),
    "grey.png": File(saved(grey(), "PNG"), (), three(grey())),
    "grey.jpg": File(saved(grey(), "JPEG", quality=95), (), three(grey()), tolerance=2),
    "one_bit.png": File(saved(black_and_white(), "PNG"), (), halves(0, 255)),
    "palette.gif": File(
        saved(clear_palette(), "GIF"), (), halves((255, 0, 0), (0, 0, 255))
    ),
    "clear_palette.png": File(
        saved(clear_palette(), "PNG", transparency=0), (), halves(255, (0, 0, 255))
    ),
    "rgba.png": File(
        saved(half_transparent(), "PNG"), (), on_white(half_transparent())
    ),
    "rgba.webp": File(
        saved(half_transparent(), "WEBP", lossless=True),
        (),
        on_white(half_transparent()),
    ),
    "la.png": File(
        saved(half_transparent()[..., [0, 3]], "PNG"),
        (),
        on_white(half_transparent()[..., [0, 0, 0, 3]]),
    ),
    **{
        f"turned_{one}.jpg": File(turned(one), (), gradient(), tolerance=2)
        for one in TURNS
    },
    # Names.
    "with space.png": File(PNG, (), gradient()),
    "Größe-猫-🐈.png": File(PNG, (), gradient()),
    "two\nlines.png": File(PNG, (), gradient()),
    f"{'n' * 246}.png": File(PNG, (), gradient()),
    "100%'\"$(x).png": File(PNG, (), gradient()),
}
