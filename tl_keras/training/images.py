"""Images as a phase learns from them: another random view of each in every epoch."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from tl_keras.config import Config
from tl_keras.datasets import batches, unchanged
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.progress import track
from tl_keras.training.imbalance import repeats

DECODE_BATCH = 64
# Between the views of an image that is drawn again in an epoch: above all epochs.
AGAIN = 1_000_000


@dataclass(frozen=True)
class Images:
    """Images that show another random view in every epoch.

    They are decoded once, if that fits in the memory, else whenever they are wanted.

    Attributes:
        manifest: The images.
        square: What they are made of.
        labels: Class indices, `(images,)`, or multi-hot, `(images, classes)`.
        policy: Name of the augmentation policy in training.
        seed: Of the augmentation.
        memory: Bytes that the decoded images may take.
        flip: Whether the policy may mirror images.
        cache_dir: As `data.cache_dir`: by what lies there, files are known that were
            changed since they were checked. `None` trusts them.
    """

    manifest: Manifest
    square: Square
    labels: np.ndarray
    policy: str
    seed: int
    memory: int = 1 << 30
    flip: bool = True
    cache_dir: str | None = None

    def shape(self, epoch: int) -> tuple[int, ...]:
        """Returns the shape of an image."""
        return self.square.side, self.square.side, 3

    def draw(
        self, places: np.ndarray, epoch: int, random: np.random.Generator
    ) -> np.ndarray:
        """Returns the epoch's view of each image."""
        # View 0 is the plain image; one that is drawn again shows another view.
        return epoch + 1 + AGAIN * repeats(places)

    def drawn(
        self, places: np.ndarray, epoch: int, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches in which each image shows its view."""
        return self.shown(places, views, batch)

    def shown(
        self, places: np.ndarray, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches of random views of some images.

        Args:
            places: Which images, in which order.
            views: Which view of each, from 1.
            batch: Images a batch; the last one holds what is left.
        """
        chosen = self._chosen(places)
        view = {
            "policy": self.policy,
            "view": views,
            "seed": self.seed,
            "flip": self.flip,
        }
        if self._decoded is None:
            return self._read(chosen, batch, **view)
        data = batches.views(self._decoded[places], chosen, batch, **view)
        return (images.numpy() for images in batches.read(data))

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields the plain images."""
        return self.plain(np.arange(len(self.manifest.rows)), batch)

    def plain(self, places: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """Yields batches of some images as they are, the last one included."""
        if self._decoded is None:
            return self._read(self._chosen(places), batch)
        starts = range(0, len(places), batch)
        return (self._decoded[places[first : first + batch]] for first in starts)

    def _chosen(self, places: np.ndarray) -> Manifest:
        """Returns the manifest of some images in that order."""
        return self.manifest.with_rows(tuple(self.manifest.rows[p] for p in places))

    def at(self, side: int) -> Self:
        """Returns the same images at another size, with the same views.

        Args:
            side: In pixels. They are decoded anew: nothing is enlarged or shrunk twice.
        """
        square = dataclasses.replace(self.square, side=side)
        return dataclasses.replace(self, square=square)

    @cached_property
    def _decoded(self) -> np.ndarray | None:
        """All plain images, or `None` where they are too many."""
        total = len(self.manifest.rows)
        if total * self.square.side**2 * 3 > self.memory:
            return None
        images = self._read(self.manifest, DECODE_BATCH)
        return np.concatenate(list(track(images, "Decoding", total, DECODE_BATCH)))

    def _read(
        self, manifest: Manifest, batch: int, **view: Any
    ) -> Iterator[np.ndarray]:
        """Yields batches of some images from their files.

        Raises:
            DataError: If one is gone, or is another one than the manifest says.
        """
        data = batches.images(manifest, self.square, batch, **view)
        last = math.ceil(len(manifest.rows) / batch) - 1
        for number, images in enumerate(batches.read(data)):
            # Before who takes them learns from the last ones: all are read by now.
            if number == last and self.cache_dir is not None:
                unchanged.require(manifest, self.cache_dir, self.square.background)
            yield images.numpy()


def of_splits(
    manifest: Manifest, image_size: int, class_names: tuple[str, ...], config: Config
) -> tuple[Images, Images]:
    """Returns the training and the validation images of a manifest.

    Args:
        manifest: The images with their splits.
        image_size: Side of the images in pixels.
        class_names: In the order of the logits.
        config: Says how images become squares and how training changes them.
    """
    train, validation = (
        Images(
            chosen,
            Square.of(config.data, image_size),
            chosen.targets(class_names),
            config.augment.policy,
            config.seed,
            flip=config.augment.flip,
            cache_dir=config.data.cache_dir,
        )
        for chosen in (manifest.split("train"), manifest.split("validation"))
    )
    return train, validation
