"""Training of a whole network from random weights, on other views in each epoch."""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers, ops

from tl_keras.architectures import names
from tl_keras.config import Config
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import UsageError
from tl_keras.training import loop, outputs
from tl_keras.training.history import History
from tl_keras.training.images import of_splits
from tl_keras.training.phases import checkpoint_path

PHASE = "scratch"
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

    outputs: ClassVar[str] = outputs.MULTI_CLASS
    model: keras.Model
    image_size: int
    class_names: tuple[str, ...]


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
    train, validation = of_splits(
        manifest, network.image_size, network.class_names, config
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
        balance=config.data.imbalance,
    )
