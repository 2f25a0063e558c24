"""Where the points and ticks of the page's charts go: numbers, without drawing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tl_keras.training.history import Epoch

# The box that is drawn into, in units of the picture: left, right, top, bottom.
LEFT, RIGHT, TOP, BOTTOM = 44, 388, 24, 260
TICKS = 5
# Epochs whose points are marked; more would run into one another.
MARKED = 40
LARGEST_MARK, SMALLEST_MARK = 10.0, 3.0
PHASES = {"head": "head", "fine_tune": "fine-tune", "scratch": "from scratch"}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From a value to its place.

    Attributes:
        low: Value at the start.
        high: Value at the end.
        start: Place of `low`.
        end: Place of `high`.
        ticks: Values to be named.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Returns the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a chart.

    Attributes:
        name: Of what.
        parts: Its points, `(x, y)` in the picture, broken where one does not lead to
            the next.
        marked: Whether each point is marked.
    """

    name: str
    parts: tuple[tuple[tuple[float, float], ...], ...]
    marked: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over the epochs.

    Attributes:
        x: The epochs.
        y: The values.
        lines: What is drawn.
        phases: Each phase's name by the place where it begins; the first is at `LEFT`.
    """

    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    phases: tuple[tuple[float, str], ...]


def of_epochs(epochs: Sequence[Epoch], name: str) -> Chart | None:
    """Places a figure of the epochs, in training and validation, on one axis.

    Args:
        epochs: Of all phases, in order.
        name: `loss` or `accuracy`.

    Returns:
        The chart; `None` where there are fewer than two epochs.
    """
    if len(epochs) < 2:
        return None
    columns = {
        "training": [getattr(one, name) for one in epochs],
        "validation": [getattr(one, f"val_{name}") for one in epochs],
    }
    known = [v for column in columns.values() for v in column if math.isfinite(v)]
    if not known:
        return None
    numbers = [one.epoch for one in epochs]
    x = Axis(
        low=numbers[0] - 0.5,
        high=numbers[-1] + 0.5,
        start=LEFT,
        end=RIGHT,
        ticks=tuple(t for t in _ticks(numbers[0], numbers[-1]) if t == int(t)),
    )
    y = _upright(*_ends(known, name))
    few = len(epochs) <= MARKED
    return Chart(
        x=x,
        y=y,
        lines=tuple(
            Line(name=title, parts=_parts(x, y, epochs, column), marked=few)
            for title, column in columns.items()
        ),
        phases=tuple(_phases(epochs, x)),
    )


def _ends(known: Sequence[float], name: str) -> tuple[float, float]:
    """Returns the ends of an axis: of a loss from 0 on, of a share up to 1."""
    if name == "loss":
        return 0.0, max(known) * 1.05 or 1.0
    return min(known) - 0.1 * max(1 - min(known), 0.05), 1.0


def _upright(low: float, high: float) -> Axis:
    """Returns a vertical axis."""
    return Axis(low=low, high=high, start=BOTTOM, end=TOP, ticks=_ticks(low, high))


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Returns at most `TICKS` + 1 round numbers from one number to another."""
    raw = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    # A hair more, for a step that is round already.
    step = next(f * power for f in (1, 2, 5, 10) if f * power * 1.000001 >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(float(f"{n * step:.6g}") for n in range(first, last + 1))


def _parts(
    x: Axis, y: Axis, epochs: Sequence[Epoch], values: Sequence[float]
) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Returns a line's points, in parts between phases and values that are none.

    What two phases call a loss is not the same: the one may mix images and smooth
    labels, the other not.
    """
    pairs = groupby(
        zip(epochs, values), key=lambda pair: (pair[0].phase, math.isfinite(pair[1]))
    )
    return tuple(
        tuple((x.at(one.epoch), y.at(value)) for one, value in part)
        for (_, finite), part in pairs
        if finite
    )


def _phases(epochs: Sequence[Epoch], x: Axis) -> list[tuple[float, str]]:
    """Returns where each phase begins."""
    return [
        (x.at(next(part).epoch - 0.5), PHASES.get(name, name))
        for name, part in groupby(epochs, key=lambda one: one.phase)
    ]


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Images of about one confidence.

    Attributes:
        x: Place of their mean confidence.
        y: Place of their accuracy.
        radius: Its area stands for the number of images.
        confidence: Mean, in [0, 1].
        accuracy: In [0, 1].
        images: How many.
    """

    x: float
    y: float
    radius: float
    confidence: float
    accuracy: float
    images: int


SHARES = Axis(low=0, high=1, start=LEFT, end=RIGHT, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1))
UPRIGHT_SHARES = _upright(0, 1)


def reliability(bins: Sequence[Mapping[str, Any]]) -> list[Bin]:
    """Places the bins of a calibration.

    Args:
        bins: `confidence`, `accuracy` and `images` of each; those without images are
            left out.

    Returns:
        The largest first, so that the small ones lie above.
    """
    filled = [one for one in bins if one["images"]]
    most = max((one["images"] for one in filled), default=1)
    placed = [
        Bin(
            x=SHARES.at(one["confidence"]),
            y=UPRIGHT_SHARES.at(one["accuracy"]),
            radius=max(LARGEST_MARK * math.sqrt(one["images"] / most), SMALLEST_MARK),
            confidence=one["confidence"],
            accuracy=one["accuracy"],
            images=one["images"],
        )
        for one in filled
    ]
    return sorted(placed, key=lambda one: -one.radius)


def coverage(abstention: Mapping[str, Any] | None) -> tuple[Axis, Line] | None:
    """Places the accuracy on the images that are answered, by their share.

    Args:
        abstention: `curve` of it: `coverage` and `accuracy` at each threshold, the
            latter `None` where nothing is answered.

    Returns:
        The axis of the accuracy and the line; `None` where there are not two points.
    """
    curve = (abstention or {}).get("curve") or []
    known = [one for one in curve if one["accuracy"] is not None and one["coverage"]]
    known.sort(key=lambda one: one["coverage"])
    if len({one["coverage"] for one in known}) < 2:
        return None
    y = _upright(*_ends([one["accuracy"] for one in known], "accuracy"))
    points = tuple((SHARES.at(one["coverage"]), y.at(one["accuracy"])) for one in known)
    return y, Line(name="accuracy", parts=(points,), marked=len(points) <= MARKED)
