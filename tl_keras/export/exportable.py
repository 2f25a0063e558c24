"""A trained classifier, with what its export has to say about it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf

from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.evaluation.decision import UNDECIDED, Decision
from tl_keras.training.head import Classifier
from tl_keras.training.scratch import Network


class Trained(Protocol):
    """As much of a run as an export takes; see `run.Run` for what each is."""

    folder: Any
    config: Any
    state: Any
    metrics: dict[str, Any]
    manifest: Manifest
    classifier: Classifier | Network
    classify: Callable[[tf.Tensor], np.ndarray]
    class_names: tuple[str, ...]
    square: Square
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A trained classifier and what its export has to say about it.

    Attributes:
        network: What was trained.
        classify: From a batch of pixels to the probabilities that Keras computes.
        class_names: In the order of the probabilities.
        square: What image files are made of.
        test: Images to compare the export on.
        train: Images by which the ranges of integers are found.
        facts: Goes into the export's manifest: network, metrics, ….
        decision: The temperature that goes into the graph, and the threshold.
    """

    network: Classifier | Network
    classify: Callable[[tf.Tensor], np.ndarray]
    class_names: tuple[str, ...]
    square: Square
    test: Manifest
    train: Manifest
    facts: dict[str, Any]
    decision: Decision = UNDECIDED

    @classmethod
    def of(cls, run: Trained) -> Self:
        """Returns what is exported of a run.

        Raises:
            UsageError: If the run is not evaluated yet.
        """
        config = run.config
        return cls(
            network=run.classifier,
            classify=run.classify,
            decision=run.decision,
            class_names=run.class_names,
            square=run.square,
            test=run.manifest.split("test"),
            train=run.manifest.split("train"),
            facts={
                "network": config.scratch.name or config.backbone.name,
                "outputs": run.classifier.outputs,
                "source": run.state.source,
                "run": str(run.folder),
                "metrics": run.metrics,
            },
        )

    @property
    def outputs(self) -> str:
        """What the logits stand for: see `training.outputs`."""
        return self.network.outputs


def spread(manifest: Manifest, most: int) -> Manifest:
    """Returns some of a manifest's images, evenly from its first to its last row.

    Args:
        manifest: Its rows may go class by class.
        most: How many at most.
    """
    rows = manifest.rows
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return dataclasses.replace(manifest, rows=tuple(rows[place] for place in places))
