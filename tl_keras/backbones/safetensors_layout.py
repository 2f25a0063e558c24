"""Weights in safetensors under Keras's names: `<layer>/<variable>`.

The format keeps no order of its tensors. `save_safetensors` notes that of the layers
beside them, by which a network without a classifier knows what lies behind it. A file
without that note must have the network's layers and no other.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tl_keras.backbones.layer_records import (
    Needed,
    Stored,
    Tensor,
    is_numbered,
    leaves,
)
from tl_keras.backbones.matching import FLOATS, assign, matched, not_finite
from tl_keras.backbones.torchvision import load_resnet
from tl_keras.errors import WeightsError
from tl_keras.files import replacing

LAYERS = "layers"
DTYPES = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BF16": "bfloat16",
    "I32": "int32",
    "I64": "int64",
}
# A tensor that every ResNet of torchvision has.
TORCHVISION = "layer1.0.conv1.weight"


def save_safetensors(network: keras.Model, path: str | Path) -> None:
    """Saves a network's weights as safetensors, in one step.

    Args:
        network: A functional or sequential network.
        path: The `.safetensors` file. An old one is replaced.

    Raises:
        StorageError: If the file cannot be written.
    """
    needed = _needed(network)
    tensors = {
        f"{layer.name}/{variable.name}": np.asarray(variable.numpy(), order="C")
        for layer in needed
        for variable in layer.variables
    }
    order = json.dumps([layer.name for layer in needed])
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={LAYERS: order})


def load_safetensors(network: keras.Model, path: str | Path) -> None:
    """Loads a safetensors file under Keras's names, or a ResNet under torchvision's.

    Args:
        network: A functional or sequential network; for torchvision's names a
            ResNet-18 or 34.
        path: The file.

    Raises:
        WeightsError: If the file is damaged or does not fit. The network's weights
            are then as before.
    """
    path = Path(path)
    with _opened(path) as file:
        if TORCHVISION in file.keys():
            _require_finite(path, file)
            load_resnet(network, path)
            return
        stored, ordered = _stored(path, file)
        values = matched(network, path, _needed(network), stored, ordered=ordered)
    assign(network, values)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Opens a file; whatever its reader stumbles upon means that it is damaged."""
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(
            f"{path} is cut off or damaged: {error}. Get the file again."
        ) from None


def _needed(network: keras.Model) -> list[Needed]:
    """Returns the network's layers as such a file has them."""
    return [
        Needed(name, "", is_numbered(layer), tuple(layer.weights))
        for _, name, layer in leaves(network)
        if layer.weights
    ]


def _stored(path: Path, file: Any) -> tuple[list[Stored], bool]:
    """Returns the layers of a file, and whether they are in the network's order."""
    tensors = defaultdict(list)
    for name in file.keys():
        layer, slash, variable = name.rpartition("/")
        if not slash:
            raise WeightsError(
                f"{path} has the name {name!r}, where '<layer>/<variable>' is wanted, "
                f"such as 'conv1/kernel'. Write it with save_safetensors."
            )
        values = file.get_slice(name)
        dtype = DTYPES.get(values.get_dtype(), values.get_dtype())
        read = partial(file.get_tensor, name)
        tensors[layer].append(Tensor(variable, tuple(values.get_shape()), dtype, read))
    order = json.loads((file.metadata() or {}).get(LAYERS, "[]"))
    ordered = isinstance(order, list) and sorted(tensors) == sorted(map(str, order))
    return [
        Stored(layer, "", tuple(tensors[layer]), in_order=False)
        for layer in (order if ordered else tensors)
    ], ordered


def _require_finite(path: Path, file: Any) -> None:
    """Refuses a file with a value that is no number, or infinite."""
    for name in file.keys():
        if DTYPES.get(file.get_slice(name).get_dtype()) not in FLOATS:
            continue
        if not np.isfinite(file.get_tensor(name)).all():
            raise not_finite(path, name)
