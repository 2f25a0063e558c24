"""Contact sheets: pictures side by side with a few words, as PNG files.

Names of files and classes are anybody's: they are drawn as they are, never read as
markup, what a screen would obey is shown, and what is too long is cut.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tl_keras.datasets.report.names import visible
from tl_keras.evaluation.explanation.losses import TopLoss
from tl_keras.evaluation.explanation.neighbours import Wrong
from tl_keras.files import replacing

# In pixels.
CELL, MARGIN, FONT_SIZE, LINE = 160, 10, 12, 17
PAPER, INK = (255, 255, 255), (32, 32, 32)
# How much of the hottest place's picture the colour hides.
OPACITY = 0.65
# Of several labels an image, there may be none.
NONE = "no class"
# The hotter the darker, from yellow to red: no shade of grey is like it.
COLOURS = matplotlib.colormaps["YlOrRd"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Some pictures that belong together.

    Attributes:
        lines: What stands above them.
        pictures: PNG files' bytes, side by side.
        captions: What stands below each; empty for nothing below any.
    """

    lines: tuple[str, ...]
    pictures: tuple[bytes, ...]
    captions: tuple[str, ...] = ()


def overlay(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lays a heat map over an image made grey; where it is cold that shows through.

    Over a coloured image, its own yellow and red would pass for heat.

    Args:
        pixels: uint8 in [0, 255], `(side, side, 3)`.
        heat: In [0, 1], `(side, side)`.

    Returns:
        uint8 in [0, 255], `(side, side, 3)`.
    """
    colours = COLOURS(heat)[..., :3] * 255
    share = OPACITY * heat[..., np.newaxis]
    grey = np.asarray(Image.fromarray(pixels).convert("L"))[..., np.newaxis]
    return np.round(grey * (1 - share) + colours * share).astype(np.uint8)


def png(pixels: np.ndarray, longest: int | None = None) -> bytes:
    """Returns a PNG file's bytes.

    Args:
        pixels: uint8 in [0, 255], `(height, width, 3)`.
        longest: Its longer side is made smaller down to this, in pixels; `None`
            leaves it as it is.
    """
    image = Image.fromarray(pixels)
    if longest:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def draw(entries: Sequence[Entry], path: Path, *, heading: str, columns: int) -> None:
    """Draws entries into a PNG file.

    Args:
        entries: With equally many pictures, lines and captions each.
        path: The file.
        heading: What stands at the top.
        columns: Entries side by side.

    Raises:
        StorageError: If the file cannot be written.
    """
    columns = max(1, min(columns, len(entries)))
    wide = max((len(entry.pictures) for entry in entries), default=1)
    lines = max((len(entry.lines) for entry in entries), default=0)
    below = any(entry.captions for entry in entries)
    width = wide * (CELL + MARGIN) + MARGIN
    height = (lines + below) * LINE + CELL + 2 * MARGIN
    rows = -(-len(entries) // columns)
    size = (columns * width + MARGIN, LINE + 2 * MARGIN + rows * height)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (MARGIN, MARGIN), heading, size[0] - 2 * MARGIN)
    for number, entry in enumerate(entries):
        row, column = divmod(number, columns)
        corner = MARGIN + column * width, LINE + 2 * MARGIN + row * height
        _draw_entry(sheet, pen, corner, entry)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def draw_top_losses(found: Sequence[TopLoss], path: Path) -> None:
    """Draws the images with the highest loss, each beside its heat map.

    Args:
        found: The images.
        path: The PNG file.

    Raises:
        StorageError: If the file cannot be written.
    """
    entries = [
        Entry(
            lines=(
                f"{Path(one.judged.path).name}: loss {one.judged.loss:.2f}",
                f"true: {one.judged.true or NONE}",
                f"predicted: {one.judged.predicted or NONE} "
                f"({one.judged.probability:.2f})",
                f"heat: {one.explained}",
            ),
            pictures=(one.thumbnail, one.overlay),
        )
        for one in found
    ]
    heading = f"The {len(found)} test images with the highest loss"
    draw(entries, path, heading=heading, columns=4)


def draw_neighbours(found: Sequence[Wrong], path: Path) -> None:
    """Draws wrong predictions, each beside the training images most like it.

    Args:
        found: The images.
        path: The PNG file.

    Raises:
        StorageError: If the file cannot be written.
    """
    entries = [
        Entry(
            lines=(
                f"{Path(one.judged.path).name}: true {one.judged.true or NONE}, "
                f"predicted {one.judged.predicted or NONE} "
                f"({one.judged.probability:.2f})",
                one.statement,
            ),
            pictures=(one.thumbnail, *(near.thumbnail for near in one.neighbours)),
            captions=(
                f"true: {one.judged.true or NONE}",
                *(f"{near.distance:.3f} {near.label}" for near in one.neighbours),
            ),
        )
        for one in found
    ]
    heading = (
        f"{len(found)} wrong predictions, and the nearest training images with "
        f"their cosine distance"
    )
    draw(entries, path, heading=heading, columns=1)


def _draw_entry(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, corner: tuple[int, int], entry: Entry
) -> None:
    """Draws one entry, its upper left corner given."""
    left, top = corner
    step = CELL + MARGIN
    for line in entry.lines:
        _write(pen, (left, top), line, len(entry.pictures) * step - MARGIN)
        top += LINE
    for place, content in enumerate(entry.pictures):
        sheet.paste(_fitting(content), (left + place * step, top))
    for place, caption in enumerate(entry.captions):
        _write(pen, (left + place * step, top + CELL), caption, CELL)


def _fitting(content: bytes) -> Image.Image:
    """Returns a picture that fills its cell; small ones keep their sharp pixels."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    small = max(image.size) < CELL
    way = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    scale = CELL / max(image.size)
    return image.resize([max(1, round(side * scale)) for side in image.size], way)


def _write(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, width: int
) -> None:
    """Writes one line that fits."""
    font = readable()
    pen.text(corner, shortened(visible(text), font, width), INK, font)


def shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Returns a text of at most `width` pixels; what does not fit is `…`."""
    # No font has letters of less than a pixel: the rest of a huge name is not measured.
    kept = text[: width + 1]
    if kept == text and font.getlength(text) <= width:
        return text
    while kept and font.getlength(f"{kept}…") > width:
        kept = kept[:-1]
    return f"{kept}…"


def readable(size: int = FONT_SIZE) -> ImageFont.FreeTypeFont:
    """Returns matplotlib's font: it knows more letters and signs than Pillow's.

    Args:
        size: In pixels.
    """
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size)
