"""What a network of the cache runs on: images, or what an earlier cut gave."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones.backbone import Backbone
from tl_keras.datasets import batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.sections import Augment
from tl_keras.training.cache import networks
from tl_keras.training.cache.rows import Rows

# Inputs on which engines are compared.
SAMPLE = 32
# Place of the first row, and the inputs of each view from there on.
Step = tuple[int, dict[int, np.ndarray]]


class Inputs(Protocol):
    """Inputs of several views, in the manifest's order."""

    def model(self, outputs: Sequence[str]) -> keras.Model:
        """Returns the network from an input to some outputs."""

    def sample(self, places: range) -> dict[int, np.ndarray]:
        """Returns some inputs of each view, for a choice of the engine."""

    def steps(self, shards: Sequence[range], batch: int) -> Iterator[Step]:
        """Yields the inputs of some shards, at most `batch` of one shard at a time.

        Args:
            shards: Places of the rows of each.
            batch: A power of two that divides a shard.
        """


@dataclass(frozen=True)
class Images:
    """Images, each decoded once for all of its views.

    Attributes:
        backbone: What runs on them.
        manifest: The images.
        square: What they are made of.
        augment: What the views beyond the plain one are.
        seed: Of these views.
        views: Which ones.
    """

    backbone: Backbone
    manifest: Manifest
    square: Square
    augment: Augment
    seed: int
    views: tuple[int, ...]

    def model(self, outputs: Sequence[str]) -> keras.Model:
        """Returns the network from pixels to some outputs."""
        return networks.build(self.backbone, outputs)

    def sample(self, places: range) -> dict[int, np.ndarray]:
        """Returns some images in each view."""
        # The same graph as in `steps`, which takes seconds to make.
        data = self._data(places[:SAMPLE], SAMPLE)
        return self._by_view(next(batches.read(data)))

    def steps(self, shards: Sequence[range], batch: int) -> Iterator[Step]:
        """Yields the images; the next ones are decoded meanwhile."""
        places = list(itertools.chain.from_iterable(shards))
        data = self._data(places, batch)
        for images, first in zip(batches.read(data), places[::batch]):
            yield first, self._by_view(images)

    def _data(self, places: Sequence[int], batch: int) -> tf.data.Dataset:
        """Returns the data set of some images in all views."""
        return batches.all_views(
            self.manifest.with_rows(self.manifest.rows[place] for place in places),
            self.square,
            batch,
            policy=self.augment.policy,
            views=self.views,
            seed=self.seed,
            flip=self.augment.flip,
        )

    def _by_view(self, images: tuple[tf.Tensor, ...]) -> dict[int, np.ndarray]:
        """Returns a batch by the number of the view."""
        return {view: one.numpy() for view, one in zip(self.views, images)}


@dataclass(frozen=True)
class Maps:
    """Feature maps of a cut, or the last ones, that lie in the cache.

    Attributes:
        backbone: What computed them, and goes on behind them.
        output: Where they come from.
        rows: The feature maps by view.
    """

    backbone: Backbone
    output: str
    rows: Mapping[int, Rows]

    def model(self, outputs: Sequence[str]) -> keras.Model:
        """Returns the network from these feature maps to some outputs."""
        return networks.build(self.backbone, outputs, self.output)

    def sample(self, places: range) -> dict[int, np.ndarray]:
        """Returns some feature maps of each view."""
        return self._by_view(places[:SAMPLE])

    def steps(self, shards: Sequence[range], batch: int) -> Iterator[Step]:
        """Yields the feature maps."""
        for places in shards:
            for start in range(0, len(places), batch):
                chosen = places[start : start + batch]
                yield chosen.start, self._by_view(chosen)

    def _by_view(self, places: range) -> dict[int, np.ndarray]:
        """Returns the rows of a stretch of places in each view."""
        stretch = slice(places.start, places.stop)
        return {view: rows[stretch] for view, rows in self.rows.items()}
