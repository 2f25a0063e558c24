"""Training of a whole network from random weights, on other views in each epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
from keras import layers, ops

from tl_keras.architectures import names
from tl_keras.config import Config
from tl_keras.datasets import batches
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import UsageError
from tl_keras.progress import track
from tl_keras.training import loop
from tl_keras.training.history import History
from tl_keras.training.phases import checkpoint_path

PHASE = "scratch"
DECODE_BATCH = 64
# Pixels in [0, 255] to [-1, 1].
SCALE, OFFSET = 1 / 127.5, -1.0


@dataclass(frozen=True)
class Network:
    """An architecture with its own classifying layers.

    Attributes:
        model: From RGB pixels in [0, 255], `(batch, side, side, 3)`, to logits.
        image_size: Side of the images in pixels.
        class_names: In the order of the logits.
    """

    model: keras.Model
    image_size: int
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """Images that show another random view in every epoch.

    They are decoded once, if that fits in the memory, else whenever they are wanted.

    Attributes:
        manifest: The images.
        image_size: Side of the images in pixels.
        labels: Class indices, `(images,)`.
        policy: Name of the augmentation policy in training.
        seed: Of the augmentation.
        memory: Bytes that the decoded images may take.
    """

    manifest: Manifest
    image_size: int
    labels: np.ndarray
    policy: str
    seed: int
    memory: int = 1 << 30

    def drawn(
        self, places: np.ndarray, epoch: int, random: np.random.Generator, batch: int
    ) -> Iterator[np.ndarray]:
        """Yields batches in which each image shows the epoch's view of it."""
        rows = tuple(self.manifest.rows[place] for place in places)
        chosen = Manifest(self.manifest.root, rows)
        # View 0 is the plain image.
        view = {"policy": self.policy, "view": epoch + 1, "seed": self.seed}
        if self._decoded is None:
            data = batches.images(chosen, self.image_size, batch, **view)
        else:
            data = batches.views(self._decoded[places], chosen, batch, **view)
        return (images.numpy() for images in batches.read(data))

    def in_order(self, batch: int) -> Iterator[np.ndarray]:
        """Yields the plain images."""
        if self._decoded is None:
            data = batches.images(self.manifest, self.image_size, batch)
            return (images.numpy() for images in batches.read(data))
        starts = range(0, len(self._decoded), batch)
        return (self._decoded[first : first + batch] for first in starts)

    @cached_property
    def _decoded(self) -> np.ndarray | None:
        """All plain images, or `None` where they are too many."""
        total = len(self.manifest.rows)
        if total * self.image_size**2 * 3 > self.memory:
            return None
        data = batches.images(self.manifest, self.image_size, DECODE_BATCH)
        found = track(batches.read(data), "Decoding", total, DECODE_BATCH)
        return np.concatenate([images.numpy() for images in found])


def build(config: Config, class_names: tuple[str, ...]) -> Network:
    """Builds the network that `config.scratch` names, with random weights.

    Args:
        config: Its `backbone.image_size` is the side of the images.
        class_names: In the order of the logits.

    Raises:
        UsageError: If the architecture, an option or the size is refused.
    """
    chosen, size = config.scratch, config.backbone.image_size
    channels = names.ARCHITECTURES[chosen.name].channels
    network = names.build(
        chosen.name,
        num_classes=len(class_names),
        input_shape=(size, size, channels),
        **chosen.options,
    )
    inputs = x = keras.Input((size, size, 3), name="images")
    if channels == 1:
        x = ops.image.rgb_to_grayscale(x)
    x = layers.Rescaling(SCALE, OFFSET, name="preprocessing")(x)
    logits = network(x)
    if isinstance(logits, dict):
        raise UsageError(
            "The pipeline trains one output. Leave `auxiliary` out of scratch.options, "
            "or compile the network of `tl_keras.build` with its `loss_weights()`."
        )
    return Network(keras.Model(inputs, logits), size, class_names)


def train(
    network: Network, manifest: Manifest, config: Config, history: History
) -> History:
    """Trains all of a network's layers, batch normalization included.

    Args:
        network: What is trained.
        manifest: The images with their splits.
        config: What to do.
        history: The epochs before: none, or those of this phase.

    Returns:
        The history with this phase's epochs.
    """
    train, validation = (
        Images(
            chosen,
            network.image_size,
            np.array(chosen.labels(network.class_names)),
            config.augment.policy,
            config.seed,
        )
        for chosen in (manifest.split("train"), manifest.split("validation"))
    )
    return loop.train(
        network.model,
        train,
        validation,
        name=PHASE,
        phase=config.scratch,
        seed=config.seed,
        history=history,
        save_to=checkpoint_path(history.folder, PHASE),
    )
