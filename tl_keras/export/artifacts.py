"""What an export can hold besides the SavedModel: formats, quantizations, files."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from tl_keras.errors import UsageError
from tl_keras.registry import lookup
from tl_keras.training.engines import litert, onnx_runtime

SAVED_MODEL, LITERT, ONNX = "saved_model", "litert", "onnx"
NONE, DYNAMIC, FLOAT16, INT8 = "none", "dynamic", "float16", "int8"
# What each needs beyond TensorFlow: the runtime by which it is proven, too.
NEEDS: dict[str, ModuleType | None] = {
    SAVED_MODEL: None,
    LITERT: litert,
    ONNX: onnx_runtime,
}


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that answers as the network does.

    Attributes:
        title: In a person's words.
        file: Its name in the version's folder.
        format: A key of `NEEDS`.
        quantize: What was done to the weights.
        counted: Whether it is held to the share of its answers that stay the same; it
            is held to a difference of probabilities otherwise.
    """

    title: str
    file: str
    format: str
    quantize: str = NONE
    counted: bool = False


TABLE = (
    Artifact(title="SavedModel", file="saved_model.pb", format=SAVED_MODEL),
    Artifact(title="LiteRT float32", file="model.tflite", format=LITERT),
    Artifact(
        title="LiteRT dynamic range",
        file="model_dynamic.tflite",
        format=LITERT,
        quantize=DYNAMIC,
        counted=True,
    ),
    Artifact(
        title="LiteRT float16",
        file="model_float16.tflite",
        format=LITERT,
        quantize=FLOAT16,
    ),
    Artifact(
        title="LiteRT int8",
        file="model_int8.tflite",
        format=LITERT,
        quantize=INT8,
        counted=True,
    ),
    Artifact(title="ONNX", file="model.onnx", format=ONNX),
)
QUANTIZATIONS = (NONE, DYNAMIC, FLOAT16, INT8)


def wanted(
    formats: Sequence[str] = (SAVED_MODEL,), quantize: Sequence[str] = (NONE,)
) -> tuple[Artifact, ...]:
    """Returns the artifacts to be written, the SavedModel always and first.

    Args:
        formats: Keys of `NEEDS`.
        quantize: Members of `QUANTIZATIONS`; each but `none` is of LiteRT alone.

    Raises:
        UsageError: If a name is unknown, there is nothing to quantize, or a package
            is missing.
    """
    for name in formats:
        lookup(NEEDS, name, "format")
    for name in quantize:
        lookup(dict.fromkeys(QUANTIZATIONS), name, "quantization")
    if set(quantize) - {NONE} and LITERT not in formats:
        raise UsageError(
            f"Only LiteRT models are quantized: add {LITERT} to the formats. "
            f"Received: quantize {', '.join(quantize)}, formats {', '.join(formats)}"
        )
    asked = {SAVED_MODEL, *formats}
    for name in sorted(asked):
        _require_packages(name)
    ways = {name: quantize if name == LITERT else (NONE,) for name in asked}
    return tuple(
        artifact
        for artifact in TABLE
        if artifact.quantize in ways.get(artifact.format, ())
    )


def _require_packages(name: str) -> None:
    """Refuses a format whose packages are not installed."""
    needed = NEEDS[name]
    packages = needed.PACKAGES if needed else ()
    missing = [part for part in packages if importlib.util.find_spec(part) is None]
    if missing:
        raise UsageError(
            f"The format {name!r} needs {', '.join(missing)}, not installed: "
            f"pip install '{needed.INSTALL}'."
        )
