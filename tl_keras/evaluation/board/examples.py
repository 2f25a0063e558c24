"""Pictures of predictions: those that were wrong, and some that were right."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from tl_keras.datasets.report.names import visible
from tl_keras.evaluation.explanation.sheets import readable, shortened

MOST, COLUMNS = 12, 3
# In pixels. TensorBoard shows a sheet some 350 wide, in which this can still be read.
CELL, MARGIN, FONT_SIZE, LINE = 160, 10, 16, 20
PAPER, INK, RIGHT, WRONG = (255, 255, 255), (32, 32, 32), (0, 110, 50), (180, 20, 20)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prediction of a test image.

    Attributes:
        path: The file, as the manifest has it.
        label: What it is.
        predicted: What the classifier takes it for.
        probability: Of the most probable class, in [0, 1].
    """

    path: str
    label: str
    predicted: str
    probability: float

    @property
    def right(self) -> bool:
        """Tells whether the classifier is right."""
        return self.label == self.predicted


def wrong_ones(examples: Sequence[Example]) -> list[int]:
    """Returns the places of the wrong predictions that were the surest."""
    wrong = [place for place, one in enumerate(examples) if not one.right]
    return sorted(wrong, key=lambda place: -examples[place].probability)[:MOST]


def right_ones(examples: Sequence[Example]) -> list[int]:
    """Returns the places of the right predictions that were the least sure."""
    right = [place for place, one in enumerate(examples) if one.right]
    return sorted(right, key=lambda place: examples[place].probability)[:MOST]


def grid(pixels: Sequence[np.ndarray], examples: Sequence[Example]) -> bytes:
    """Draws images on one sheet, each above what it is and what it was taken for.

    Args:
        pixels: uint8 RGB in [0, 255], `(side, side, 3)` each.
        examples: The prediction of each, as many.

    Returns:
        A PNG file's content.
    """
    columns = min(COLUMNS, len(examples))
    rows = math.ceil(len(examples) / columns)
    width, height = CELL + MARGIN, CELL + 2 * LINE + MARGIN
    size = columns * width + MARGIN, rows * height + MARGIN
    sheet = Image.new("RGB", size, PAPER)
    for place, (image, example) in enumerate(zip(pixels, examples, strict=True)):
        row, column = divmod(place, columns)
        corner = MARGIN + column * width, MARGIN + row * height
        sheet.paste(_cell(image), corner)
        _write_below(sheet, corner, example)
    return png(sheet)


def png(image: Image.Image) -> bytes:
    """Returns a picture as a PNG file's content."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _cell(pixels: np.ndarray) -> Image.Image:
    """Returns an image at the size of a cell; small ones stay sharp."""
    small = pixels.shape[0] < CELL
    way = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return Image.fromarray(pixels).resize((CELL, CELL), way)


def _write_below(sheet: Image.Image, corner: tuple[int, int], example: Example) -> None:
    """Writes truth and prediction below a cell; colour is not the only sign."""
    write, font = ImageDraw.Draw(sheet), readable(FONT_SIZE)
    left, top = corner
    sign, colour = ("=", RIGHT) if example.right else ("\u2260", WRONG)
    probability = f"{example.probability:.2f}"
    truth = shortened(f"true: {visible(example.label)}", font, CELL)
    room = CELL - math.ceil(font.getlength(f" {probability}"))
    found = shortened(f"{sign} {visible(example.predicted)}", font, room)
    write.text((left, top + CELL + 1), truth, INK, font)
    below = left, top + CELL + 1 + LINE
    write.text(below, f"{found} {probability}", colour, font)
