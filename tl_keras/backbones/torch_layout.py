"""PyTorch's tensors in Keras's layers: names compared, axes turned, then assigned.

PyTorch keeps kernels as `(out, in, height, width)`, a dense layer's as `(out, in)`,
and a batch normalization's step counter, which no network needs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers

from tl_keras.errors import WeightsError

BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
STEP_COUNTER = "num_batches_tracked"


def tensor_names(layer: layers.Layer, prefix: str) -> list[str]:
    """Returns the names of a layer's tensors, in the order of its Keras weights.

    Args:
        layer: A layer with weights.
        prefix: What PyTorch calls the layer.
    """
    if isinstance(layer, layers.BatchNormalization):
        parts = BATCH_NORM_PARTS
    else:
        parts = ("weight", "bias")[: len(layer.weights)]
    return [f"{prefix}.{part}" for part in parts]


def assign(
    network: keras.Model,
    path: Path,
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[str]],
    *,
    head: str,
) -> None:
    """Puts a file's tensors into a network, all of them or none.

    Every name and shape is compared before anything is assigned.

    Args:
        network: A network.
        path: Where the tensors come from, for the message.
        tensors: The file's tensors in PyTorch's layout.
        names: The tensors of each layer that has weights, see `tensor_names`.
        head: What the classifier is called in the file. A network without one
            leaves its tensors aside.

    Raises:
        WeightsError: If a tensor is missing, left over, or of another shape.
    """
    _compare_names(network, path, tensors, names, head)
    values = {
        name: [_to_keras(network.get_layer(name), tensors[part]) for part in parts]
        for name, parts in names.items()
    }
    for name, arrays in values.items():
        expected = [tuple(weight.shape) for weight in network.get_layer(name).weights]
        found = [array.shape for array in arrays]
        if found != expected:
            raise WeightsError(
                f"{path} does not fit {network.name}: layer {name!r} needs "
                f"{expected}, the file has {found}."
            )
    for name, arrays in values.items():
        network.get_layer(name).set_weights(arrays)


def _compare_names(
    network: keras.Model,
    path: Path,
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[str]],
    head: str,
) -> None:
    """Refuses a file that lacks a tensor or holds one that the network does not."""
    wanted = {name: None for parts in names.values() for name in parts}
    has_head = any(name.startswith(f"{head}.") for name in wanted)
    left_over = [
        name
        for name in tensors
        if name not in wanted
        and not name.endswith(STEP_COUNTER)
        and (has_head or not name.startswith(f"{head}."))
    ]
    missing = [name for name in wanted if name not in tensors]
    if missing or left_over:
        raise WeightsError(
            f"{path} does not fit {network.name}: missing {missing[:3]}, "
            f"left over {left_over[:3]}."
        )


def _to_keras(layer: layers.Layer, tensor: np.ndarray) -> np.ndarray:
    """Turns PyTorch's axes into Keras's."""
    if tensor.ndim == 2:
        return tensor.T
    if tensor.ndim != 4:
        return tensor
    if isinstance(layer, layers.DepthwiseConv2D):
        return tensor.transpose(2, 3, 0, 1)
    return tensor.transpose(2, 3, 1, 0)
