"""A file's layers and a network's: paired, compared, then read, or refused.

Every layout of weights files ends here. A file may hold more than the network: the
classifier behind it, and the statistics of the `normalization` layer that
`keras.applications` puts before its EfficientNets, which our preprocessing stands for.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np

from tl_keras.backbones.layer_records import Needed, Stored, Tensor
from tl_keras.errors import WeightsError

SHOWN = 3
FLOATS = ("float16", "float32", "float64")
NORMALIZATION = re.compile(r"normalization(_\d+)?")

Values = list[tuple[keras.Variable, np.ndarray]]


def matched(
    network: keras.Model,
    path: Path,
    needed: Sequence[Needed],
    stored: Sequence[Stored],
    *,
    ordered: bool = True,
) -> Values:
    """Pairs a file's layers with a network's, compares all, then reads the values.

    Layers are paired by name, and those whose name is not in the file or was made up
    by Keras by their order. Floats of another width are cast to the network's.

    Args:
        network: A network. Where it ends in a feature map, the layers behind that in
            the file are left aside.
        path: The file, for the message.
        needed: The network's layers with weights, in order.
        stored: The file's, those of one kind in order.
        ordered: Whether the file keeps an order. If not, the names must be equal.

    Returns:
        Each weight of the network and its value.

    Raises:
        WeightsError: If a layer is missing or left over, a shape or the kind of number
            differs, or a value is not finite.
    """
    if not any(NORMALIZATION.fullmatch(layer.name) for layer in needed):
        stored = [layer for layer in stored if not _is_normalization(layer)]
    pairs = _pairs(needed, stored, ordered)
    faults = [fault for pair in pairs if (fault := _fault(*pair))]
    found = [counterpart for _, counterpart in pairs if counterpart]
    faults += [
        f"the file has {layer.name!r}, the network no such layer"
        for layer, behind in _left_over(stored, found)
        if not (behind and ordered and _ends_in_feature_map(network))
    ]
    if faults:
        raise WeightsError(_unfit(network, path, pairs, faults))
    return [
        (variable, _read(path, layer.name, variable, tensor))
        for layer, found in pairs
        for variable, tensor in zip(layer.variables, _arranged(layer, found))
    ]


def assign(network: keras.Model, values: Values) -> None:
    """Puts compared values into a network."""
    for variable, value in values:
        variable.assign(value)
    for layer in network.layers:
        # A normalization layer computes from its statistics what it applies.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _is_normalization(stored: Stored) -> bool:
    """Returns whether it is mean, variance and count of an input normalization."""
    return (
        NORMALIZATION.fullmatch(stored.name) is not None
        and len(stored.tensors) == 3
        and any(tensor.shape == () for tensor in stored.tensors)
    )


def _pairs(
    needed: Sequence[Needed], stored: Sequence[Stored], ordered: bool
) -> list[tuple[Needed, Stored | None]]:
    """Finds each layer's counterpart: by name, else the next of its kind."""
    by_name = {(layer.kind, layer.name): layer for layer in stored}
    named = [
        None if ordered and layer.numbered else by_name.get((layer.kind, layer.name))
        for layer in needed
    ]
    taken = {id(layer) for layer in named}
    rest = [layer for layer in stored if ordered and id(layer) not in taken]
    queues = {
        kind: iter([layer for layer in rest if layer.kind == kind])
        for kind in {layer.kind for layer in needed}
    }
    return [
        (layer, found or next(queues[layer.kind], None))
        for layer, found in zip(needed, named)
    ]


def _left_over(
    stored: Sequence[Stored], found: Sequence[Stored]
) -> list[tuple[Stored, bool]]:
    """Returns the file's other layers, and whether each lies behind the network."""
    taken = {id(layer) for layer in found}
    last = {
        layer.kind: place for place, layer in enumerate(stored) if id(layer) in taken
    }

    def behind(place: int, layer: Stored) -> bool:
        if layer.kind in last:
            return place > last[layer.kind]
        # Where the file orders each class for itself, a classifier is of dense layers.
        return layer.kind.endswith("/dense")

    return [
        (layer, behind(place, layer))
        for place, layer in enumerate(stored)
        if id(layer) not in taken
    ]


def _ends_in_feature_map(network: keras.Model) -> bool:
    """Returns whether the network has no classifier."""
    return len(network.output_shape) == 4


def _arranged(layer: Needed, found: Stored) -> tuple[Tensor, ...]:
    """Returns the tensors in the order of the layer's variables, or none."""
    names = [variable.name for variable in layer.variables]
    by_name = {tensor.name: tensor for tensor in found.tensors}
    if len(by_name) == len(found.tensors) and sorted(by_name) == sorted(names):
        return tuple(by_name[name] for name in names)
    return found.tensors if found.in_order else ()


def _fault(layer: Needed, found: Stored | None) -> str:
    """Returns what is wrong with a pair, or an empty text."""
    needs = _listed((v.name, v.shape, v.dtype) for v in layer.variables)
    if found is None:
        return f"layer {layer.name!r} needs {needs}, the file has none"
    tensors = _arranged(layer, found)
    if len(tensors) == len(layer.variables) and all(
        tensor.shape == tuple(variable.shape) and _same_kind(tensor, variable)
        for tensor, variable in zip(tensors, layer.variables)
    ):
        return ""
    alias = f" as {found.name!r}" if found.name != layer.name else ""
    has = _listed((t.name, t.shape, t.dtype) for t in found.tensors)
    return f"layer {layer.name!r} needs {needs}, the file has{alias} {has}"


def _same_kind(tensor: Tensor, variable: keras.Variable) -> bool:
    """Returns whether both are floats, or both whole numbers."""
    if "float" in variable.dtype:
        return tensor.dtype in FLOATS
    return tensor.dtype.startswith(("int", "uint"))


def _listed(parts: Iterable[tuple]) -> str:
    """Returns names, shapes and unusual types in words."""
    words = [
        f"{name} {tuple(shape)} {dtype if dtype != 'float32' else ''}".strip()
        for name, shape, dtype in parts
    ]
    return ", ".join(words) or "no tensor"


def _unfit(
    network: keras.Model,
    path: Path,
    pairs: Sequence[tuple[Needed, Stored | None]],
    faults: Sequence[str],
) -> str:
    """Returns the message for a file that does not fit: the first faults, the cure."""
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    missing = [found is None for _, found in pairs]
    cure = "Give a file of the same network with the same options."
    # All that is there fits, and only the end is missing.
    if any(missing) and not missing[0] and missing == sorted(missing):
        if len(faults) == sum(missing) and not _ends_in_feature_map(network):
            cure = (
                "It seems to be a file without the classifier, for a network without "
                "one: give the full file."
            )
    shown = "; ".join(faults[:SHOWN])
    return f"{path} does not fit {network.name}: {shown}{more}. {cure}"


def _read(
    path: Path, layer: str, variable: keras.Variable, tensor: Tensor
) -> np.ndarray:
    """Reads a tensor's values, checked, in the variable's type."""
    # What is too large for the type becomes infinite, and is refused.
    with np.errstate(over="ignore"):
        values = np.asarray(tensor.read()).astype(variable.dtype, copy=False)
    if not np.isfinite(values).all():
        raise not_finite(path, f"{layer}/{variable.name}")
    return values


def not_finite(path: Path, name: str) -> WeightsError:
    """Returns the error for a tensor with a value that is no number, or infinite."""
    return WeightsError(
        f"{path} has values that are not finite in {name!r}, as a training that "
        f"failed leaves them. Give another file."
    )
