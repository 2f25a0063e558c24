"""What a phase learns from: inputs with their classes, in any order, batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from tl_keras.training.cache.rows import Rows
from tl_keras.training.imbalance import repeats


class Examples(Protocol):
    """Inputs with their classes, wherever they come from.

    Attributes:
        labels: Class indices, `(images,)`, or multi-hot, `(images, classes)`.
    """

    labels: np.ndarray

    def drawn(
        self, places: np.ndarray, epoch: int, random: np.random.Generator, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches of `batch` inputs for an epoch of training.

        Args:
            places: Which images, in which order; a multiple of `batch`.
            epoch: Number of the epoch, from 0.
            random: What the epoch's random choices are drawn from.
            batch: Images a batch.
        """

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields all inputs once, unchanged, the last batch included."""


@dataclass(frozen=True)
class Cached:
    """Inputs that the frozen part of a network gave.

    Attributes:
        views: Of each view the rows of all images, `(images, …)`.
        labels: Class indices, `(images,)`, or multi-hot, `(images, classes)`.
    """

    views: tuple[Rows, ...]
    labels: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, *views: np.ndarray) -> Self:
        """Returns examples of arrays, one a view."""
        return cls(tuple(Rows.of(view) for view in views), labels)

    def drawn(
        self, places: np.ndarray, epoch: int, random: np.random.Generator, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches in which each image shows one of its views."""
        views = draw_views(places, len(self.labels), len(self.views), random)
        for first in range(0, len(places), batch):
            yield self._rows(
                views[first : first + batch], places[first : first + batch]
            )

    def _rows(self, views: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Returns one view of each of some images."""
        first = self.views[0]
        rows = np.empty((len(places), *first.shape[1:]), first.dtype)
        for view in np.unique(views):
            rows[views == view] = self.views[view].take(places[views == view])
        return rows

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields the first view."""
        for first in range(0, len(self.labels), batch):
            yield self.views[0][first : first + batch]


def draw_views(
    places: np.ndarray, images: int, views: int, random: np.random.Generator
) -> np.ndarray:
    """Draws which view of an image each place shows.

    Args:
        places: Which images, in which order.
        images: How many there are.
        views: How many views each has.
        random: What is drawn from.

    Returns:
        Numbers of views from 0, one a place.
    """
    drawn = random.integers(views, size=images)[places]
    # An image that is drawn again shows its next view.
    return (drawn + repeats(places)) % views
