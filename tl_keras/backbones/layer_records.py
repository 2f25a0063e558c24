"""What a weights file and a network say of their layers, in the same words."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import Operation, layers


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file, not yet read.

    Attributes:
        name: What the layer calls it, such as `kernel`; empty where the file has
            numbers alone.
        shape: Its shape.
        dtype: NumPy's name of its type.
        read: Reads the values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Stored:
    """A layer of a file.

    Attributes:
        name: Its name in the file.
        kind: Layers of one kind stand in the network's order.
        tensors: Its tensors.
        in_order: Whether the tensors stand in the order of the layer's variables;
            else their names alone tell.
    """

    name: str
    kind: str
    tensors: tuple[Tensor, ...]
    in_order: bool = True


@dataclass(frozen=True)
class Needed:
    """A layer of the network that has weights.

    Attributes:
        name: Its name in a file.
        kind: See `Stored`.
        numbered: Whether Keras made up the name, which then differs from session to
            session (`conv2d_3`).
        variables: Its weights, in the file's order.
    """

    name: str
    kind: str
    numbered: bool
    variables: tuple[keras.Variable, ...]


def snake_case(layer: Operation) -> str:
    """Returns Keras's word for a layer's class: `Conv2D` → `conv2d`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def is_numbered(layer: Operation) -> bool:
    """Returns whether Keras made up the name, of the class and a number."""
    return re.fullmatch(rf"{snake_case(layer)}(_\d+)?", layer.name) is not None


def leaves(
    network: keras.Model, container: str = "layers", prefix: str = ""
) -> Iterator[tuple[str, str, layers.Layer]]:
    """Yields every layer that is no network itself, in order.

    Args:
        network: A functional or sequential network.
        container: Where a `.weights.h5` file has the network's layers.
        prefix: The names of the networks around it.

    Yields:
        The group of a `.weights.h5` file that the layer is in, its name behind those
        of the networks around it, and the layer.
    """
    seen: Counter[str] = Counter()
    for layer in network.layers:
        kind = snake_case(layer)
        number = f"_{seen[kind]}" if seen[kind] else ""
        seen[kind] += 1
        if isinstance(layer, keras.Model):
            inside = f"{container}/{kind}{number}/layers"
            yield from leaves(layer, inside, f"{prefix}{layer.name}/")
        else:
            yield container, f"{prefix}{layer.name}", layer
