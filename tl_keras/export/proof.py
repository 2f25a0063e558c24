"""What is known of an artifact that was run, and what is not good enough."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tl_keras.errors import ExportError
from tl_keras.export.artifacts import NONE, Artifact
from tl_keras.training.outputs import MULTI_LABEL

# Greatest difference of a probability from Keras's; least share of the same answers.
TOLERANCE, AGREEMENT = 1e-3, 0.98


@dataclass(frozen=True, kw_only=True)
class Proof:
    """An artifact compared with the Keras model, by its own runtime.

    Attributes:
        artifact: What was run.
        images: Test images of the comparison.
        max_difference: Greatest difference of a probability.
        agreement: Share of images with the Keras model's answer: the most probable
            class, or the same labels.
        accuracy: Share of images with the right answer.
        bytes: On disk.
        milliseconds: Of a call, by the number of images in it.
    """

    artifact: Artifact
    images: int
    max_difference: float
    agreement: float
    accuracy: float
    bytes: int
    milliseconds: dict[int, float]

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON's types: the artifact's fields, then the figures."""
        values = dataclasses.asdict(self)
        return {**values.pop("artifact"), **values}


def answers(probabilities: np.ndarray, kind: str) -> np.ndarray:
    """Returns what is said of each image, `(images, classes)` or `(images,)`.

    Args:
        probabilities: `(images, classes)`.
        kind: What they stand for: see `training.outputs`.
    """
    if kind == MULTI_LABEL:
        return probabilities > 0.5
    return probabilities.argmax(axis=-1)


def share_equal(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the share of images of which the same is said."""
    same = (first == second).reshape(len(first), -1).all(axis=1)
    return float(same.mean())


def refuse(proof: Proof, tolerance: float, accept_loss: bool) -> None:
    """Refuses an artifact that computes something else than the Keras model.

    Args:
        proof: What was found.
        tolerance: Greatest difference of a probability allowed, where it counts.
        accept_loss: Whether a quantized artifact may lose any amount.

    Raises:
        ExportError: If it does.
    """
    artifact = proof.artifact
    if not np.isfinite(proof.max_difference):
        raise ExportError(
            f"The {artifact.title} model cannot be compared: there are probabilities "
            f"that are no numbers."
        )
    quantized = artifact.quantize != NONE
    if quantized and accept_loss:
        return
    cure = " Leave that quantization out, or take --accept-loss." if quantized else ""
    if artifact.counted and proof.agreement < AGREEMENT:
        raise ExportError(
            f"The {artifact.title} model gives the Keras model's answer on "
            f"{proof.agreement:.1%} of {proof.images} images; at least "
            f"{AGREEMENT:.0%} are asked for.{cure}"
        )
    if not artifact.counted and proof.max_difference > tolerance:
        raise ExportError(
            f"The {artifact.title} model differs from the Keras model by "
            f"{proof.max_difference:.2g} in a probability; at most {tolerance:g} is "
            f"allowed.{cure}"
        )
