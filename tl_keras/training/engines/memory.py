"""Remembers which engine was fastest for a network, and the converted networks."""

import contextlib
import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras import cores
from tl_keras.errors import StorageError
from tl_keras.files import replacing, write_json

logger = logging.getLogger(__name__)

# Change it when the meaning of the files changes.
FORMAT = 1
# What decides about speed, and what wrote the converted networks.
LIBRARIES = ("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "onnx", "tf2onnx")
# They are as large as the weights.
MOST_CONVERTED = 4


@dataclass(frozen=True)
class Choice:
    """How a network is run.

    Attributes:
        engine: Its name.
        workers: How many share a batch.
        batch_size: Inputs a call.
    """

    engine: str
    workers: int
    batch_size: int


class Memory:
    """A folder of choices and converted networks, from the view of one network."""

    def __init__(self, model: keras.Model, sample: np.ndarray, folder: Path | None):
        """Makes the memory of a network and its kind of inputs; `None` has none."""
        self._model = model
        self._sample = sample
        self._folder = folder

    def choice(self, asked: str) -> Choice | None:
        """Returns what was chosen where `asked`, an engine or `auto`, was asked for."""
        if self._folder is None:
            return None
        try:
            return Choice(**json.loads(self._choice(asked).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def remember(self, asked: str, choice: Choice) -> None:
        """Keeps a choice for the next time."""
        if self._folder:
            with _dispensable():
                write_json(self._choice(asked), asdict(choice))

    def forget(self, asked: str, suffix: str) -> None:
        """Drops a choice and its converted network, which were of no use."""
        if self._folder:
            with _dispensable():
                self._choice(asked).unlink(missing_ok=True)
                self._converted(suffix).unlink(missing_ok=True)

    def has(self, suffix: str) -> bool:
        """Tells whether this network was converted to a format before."""
        return self._folder is not None and self._converted(suffix).exists()

    def converted(self, suffix: str) -> bytes | None:
        """Returns this network in a format, weights included, or nothing."""
        if self._folder is None:
            return None
        path = self._converted(suffix)
        try:
            converted = path.read_bytes()
            # The oldest are removed: this one is of use.
            os.utime(path)
            return converted
        except OSError:
            return None

    def keep(self, suffix: str, converted: bytes) -> None:
        """Keeps a converted network, and the newest few of the others."""
        if self._folder is None:
            return
        with _dispensable():
            with replacing(self._converted(suffix)) as temporary:
                temporary.write_bytes(converted)
            files = self._folder.glob("network-*")
            by_age = sorted(files, key=lambda path: path.stat().st_mtime)
            for old in by_age[:-MOST_CONVERTED]:
                old.unlink(missing_ok=True)

    def _choice(self, asked: str) -> Path:
        parts = {"asked": asked, "network": self._network, "machine": _machine()}
        return self._folder / f"choice-{_digest(parts)}.json"

    def _converted(self, suffix: str) -> Path:
        parts = {"network": self._network, "weights": self._weights}
        return self._folder / f"network-{_digest(parts)}{suffix}"

    @cached_property
    def _network(self) -> dict:
        """What tells one architecture and library from another."""
        return {
            "format": FORMAT,
            "layers": _layers(self._model),
            "inputs": [str(self._sample.dtype), *self._sample.shape[1:]],
            "outputs": [[*output.shape] for output in self._model.outputs],
            "versions": [*map(_version, LIBRARIES)],
        }

    @cached_property
    def _weights(self) -> str:
        """A digest of all numbers that the conversion makes constants of."""
        digest = hashlib.sha256()
        for weight in self._model.weights:
            digest.update(f"{weight.shape}".encode())
            digest.update(weight.numpy().tobytes())
        return digest.hexdigest()


@contextlib.contextmanager
def _dispensable() -> Iterator[None]:
    """Turns an error of writing into a warning: it only costs time, next time."""
    try:
        yield
    except (OSError, StorageError) as error:
        logger.warning("The engine of a network is not remembered: %s", error)


def _layers(model: keras.Model) -> str:
    """Returns the layers with their settings and connections, by numbers, not names.

    Keras numbers some layers anew in each process.
    """
    names = [operation.name for operation in _operations(model)]
    numbers = {name: f"#{number}" for number, name in enumerate(names)}
    config = keras.saving.serialize_keras_object(model)
    return json.dumps(_renamed(config, numbers), sort_keys=True, default=str)


def _operations(model: keras.Model) -> Iterator[keras.Operation]:
    """Yields a model and its layers, those of models within it included."""
    yield model
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            yield from _operations(operation)
        else:
            yield operation


def _renamed(config: Any, numbers: dict[str, str]) -> Any:
    """Returns a config with numbers in the place of names."""
    if isinstance(config, dict):
        return {key: _renamed(value, numbers) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_renamed(value, numbers) for value in config]
    return numbers.get(config, config) if isinstance(config, str) else config


def _machine() -> list:
    """Returns what decides about speed: the processor, and how many cores may run."""
    return [_processor(), cores.usable()]


def _processor() -> str:
    """Returns the processor's name: Linux tells it in a file alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1] for line in lines if line.startswith("model name"))
    return next(named, "").strip() or platform.processor() or platform.machine()


def _version(library: str) -> str:
    """Returns a library's version, or nothing where it is not installed."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _digest(parts: dict) -> str:
    """Returns a digest of what can be written as JSON."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
