"""Where a network can be cut, read off its graph: cuts, blocks and stages."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from keras import KerasTensor, Model, Operation, layers

from tl_keras.architectures.graph import graph_nodes
from tl_keras.backbones.layer_records import is_numbered
from tl_keras.errors import UsageError
from tl_keras.registry import suggestion

ALL = "all"
STEM = "stem"
# `conv2_block1_out` is of the block `conv2_block1`, `block35_2_ac` of `block35_2`,
# `block_1_expand` of `block_1`, `block5c_add` of `block5c`.
BLOCK = re.compile(r"([^\d]*\d+[^_]*)(_block_?\d+|_\d+(?=_|$))?")


@dataclass(frozen=True)
class Block:
    """Layers between two cuts that are named alike.

    Attributes:
        name: What their names have in common.
        end: The last of them. Every path through the network runs through it.
        stage: Number of the stage that the block is part of, from 0.
    """

    name: str
    end: str
    stage: int


def cut_layers(network: Model) -> list[str]:
    """Returns the layers through whose output every path of the network runs.

    Cutting there gives two networks, one after the other, that compute what the
    whole one does.

    Args:
        network: A functional model with one input and one output.

    Returns:
        Layer names, from the input to the output.
    """
    nodes = graph_nodes(network)
    return [nodes[place].operation.name for place in _cut_places(nodes)]


def _cut_places(nodes: list) -> list[int]:
    """Returns the places of the nodes that every path runs through."""
    order = {id(node): place for place, node in enumerate(nodes)}
    # In a topological order, an edge that spans a node is a path around it.
    last_use: dict[int, int] = {}
    for node in nodes:
        for parent in node.parent_nodes:
            place = order[id(node)]
            last_use[id(parent)] = max(place, last_use.get(id(parent), 0))
    cuts, reach = [], 0
    for place, node in enumerate(nodes):
        if reach <= place and not isinstance(node.operation, layers.InputLayer):
            cuts.append(place)
        reach = max(reach, last_use.get(id(node), 0))
    return cuts


def blocks(network: Model) -> tuple[Block, ...]:
    """Returns the blocks of a network, from the input to the output.

    A cut lies between blocks: there the feature map is narrow, inside a block it can
    be six times as wide. What holds no kernel is part of the block before it, as a
    normalization at the end; where it makes the feature map smaller, of the one
    behind it.

    The blocks at one stride are a stage. The stride, and not the size of the feature
    map, tells stages apart: in small images two of them can have maps of one size.

    Args:
        network: A functional model whose layers are named block by block. Layers that
            Keras has numbered (`conv2d_7`) belong to the block before them.
    """
    nodes = graph_nodes(network)
    names, strides = _block_names(nodes, network.name), _strides(nodes)
    parts: list[tuple[str, int]] = []
    start = 0
    for place in _ends_by_name(nodes, names):
        last = place == len(nodes) - 1
        if any(_has_kernel(node.operation) for node in nodes[start : place + 1]):
            parts.append((names[place], place))
        elif parts and (last or strides[place] == strides[parts[-1][1]]):
            parts[-1] = (parts[-1][0], place)
        else:
            continue
        start = place + 1
    found: list[Block] = []
    stage_of: dict[int, int] = {}
    for name, place in parts:
        stage = stage_of.setdefault(strides[place], len(stage_of))
        found.append(Block(name, nodes[place].operation.name, stage))
    return tuple(found)


def _ends_by_name(nodes: list, names: list[str]) -> list[int]:
    """Returns the places of the cuts behind which the name of the block changes."""
    # Padding belongs to the strided layer behind it.
    cuts = [
        place
        for place in _cut_places(nodes)
        if not isinstance(nodes[place].operation, layers.ZeroPadding2D)
    ]
    return [
        place
        for place, following in zip(cuts, [*cuts[1:], None])
        if following is None or names[place] != names[following]
    ]


def stages(network: Model) -> tuple[str, ...]:
    """Returns the last layer of each stage, from the input to the output."""
    return stage_ends(blocks(network))


def stage_ends(found: tuple[Block, ...]) -> tuple[str, ...]:
    """Returns the last layer of each stage of a network's blocks."""
    return tuple({block.stage: block.end for block in found}.values())


