"""A trained classifier, with what its export has to say about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.evaluation.decision import UNDECIDED, Decision
from tl_keras.training.head import Classifier
from tl_keras.training.scratch import Network


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A trained classifier and what its export has to say about it.

    Attributes:
        network: What was trained.
        classify: From a batch of pixels to the probabilities that Keras computes.
        class_names: In the order of the probabilities.
        square: What image files are made of.
        decision: The temperature that goes into the graph, and the threshold.
        test: Images to compare the export on.
        facts: Goes into the export's manifest: backbone, metrics, ….
    """

    network: Classifier | Network
    classify: Callable[[tf.Tensor], np.ndarray]
    class_names: tuple[str, ...]
    square: Square
    test: Manifest
    facts: dict[str, Any]
    decision: Decision = UNDECIDED

    @property
    def outputs(self) -> str:
        """What the logits stand for: see `training.outputs`."""
        return self.network.outputs
