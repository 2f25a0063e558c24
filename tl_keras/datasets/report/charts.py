"""Where the marks of a report's pictures go: numbers, without drawing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Marks nearer to one another than this share of an axis are drawn as one.
CELL = 1 / 48
LARGEST_MARK, SMALLEST_MARK = 11.0, 2.5
MARGIN = 1.12
# Beyond this ratio of the ends the marks of an axis are 1, 2, 5, 10, …
WIDE = 6
MOST_TICKS = 7


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Images of about one size.

    Attributes:
        x: Place from the left, in [0, 1].
        y: Place from the bottom, in [0, 1].
        radius: In pixels; its area stands for the number of images.
        width: Of the most frequent size, in pixels.
        height: Of the most frequent size, in pixels.
        images: How many.
    """

    x: float
    y: float
    radius: float
    width: int
    height: int
    images: int


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Images by width and height, both axes logarithmic and of the same range.

    Attributes:
        marks: The largest first, so that the small ones lie above.
        ticks: Place in [0, 1] of each size that an axis names.
    """

    marks: tuple[Mark, ...]
    ticks: dict[int, float]


def scatter(shapes: Mapping[tuple[int, int], int]) -> Scatter | None:
    """Places images by their sizes.

    Args:
        shapes: Number of images by width and height.

    Returns:
        The marks; `None` where all images are of one size.
    """
    if len(shapes) < 2:
        return None
    sides = [side for shape in shapes for side in shape]
    low, high = min(sides) / MARGIN, max(sides) * MARGIN

    def place(side: float) -> float:
        return math.log(side / low) / math.log(high / low)

    cells: dict[tuple[int, int], tuple[int, tuple[int, int], int]] = {}
    for shape, images in sorted(shapes.items()):
        cell = tuple(round(place(side) / CELL) for side in shape)
        total, most, shown = cells.get(cell, (0, 0, shape))
        if images > most:
            most, shown = images, shape
        cells[cell] = total + images, most, shown
    largest = max(total for total, _, _ in cells.values())
    marks = [
        Mark(
            x=place(width),
            y=place(height),
            radius=max(LARGEST_MARK * math.sqrt(total / largest), SMALLEST_MARK),
            width=width,
            height=height,
            images=total,
        )
        for total, _, (width, height) in cells.values()
    ]
    return Scatter(
        marks=tuple(sorted(marks, key=lambda mark: -mark.radius)),
        ticks={tick: place(tick) for tick in ticks(low, high)},
    )


def ticks(low: float, high: float) -> list[int]:
    """Returns round numbers between two, for an axis.

    Args:
        low: Above 0.
        high: Above `low`.

    Returns:
        At most `MOST_TICKS` numbers: multiples of one step, or 1, 2, 5, 10, … where
        the ends lie far apart, or 1, 10, 100, … where they lie very far apart.
    """
    if high / low < WIDE:
        step = _round_step((high - low) / (MOST_TICKS - 2))
        return list(range(step * math.ceil(low / step), math.floor(high) + 1, step))
    for factors in ((1, 2, 5), (1,)):
        decades = range(10)
        found = [factor * 10**decade for decade in decades for factor in factors]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= MOST_TICKS:
            break
    return found


def _round_step(least: float) -> int:
    """Returns the next of 1, 2, 5, 10, 20, … that is not below a number."""
    power = 10 ** max(math.floor(math.log10(max(least, 1))), 0)
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
