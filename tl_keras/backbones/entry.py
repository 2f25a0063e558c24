"""What is known of a backbone: one record."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras

from tl_keras.backbones.preprocessing import Preprocessing
from tl_keras.backbones.weight_files import load_file


class WeightsSource(Protocol):
    """Where ImageNet weights are."""

    def path(self) -> Path:
        """Returns the file, fetched where it is missing and checked."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a backbone.

    Attributes:
        build: Builds the network to its last feature map, with random weights.
        preprocess: From pixels in [0, 255] to what the network takes.
        image_size: Side of the images that the weights were trained on.
        minimum_size: Smallest side that the network takes.
        parameters: Of the network to its last feature map, the statistics of batch
            normalization included.
        features: Channels of the last feature map. Both are `None` of a preset.
        weights: Where the ImageNet weights are; `None` where none are published.
        load_weights: Puts that file's weights into the network.
        top1: Published ImageNet accuracy.
    """

    build: Callable[..., keras.Model]
    preprocess: Preprocessing
    image_size: int
    minimum_size: int
    parameters: int | None = None
    features: int | None = None
    weights: WeightsSource | None = None
    load_weights: Callable[[keras.Model, Path], None] = load_file
    top1: float | None = None
