"""Errors of who gives the examples, as they are: TensorFlow makes others of them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from tl_keras.training.examples import Examples


@dataclass(frozen=True)
class Watched:
    """Examples whose errors are kept.

    Attributes:
        examples: What is given.
        errors: What they raised, in TensorFlow's thread.
    """

    examples: Examples
    errors: list[Exception] = field(default_factory=list)

    @property
    def labels(self) -> np.ndarray:
        """Class indices, `(images,)`, or multi-hot, `(images, classes)`."""
        return self.examples.labels

    def shape(self, epoch: int) -> tuple[int, ...]:
        """Returns the shape of an input in an epoch."""
        return self.examples.shape(epoch)

    def draw(
        self, places: np.ndarray, epoch: int, random: np.random.Generator
    ) -> np.ndarray:
        """Draws which view of its image each place of an epoch shows."""
        return self.examples.draw(places, epoch, random)

    def drawn(
        self, places: np.ndarray, epoch: int, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields what the examples draw."""
        with self._kept():
            yield from self.examples.drawn(places, epoch, views, batch)

    def plain(self, places: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """Yields some inputs unchanged."""
        with self._kept():
            yield from self.examples.plain(places, batch)

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields all inputs once."""
        with self._kept():
            yield from self.examples.in_order(batch)

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Keeps what is raised, and lets it pass."""
        try:
            yield
        except Exception as error:
            self.errors.append(error)
            raise


@contextlib.contextmanager
def own_errors(*watched: Watched) -> Iterator[None]:
    """Raises the examples' own errors in the place of TensorFlow's."""
    try:
        yield
    except tf.errors.OpError:
        for one in watched:
            if one.errors:
                raise one.errors.pop() from None
        raise
