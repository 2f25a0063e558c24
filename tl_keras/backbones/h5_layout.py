"""Weights in HDF5, in the two layouts that Keras has, read without trust.

The older one, of the downloads of `keras.applications`, names the layers in the
network's order. That of `.weights.h5` has one group a layer, numbered within its
class, and the layer's name beside it. An HDF5 file can also point to other files and
other places: such links are refused.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from tl_keras.backbones.layer_records import (
    Needed,
    Stored,
    Tensor,
    is_numbered,
    leaves,
    snake_case,
)
from tl_keras.backbones.matching import assign, matched
from tl_keras.errors import WeightsError

LAYERS = "layer_names"
# What reading a damaged or forged file can raise.
DAMAGE = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)


def load_h5(
    network: keras.Model, path: str | Path, *, called: str | Path | None = None
) -> None:
    """Loads an HDF5 file of weights alone, in either of Keras's layouts.

    Args:
        network: A functional or sequential network.
        path: The file.
        called: What messages call it, where `path` is none that a user knows.

    Raises:
        WeightsError: If the file is damaged, holds a whole model or does not fit. The
            network's weights are then as before.
    """
    called = Path(called or path)
    with _opened(path, called) as file:
        values = matched(network, called, *_layers(file, network, called))
    assign(network, values)


def _layers(
    file: h5py.File, network: keras.Model, path: Path
) -> tuple[list[Needed], list[Stored]]:
    """Returns the layers of the network and of the file."""
    if "model_config" in file.attrs or "model_weights" in file:
        raise WeightsError(
            f"{path} was refused: it is a whole model, whose layers can run any code. "
            f"Where you trust it, load it in Keras, run "
            f"model.save_weights('x.weights.h5'), and give that file."
        )
    if LAYERS in file.attrs or f"{LAYERS}0" in file.attrs:
        return _needed_by_name(network), _stored_by_name(file)
    if "layers" in file:
        needed = _needed_by_class(network)
        return needed, _stored_by_class(file, {layer.kind for layer in needed})
    raise WeightsError(
        f"{path} is an HDF5 file, but not of Keras's weights. Write one with "
        f"model.save_weights('x.weights.h5')."
    )


@contextlib.contextmanager
def _opened(path: str | Path, called: Path) -> Iterator[h5py.File]:
    """Opens a file; whatever HDF5 stumbles upon means that it is damaged."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGE as error:
        raise WeightsError(
            f"{called} is cut off or damaged: {error}. Get the file again."
        ) from None


def _needed_by_name(network: keras.Model) -> list[Needed]:
    """Returns the network's layers as the older layout has them."""
    return [
        Needed(
            layer.name,
            "",
            is_numbered(layer),
            (*layer.trainable_weights, *layer.non_trainable_weights),
        )
        for layer in network.layers
        if layer.weights
    ]


def _stored_by_name(file: h5py.File) -> list[Stored]:
    """Returns the layers of a file in the older layout."""
    stored = []
    for layer in _texts(file, LAYERS):
        group = _inside(file, layer)
        names = _texts(group, "weight_names")
        if names:
            tensors = tuple(_tensor(group, name, _last(name)) for name in names)
            stored.append(Stored(layer, "", tensors))
    return stored


def _last(name: str) -> str:
    """Returns a weight's own name: `conv1/kernel:0` → `kernel`."""
    return name.rpartition("/")[2].partition(":")[0]


def _texts(group: h5py.Group, name: str) -> list[str]:
    """Returns an attribute of texts, which Keras splits where it is long."""
    parts = [group.attrs[name]] if name in group.attrs else []
    while f"{name}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{name}{len(parts)}"])
    texts = [text for part in parts for text in part]
    return [x.decode() if isinstance(x, bytes) else str(x) for x in texts]


def _needed_by_class(network: keras.Model) -> list[Needed]:
    """Returns the network's layers as a `.weights.h5` file has them."""
    return [
        Needed(
            layer.name,
            f"{container}/{snake_case(layer)}",
            is_numbered(layer),
            tuple(layer.weights),
        )
        for container, _, layer in leaves(network)
        if layer.weights
    ]


def _stored_by_class(file: h5py.File, kinds: set[str]) -> list[Stored]:
    """Returns the layers of a `.weights.h5` file.

    Args:
        file: The file.
        kinds: Those of the network. Networks within the file's network are looked
            into where the network has such a one, too.
    """
    containers = {"layers", *(kind.rpartition("/")[0] for kind in kinds)}
    stored = []
    for container in sorted(containers):
        if container not in file:
            continue
        group = _inside(file, container)
        for _, kind, key in sorted(_numbered(key) for key in group):
            layer = _inside(group, key)
            if f"{container}/{key}/layers" in containers:
                continue
            if found := _stored_layer(layer, key, f"{container}/{kind}"):
                stored.append(found)
    return stored


def _numbered(key: str) -> tuple[int, str, str]:
    """Splits the number off a group's name: `conv2d_3` → `(3, "conv2d", …)`."""
    kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", key, re.DOTALL).groups()
    return int(number or 0), kind, key


def _stored_layer(layer: h5py.Group, key: str, kind: str) -> Stored | None:
    """Returns a layer of a `.weights.h5` file, or `None` where it has no weights."""
    if "layers" in layer:
        # A network where ours has none: something that cannot be paired.
        return Stored(key, kind, ())
    if "vars" not in layer:
        return None
    group = _inside(layer, "vars")
    numbers = sorted(group, key=lambda name: (len(name), name))
    name = group.attrs.get("name", key)
    tensors = tuple(_tensor(group, number, "") for number in numbers)
    return Stored(str(name), kind, tensors) if tensors else None


def _inside(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Returns what lies under a name, refusing links to other places."""
    for part in name.strip("/").split("/"):
        link = group.get(part, getlink=True)
        if link is not None and not isinstance(link, h5py.HardLink):
            raise ValueError(f"it has a link to another place at {part!r}")
        group = group[part]
    return group


def _tensor(group: h5py.Group, path: str, name: str) -> Tensor:
    """Returns a dataset as a tensor, refusing one whose values lie elsewhere."""
    dataset = _inside(group, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise ValueError(f"{path!r} is no array")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the values of {path!r} lie in another file")

    def read() -> np.ndarray:
        return dataset[()]

    # Keras notes the one type that HDF5 lacks.
    dtype = str(dataset.attrs.get("dtype", dataset.dtype.name))
    return Tensor(name, dataset.shape, dtype, read)