def _has_kernel(operation: Operation) -> bool:
    """Returns whether a layer mixes channels or places, rather than scale them."""
    return any(len(weight.shape) > 1 for weight in getattr(operation, "weights", ()))


def _block_names(nodes: list, network: str) -> list[str]:
    """Returns of each node which block it is part of."""
    names: list[str] = []
    for node in nodes:
        name = node.operation.name.removeprefix(f"{network}_")
        if is_numbered(node.operation):
            names.append(names[-1] if names else STEM)
        elif match := BLOCK.match(name):
            names.append(match[0])
        else:
            # Without a number it is the first word: `stem_conv` → `stem`.
            names.append(name.split("_")[0])
    return names


def _strides(nodes: list) -> list[int]:
    """Returns by how much each node's output is smaller than the image."""
    strides: dict[int, int] = {}
    for node in nodes:
        before = max((strides[id(parent)] for parent in node.parent_nodes), default=1)
        strides[id(node)] = before * _own_stride(node.operation)
    return [strides[id(node)] for node in nodes]


def _own_stride(operation: Operation) -> int:
    """Returns the stride of a layer or of a whole nested network."""
    if isinstance(operation, Model):
        return max(_strides(graph_nodes(operation)))
    strides = getattr(operation, "strides", 1)
    return strides if isinstance(strides, int) else max(strides)


def last_frozen(network: Model, unfreeze: int | float | str) -> str | None:
    """Returns the layer behind which a network trains.

    Args:
        network: A functional model.
        unfreeze: What trains: a number of stages, counted from the end; the share of
            the blocks, as a float, counted from the end; the name of a block or layer,
            for that and all behind it; or `all`.

    Returns:
        The layer's name, `None` where all layers train.

    Raises:
        UsageError: If the network has no such part.
    """
    found = blocks(network)
    if unfreeze == ALL:
        return None
    if isinstance(unfreeze, str):
        return _last_before(network, unfreeze, found)
    if isinstance(unfreeze, float):
        trained = min(len(found), math.ceil(unfreeze * len(found)))
        return _end([block.end for block in found], trained)
    ends = stage_ends(found)
    if not 0 <= unfreeze <= len(ends):
        raise UsageError(
            f"`fine_tune.unfreeze` must be 0 to {len(ends)} stages for {network.name}. "
            f"Received: {unfreeze}"
        )
    return _end(ends, unfreeze)


def _end(ends: Sequence[str], trained: int) -> str | None:
    """Returns where the part before the last `trained` ones ends."""
    frozen = len(ends) - trained
    return ends[frozen - 1] if frozen else None


def _last_before(network: Model, name: str, found: tuple[Block, ...]) -> str | None:
    """Returns the last cut before a block or layer."""
    nodes = graph_nodes(network)
    of_block = _block_names(nodes, network.name)
    places = [
        place
        for place, node in enumerate(nodes)
        if name in (node.operation.name, of_block[place])
    ]
    if not places:
        raise UsageError(
            f"`fine_tune.unfreeze`: {network.name} has no block or layer {name!r}."
            f"{suggestion(name, {block.name for block in found})}"
        )
    cuts = [place for place in _cut_places(nodes) if place < places[0]]
    return nodes[cuts[-1]].operation.name if cuts else None


def output_of(network: Model, name: str | None) -> KerasTensor:
    """Returns a layer's output, of `None` the network's input."""
    if name is None:
        return network.input
    # Not the layer's `output`: a layer that another network has too, as one that was
    # cut out of it, has several.
    nodes = graph_nodes(network)
    return next(node for node in nodes if node.operation.name == name).outputs[0]
