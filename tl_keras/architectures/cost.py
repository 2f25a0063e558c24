"""What a network costs: parameters and multiply-adds, read off its graph.

A multiply-add is one product that is added up. Papers count those of convolutions and
dense layers, and so does this module: biases, normalization, activations and pooling
count nothing. (Some papers call two of them, a product and a sum, two operations.)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keras import Model, Operation, layers

from tl_keras.architectures.graph import graph_nodes
from tl_keras.errors import UsageError

# Layers that apply their kernels at every place of the output.
AT_OUTPUT = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.Dense,
)
# Layers that apply their kernel at every place of the input.
AT_INPUT = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a layer or a network costs.

    Attributes:
        name: The layer's name; inside a nested network `network/layer`.
        parameters: All weights, statistics too. A layer's second call adds none.
        multiply_adds: Of a forward pass on one image.
    """

    name: str
    parameters: int
    multiply_adds: int


def total(network: Model) -> Cost:
    """Adds up the costs of a network's layers.

    Args:
        network: A functional or sequential model with a fixed image size.

    Raises:
        UsageError: See `per_layer`.
    """
    rows = per_layer(network)
    return Cost(
        name=network.name,
        parameters=sum(row.parameters for row in rows),
        multiply_adds=sum(row.multiply_adds for row in rows),
    )


def per_layer(network: Model) -> list[Cost]:
    """Returns the cost of every layer with weights, in the order of the graph.

    Args:
        network: A functional or sequential model with a fixed image size. Networks
            nested in it are opened.

    Raises:
        UsageError: If the image size is open, or a layer multiplies in a way that is
            not known here: a wrong sum is worse than none.
    """
    return list(_costs(network, "", set()))


def _costs(network: Model, prefix: str, counted: set[int]) -> Iterator[Cost]:
    """Yields the layers' costs; `counted` holds the weights that were counted."""
    for node in graph_nodes(network):
        operation, name = node.operation, f"{prefix}{node.operation.name}"
        if isinstance(operation, Model):
            _require_own_size(operation, node, name)
            yield from _costs(operation, f"{name}/", counted)
        elif getattr(operation, "weights", ()):
            new = [weight for weight in operation.weights if id(weight) not in counted]
            counted.update(id(weight) for weight in new)
            yield Cost(
                name=name,
                parameters=sum(math.prod(weight.shape) for weight in new),
                multiply_adds=_multiply_adds(operation, node, name),
            )


def _multiply_adds(layer: Operation, node: Any, name: str) -> int:
    """Returns the multiply-adds of one call of a layer."""
    kernels = [weight.shape for weight in layer.weights if len(weight.shape) > 1]
    if not kernels:
        return 0
    if isinstance(layer, AT_INPUT):
        places = _places(node.input_tensors[0].shape, name)
    elif isinstance(layer, AT_OUTPUT):
        places = _places(node.outputs[0].shape, name)
    else:
        raise UsageError(
            f"The multiply-adds of layer {name!r}, a {type(layer).__name__}, are not "
            "known: its kernel may be used in any way."
        )
    return places * sum(math.prod(kernel) for kernel in kernels)


def _places(shape: tuple[int | None, ...], name: str) -> int:
    """Returns the number of places in `(batch, …, channels)`."""
    sides = shape[1:-1]
    if None in sides:
        raise UsageError(
            f"The network's image size is open: layer {name!r} gives {shape}. Build it "
            "with a fixed `input_shape`."
        )
    return math.prod(sides)


def _require_own_size(network: Model, node: Any, name: str) -> None:
    """Refuses a nested network that is called at another size than it was built for."""
    built, called = network.input_shape, node.input_tensors[0].shape
    if tuple(built[1:]) != tuple(called[1:]):
        raise UsageError(
            f"The nested network {name!r} was built for {built} and is called with "
            f"{called}. Build it for the size that it is called with."
        )
