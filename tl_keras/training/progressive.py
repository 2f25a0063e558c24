"""Progressive image size: training starts on small images, which grow as it goes on.

A step costs as much as its images have pixels, and early epochs learn as well from few
of them (EfficientNetV2: Tan & Le, 2021, section 4, https://arxiv.org/abs/2104.00298;
their augmentation grows with the images, ours is the same throughout). The network is
one: its layers are called on inputs of any size, so that weights and optimizer go on
from size to size. An epoch's size depends on its number alone; a killed run goes on
in the middle of any size.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones import catalogue
from tl_keras.backbones.backbone import Backbone
from tl_keras.config import Config, FineTune
from tl_keras.errors import UsageError
from tl_keras.progress import say
from tl_keras.training import loop
from tl_keras.training.examples import Examples
from tl_keras.training.history import History
from tl_keras.training.images import Images

# Sizes in all, the last one included. The paper trains in four; more of them gain
# little, and each is decoded anew.
SIZES = 3


def train(
    model: keras.Model,
    train: Images,
    validation: Examples,
    *,
    phase: FineTune,
    **settings: Any,
) -> History:
    """Trains `model` on images that grow from `phase.start_size` to their size.

    Validation sees the final size in every epoch, and what it keeps is chosen as in
    `loop.train`. Early epochs may do worse there than what the phase started from;
    the phase therefore ends early no sooner than `phase.patience` epochs after the
    images are full-size.

    Args:
        model: From pixels, `(batch, side, side, 3)`, to logits; its weights train.
        train: What it learns from, at its final size.
        validation: What chooses the epoch to keep, at the final size.
        phase: How to train.
        **settings: All else that `loop.train` takes.

    Returns:
        The history with this phase's epochs.

    Raises:
        UsageError: If the model runs at one size only, or the first is not smaller.
    """
    final = train.square.side
    grown = sides(phase.start_size, final, phase.epochs)
    flexible = at_any_size(model)
    require_runs(flexible, grown[0])
    say(f"Images grow: {_as_text(grown)}")
    growing_epochs = sum(side < final for side in grown)
    return loop.train(
        flexible,
        Growing(train, grown),
        validation,
        phase=dataclasses.replace(phase, patience=phase.patience + growing_epochs),
        **settings,
    )


def sides(start: int, final: int, epochs: int) -> tuple[int, ...]:
    """Returns the side of the images in each epoch, in pixels.

    Equal steps of size, an equal share of the epochs each; the last is the final size.

    Args:
        start: Side in the first epochs.
        final: Side in the last ones.
        epochs: Of the phase. Where there is one alone, it has the final size.

    Raises:
        UsageError: If the images would not grow.
    """
    if start >= final:
        raise UsageError(
            f"`fine_tune.start_size` must be smaller than the image size, {final}. "
            f"Received: {start}"
        )
    # Networks pad otherwise at sizes that their strides do not divide.
    step = math.gcd(start, final, catalogue.SIZE_STEP)
    last = min(SIZES, epochs) - 1
    numbers = [epoch * (last + 1) // epochs for epoch in range(epochs)]
    shares = [number / last if last else 1.0 for number in numbers]
    return tuple(
        round((start + share * (final - start)) / step) * step for share in shares
    )


def require(backbone: Backbone, config: Config) -> None:
    """Refuses images that grow, where the network or the settings do not allow it.

    Args:
        backbone: At its final size.
        config: What is to be trained; nothing is refused without a `start_size`.

    Raises:
        UsageError: If the first size is too small or not smaller than the last one,
            or if the network or the head has weights that fit one size only.
    """
    start = config.fine_tune.start_size
    if start is None:
        return
    if config.head.pooling == "flatten":
        raise UsageError(
            f"`fine_tune.start_size` needs a head of any size, and head.pooling = "
            f"flatten gives it weights for one. Choose another pooling, or leave "
            f"start_size out. Received: {start}"
        )
    least = catalogue.find(backbone.name).minimum_size
    if start < least:
        raise UsageError(
            f"`fine_tune.start_size` must be at least {least} for {backbone.name}. "
            f"Received: {start}"
        )
    sides(start, backbone.image_size, config.fine_tune.epochs)
    require_runs(at_any_size(backbone.model), start)


def require_runs(flexible: keras.Model, side: int) -> None:
    """Runs a model on one image of a size.

    Raises:
        UsageError: If that fails: its weights, or its graph, fit another size only.
    """
    image = np.zeros((1, side, side, flexible.input.shape[-1]), np.float32)
    try:
        flexible(image, training=False)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError):
        raise UsageError(
            f"`fine_tune.start_size` needs a network of any size, and "
            f"{flexible.name} does not run on {side}x{side} pixels: leave start_size "
            f"out. Received: {side}"
        ) from None


def at_any_size(model: keras.Model) -> keras.Model:
    """Returns a model of the same layers that takes images of any height and width.

    Args:
        model: A functional model; models inside it are made to take any size, too.
    """
    inputs = keras.tree.map_structure(_of_any_size, model.input)
    return keras.models.clone_model(model, input_tensors=inputs, clone_function=_shared)


def _of_any_size(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Returns an input like a tensor, its height and width left open."""
    *places, channels = tensor.shape[1:]
    return keras.Input((*[None] * len(places), channels), dtype=tensor.dtype)


def _shared(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns the layer itself; of a model, one that shares its layers."""
    # A model checks the size of its inputs, its layers only what their weights need.
    functional = isinstance(layer, keras.Model) and hasattr(layer, "operations")
    return at_any_size(layer) if functional else layer


@dataclass(frozen=True)
class Growing:
    """Images that are larger in later epochs.

    Attributes:
        images: At their final size.
        sides: Their side in each epoch, in pixels.
    """

    images: Images
    sides: tuple[int, ...]
    _now: list[Images] = field(default_factory=list, repr=False)

    @property
    def labels(self) -> np.ndarray:
        """Class indices, `(images,)`, or multi-hot, `(images, classes)`."""
        return self.images.labels

    def shape(self, epoch: int) -> tuple[int, ...]:
        """Returns the shape of an image in an epoch."""
        side = self._side(epoch)
        return side, side, 3

    def draw(
        self, places: np.ndarray, epoch: int, random: np.random.Generator
    ) -> np.ndarray:
        """Returns the epoch's view of each image, as `Images.draw` does."""
        return self.images.draw(places, epoch, random)

    def drawn(
        self, places: np.ndarray, epoch: int, views: np.ndarray, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches of the epoch's size, as `Images.drawn` does."""
        return self._at(self._side(epoch)).drawn(places, epoch, views, batch)

    def plain(self, places: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """Yields some plain images at their final size."""
        return self.images.plain(places, batch)

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields the plain images at their final size."""
        return self.images.in_order(batch)

    def _side(self, epoch: int) -> int:
        """Returns the side of the images in an epoch."""
        # The next batches are asked for ahead of time, behind the last epoch, too.
        return self.sides[min(epoch, len(self.sides) - 1)]

    def _at(self, side: int) -> Images:
        """Returns the images at a size; those of the last one are let go."""
        if side == self.images.square.side:
            self._now.clear()
            return self.images
        if not self._now or self._now[0].square.side != side:
            self._now[:] = [self.images.at(side)]
        return self._now[0]


def _as_text(grown: tuple[int, ...]) -> str:
    """Returns `96 pixels from epoch 1, 160 from epoch 7`."""
    firsts = {side: grown.index(side) + 1 for side in grown}
    parts = [f"{side} from epoch {first}" for side, first in firsts.items()]
    return ", ".join(parts).replace(" from", " pixels from", 1)
