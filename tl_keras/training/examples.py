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

    def shape(self, epoch: int) -> tuple[int, ...]:
        """Returns the shape of an input in an epoch."""

    def draw(
        self, places: np.ndarray, epoch: int, random: np.random.Generator
    ) -> np.ndarray:
        """Draws which view of its image each place of an epoch shows.

        Args:
            places: Which images, in which order: all of the epoch.
            epoch: Its number, from 0.
            random: What is drawn from.

        Returns:
            Numbers of views, `(places,)`.
        """

    def drawn(
        self, places: np.ndarray, epoch: int, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields inputs for an epoch of training, or for a part of one.

        Args:
            places: Which images, in which order.
            epoch: Number of the epoch, from 0.
            views: Which view of each, of those that `draw` gave.
            batch: Images a batch; the last one holds what is left.
        """

    def plain(self, places: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """Yields batches of some inputs unchanged, the last one included."""

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

    def shape(self, epoch: int) -> tuple[int, ...]:
        """Returns the shape of a row."""
        return tuple(self.views[0].shape[1:])

    def draw(
        self, places: np.ndarray, epoch: int, random: np.random.Generator
    ) -> np.ndarray:
        """Draws one of its views for each place."""
        return draw_views(places, len(self.labels), len(self.views), random)

    def drawn(
        self, places: np.ndarray, epoch: int, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches in which each image shows its view."""
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

    def plain(self, places: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """Yields the first view of some images."""
        for first in range(0, len(places), batch):
            yield self.views[0].take(places[first : first + batch])

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
