"""One conversion for every artifact, and one form of error where it fails."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np

from tl_keras.errors import ExportError
from tl_keras.export import mobile, onnx_model
from tl_keras.export.artifacts import INT8, LITERT, Artifact
from tl_keras.export.frozen import Frozen, freeze

SHOWN = 300


@dataclass(frozen=True)
class Source:
    """What artifacts are made of.

    Attributes:
        name: The network's, for a message.
        model: From pixels in [0, 255] to logits, and to features if it has them.
        kind: What the logits stand for: see `training.outputs`.
        temperature: By which the logits are divided.
        class_names: In the order of the probabilities.
        sample: Gives training images by which `int8` finds the ranges of numbers.
    """

    name: str
    model: keras.Model
    kind: str
    temperature: float
    class_names: tuple[str, ...]
    sample: Callable[[], Iterator[np.ndarray]]

    @cached_property
    def frozen(self) -> Frozen:
        """The graph of constants, of uint8 pixels."""
        return freeze(self.model, self.kind, self.temperature)

    def convert(self, artifact: Artifact) -> bytes:
        """Returns the content of an artifact's file.

        Args:
            artifact: Not the SavedModel.

        Raises:
            ExportError: If the network has no such form.
        """
        try:
            if artifact.format == LITERT:
                return self._mobile(artifact.quantize)
            return onnx_model.convert(self.frozen, self.class_names)
        except Exception as error:
            raise ExportError(
                f"{self.name} cannot become {artifact.title}: {in_short(error)}. "
                f"Leave it out of the formats or quantizations."
            ) from error

    def _mobile(self, quantize: str) -> bytes:
        """Returns a LiteRT model."""
        frozen = self.frozen
        if quantize == INT8:
            frozen = freeze(self.model, self.kind, self.temperature, "float32")
        model = mobile.convert(frozen, quantize, self.sample)
        return mobile.with_labels(model, as_lines(self.class_names))


def as_lines(class_names: tuple[str, ...]) -> str:
    """Returns the classes, a line each; a break within a name becomes a space."""
    return "".join(f"{' '.join(name.splitlines())}\n" for name in class_names)


def in_short(error: Exception) -> str:
    """Returns what a converter says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "op" in line.lower() and ":" in line]
    said = (telling or lines or [repr(error)])[-1]
    return said[:SHOWN].rstrip(".")
