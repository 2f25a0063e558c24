"""What is made of a classifier's logits: a temperature, and when it does not know."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from keras import KerasTensor, ops

from tl_keras.errors import StorageError
from tl_keras.files import write_json
from tl_keras.training.outputs import MULTI_LABEL


@dataclass(frozen=True, kw_only=True)
class Decision:
    """From logits to an answer, or to "don't know".

    Attributes:
        temperature: The logits are divided by it before they become probabilities.
        threshold: An image is known whose confidence (see `confidence`) is at least
            this: one number, or one by the name of each class; `None` knows all.
    """

    temperature: float = 1.0
    threshold: float | Mapping[str, float] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Self:
        """Returns the decision that `as_dict` gave; of nothing, one that changes none.

        Raises:
            ValueError: If the values are none of a decision.
        """
        decision = cls(**(values or {}))
        threshold = decision.threshold
        named = isinstance(threshold, Mapping)
        numbers = list(threshold.values()) if named else [threshold or 0.0]
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"a threshold that is no number: {threshold!r}")
        if not 0 < decision.temperature < math.inf:
            raise ValueError(f"a temperature of {decision.temperature!r}")
        return decision

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; without a file, a decision that changes nothing.

        Raises:
            StorageError: If the file is damaged.
        """
        if not path.is_file():
            return cls()
        try:
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StorageError(f"{path} cannot be read: {error!r}.") from None

    def save(self, path: Path) -> None:
        """Writes the decision as JSON, in one step."""
        write_json(path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Returns `temperature` and `threshold`, JSON's types only."""
        return dataclasses.asdict(self)

    def thresholds(self, class_names: tuple[str, ...]) -> np.ndarray:
        """Returns each class's threshold, float32 `(classes,)`; 0 where there is none.

        Raises:
            StorageError: If a class has none of those that go by name.
        """
        if not isinstance(self.threshold, Mapping):
            return np.full(len(class_names), self.threshold or 0.0, np.float32)
        missing = [name for name in class_names if name not in self.threshold]
        if missing:
            raise StorageError(
                f"The decision has no threshold of class {missing[0]!r}: it is of "
                f"another model. Evaluate or export the run anew."
            )
        return np.array([self.threshold[name] for name in class_names], np.float32)

    def known(
        self, probabilities: np.ndarray, class_names: tuple[str, ...], kind: str
    ) -> np.ndarray:
        """Tells of each image whether the model knows it, bool `(images,)`.

        Args:
            probabilities: `(images, classes)`, with the temperature in them.
            class_names: In the order of the columns.
            kind: What the logits stand for: see `training.outputs`.
        """
        if self.threshold is None or not len(probabilities):
            return np.ones(len(probabilities), bool)
        rows = np.asarray(probabilities, np.float32)
        return np.asarray(known(rows, self.thresholds(class_names), kind))


# The probabilities as they are, all images known.
UNDECIDED = Decision()


def known(
    probabilities: KerasTensor | np.ndarray, thresholds: np.ndarray, kind: str
) -> KerasTensor:
    """Tells of each image whether it is known; in float32, in a graph or outside.

    One class an image: whether its probability reaches the class's threshold. With
    several labels an image: whether every label's certainty, of being there or of not
    being there, reaches the label's.

    Args:
        probabilities: float32 `(images, classes)`.
        thresholds: float32 `(classes,)`.
        kind: What the logits stand for: see `training.outputs`.
    """
    if kind == MULTI_LABEL:
        certainty = ops.maximum(probabilities, 1 - probabilities)
        return ops.all(certainty >= thresholds, axis=-1)
    chosen = ops.argmax(probabilities, axis=-1)
    return ops.max(probabilities, axis=-1) >= ops.take(thresholds, chosen)


def confidence(probabilities: np.ndarray, kind: str) -> np.ndarray:
    """Returns how sure each image's answer is, `(images,)`.

    One class an image: its probability. With several labels an image: the certainty
    of the least certain one, in [0.5, 1].
    """
    if kind == MULTI_LABEL:
        return np.maximum(probabilities, 1 - probabilities).min(axis=-1)
    return probabilities.max(axis=-1)
