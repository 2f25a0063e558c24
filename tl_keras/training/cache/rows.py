"""The numbers of many images, mapped from disk and read in any order."""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Rows:
    """One output of one view, a row an image, in the manifest's order.

    Attributes:
        array: All rows, `(images, …)`; mapped from disk, so that the memory holds
            what is read, as long as there is room for it.
    """

    array: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.array)

    @property
    def dtype(self) -> np.dtype:
        """Returns the type of the numbers."""
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """`(images, …)`."""
        return self.array.shape

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """Returns the rows of an array."""
        return cls(array)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Returns the rows of some images, in that order, as a new array."""
        return np.take(self.array, places, axis=0)

    def at(self, places: np.ndarray) -> "Chosen":
        """Returns the rows of some images, in that order, still mapped from disk."""
        return Chosen(self.array, places)

    def __getitem__(self, places: slice) -> np.ndarray:
        """Returns the rows of a stretch of images as a new array."""
        return np.array(self.array[places])

    def __array__(
        self, dtype: np.dtype | None = None, copy: bool | None = None
    ) -> np.ndarray:
        """Returns all rows; mapped and not to be written to, unless copied."""
        return np.array(self.array, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class Chosen(Rows):
    """Some of the rows: what is read of them is read, the others stay on the disk.

    Attributes:
        places: Of the rows in the array, `(images,)`, in the order that they have here.
    """

    places: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.places)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(images, …)`."""
        return len(self.places), *self.array.shape[1:]

    def take(self, places: np.ndarray) -> np.ndarray:
        """Returns the rows of some images, in that order, as a new array."""
        return np.take(self.array, self.places[places], axis=0)

    def at(self, places: np.ndarray) -> Self:
        """Returns the rows of some images, in that order, still mapped from disk."""
        return Chosen(self.array, self.places[places])

    def __getitem__(self, places: slice) -> np.ndarray:
        """Returns the rows of a stretch of images as a new array."""
        return np.take(self.array, self.places[places], axis=0)

    def __array__(
        self, dtype: np.dtype | None = None, copy: bool | None = None
    ) -> np.ndarray:
        """Returns all rows as a new array."""
        return np.take(self.array, self.places, axis=0).astype(dtype or self.dtype)
