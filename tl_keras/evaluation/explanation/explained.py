"""What a classifier says of an image file, and why."""

from dataclasses import dataclass, field

import numpy as np

from tl_keras.evaluation.explanation import sheets


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a classifier says of one image file, and where in it that comes from.

    Attributes:
        path: The file.
        label: The most probable class, or of several labels all that are more
            probable than not; `None` where the file is bad.
        probability: Of the most probable class, in [0, 1].
        explained: The class that the heat map is of.
        explained_probability: Its probability.
        pixels: What the network saw, uint8 in [0, 255], `(side, side, 3)`.
        heat: float32 in [0, 1], `(side, side)`.
        error: Why there is no explanation; `None` where there is one.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    explained: str | None = None
    explained_probability: float | None = None
    pixels: np.ndarray | None = field(default=None, repr=False)
    heat: np.ndarray | None = field(default=None, repr=False)
    error: str | None = None

    @property
    def overlay(self) -> np.ndarray:
        """The image with the heat map over it, uint8, `(side, side, 3)`."""
        return sheets.overlay(self.pixels, self.heat)
