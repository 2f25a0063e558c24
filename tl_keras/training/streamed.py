"""What the frozen prefix gives, computed anew in every epoch: nothing is kept on disk.

The same views of the same images as from the cache, in the same order, so that training
comes to the same. Each epoch costs a pass through the prefix.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tl_keras.backbones.backbone import Backbone
from tl_keras.config import Config
from tl_keras.datasets.batches import PLAIN_VIEW
from tl_keras.progress import say, track
from tl_keras.training import heads
from tl_keras.training.cache import networks
from tl_keras.training.engines import choice, stored
from tl_keras.training.engines.engine import Engine
from tl_keras.training.examples import Cached, Examples, draw_views
from tl_keras.training.images import Images

SAMPLE = 16
# One vector an image: few enough for the memory.
POOLED = set(heads.FEATURES) - {heads.FEATURE_MAP}


@dataclass(frozen=True)
class Streamed:
    """Images that run through the frozen prefix whenever they are wanted.

    Attributes:
        images: The images, their classes and their random views.
        views: How many views of each image there are, the plain one among them.
        engine: What runs the prefix.
        output: Shape of what it gives of an image.
    """

    images: Images
    views: int
    engine: Engine
    output: tuple[int, ...]

    @property
    def labels(self) -> np.ndarray:
        """Class indices, `(images,)`, or multi-hot, `(images, classes)`."""
        return self.images.labels

    def shape(self, epoch: int) -> tuple[int, ...]:
        """Returns the shape of what the prefix gives of an image."""
        return self.output

    def draw(
        self, places: np.ndarray, epoch: int, random: np.random.Generator
    ) -> np.ndarray:
        """Draws the view of each place that the cache would show."""
        return draw_views(places, len(self.labels), self.views, random)

    def drawn(
        self, places: np.ndarray, epoch: int, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches in which each image shows its view."""
        for pixels in self._pixels(places, views, batch):
            yield run(self.engine, pixels)

    def plain(self, places: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """Yields what the prefix makes of some plain images."""
        for pixels in self.images.plain(places, batch):
            yield run(self.engine, pixels)

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields what the prefix makes of the plain images."""
        for pixels in self.images.in_order(batch):
            yield run(self.engine, pixels)

    def _pixels(
        self, places: np.ndarray, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches of images, each plain or changed as its view has it."""
        changed = views != PLAIN_VIEW
        # An augmentation policy has no plain view: those come from a source apart.
        plain = _one_by_one(self.images.plain, places[~changed], batch)
        others = _one_by_one(self.images.shown, places[changed], views[changed], batch)
        for first in range(0, len(places), batch):
            chosen = changed[first : first + batch]
            yield np.stack([next(others if one else plain) for one in chosen])


@dataclass(frozen=True)
class Streaming:
    """Gives both phases what they learn from without a cache.

    Attributes:
        backbone: Its frozen part runs.
        train: The images that are learnt from.
        validation: The images that choose the epoch to keep.
        config: What to do.
        reason: Why nothing is kept.
    """

    backbone: Backbone
    train: Images
    validation: Images
    config: Config
    reason: str

    def pair(self, output: str) -> tuple[Examples, Examples]:
        """Returns training and validation examples of an output.

        Args:
            output: A key of `heads.FEATURES`, or what `PrefixCache.cut` gives. Pooled
                features are computed here and now, once, and stay in the memory.
        """
        splits = {"train": self.train, "validation": self.validation}
        if output in POOLED:
            engine = self._engine(output, epochs=1)
            train, validation = (
                Cached.of(images.labels, features(engine, images, what=split))
                for split, images in splits.items()
            )
            return train, validation
        of_head = output in heads.FEATURES
        phase = self.config.head_phase if of_head else self.config.fine_tune
        # The head alone learns from the plain images, as it does from the cache.
        views = 1 if of_head else self.config.augment.views
        say(
            f"Images run through the frozen part of {self.backbone.name} anew in every "
            f"epoch: {self.reason}"
        )
        engine = self._engine(output, phase.epochs)
        shape = networks.shape_of(self.backbone, output)
        return (
            Streamed(self.train, views, engine, shape),
            Streamed(self.validation, 1, engine, shape),
        )

    def _engine(self, output: str, epochs: int) -> Engine:
        """Returns what runs the network from images to an output."""
        sample = next(
            self.train.plain(np.arange(len(self.train.labels))[:SAMPLE], SAMPLE)
        )
        images = len(self.train.labels) + len(self.validation.labels)
        return choice.choose(
            networks.build(self.backbone, (output,)),
            sample,
            total=images * epochs,
            name=choice.name_for(self.config),
            folder=Path(self.config.data.cache_dir).expanduser() / stored.FOLDER,
        )


def features(engine: Engine, images: Images, *, what: str) -> np.ndarray:
    """Returns what an engine makes of all plain images, `(images, …)` as float32.

    Args:
        engine: What runs the network.
        images: The images.
        what: What they are, for the progress bar.
    """
    total, size = len(images.labels), engine.batch_size
    if not total:
        return np.zeros((0, 0), np.float32)
    batches = track(images.in_order(size), what, total, size)
    return np.concatenate([engine(pixels)[0] for pixels in batches])


def run(engine: Engine, inputs: np.ndarray) -> np.ndarray:
    """Returns an engine's first output of a batch, run in the size that it likes."""
    starts = range(0, len(inputs), engine.batch_size)
    parts = [engine(inputs[start : start + engine.batch_size])[0] for start in starts]
    return np.concatenate(parts)


def _one_by_one(
    source: Callable[..., Iterator[np.ndarray]], places: np.ndarray, *more: object
) -> Iterator[np.ndarray]:
    """Yields single images of a source of batches; of no places there are none."""
    if len(places):
        for pixels in source(places, *more):
            yield from pixels
