"""The numbers of many images, mapped from disk and read in any order."""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Rows:
    """One output of one view, a row an image, in the manifest's order.

    Attributes:
        parts: Arrays that follow one another, mapped from disk, of `length` rows each
            but for the last.
        length: Rows of a part.
    """

    parts: tuple[np.ndarray, ...]
    length: int

    def __len__(self) -> int:
        """Returns the number of images."""
        return sum(len(part) for part in self.parts)

    @property
    def dtype(self) -> np.dtype:
        """Returns the type of the numbers."""
        return self.parts[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """`(images, …)`."""
        return len(self), *self.parts[0].shape[1:]

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """Returns the rows of an array."""
        return cls((array,), max(1, len(array)))

    def take(self, places: np.ndarray) -> np.ndarray:
        """Returns the rows of some images, in that order, as a new array."""
        parts, rows = np.divmod(places, self.length)
        return np.stack([self.parts[part][row] for part, row in zip(parts, rows)])

    def __getitem__(self, places: slice) -> np.ndarray:
        """Returns the rows of a stretch of images as a new array."""
        return self.take(np.arange(len(self))[places])

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None):
        """Returns all rows."""
        return np.concatenate(self.parts).astype(dtype or self.parts[0].dtype)
