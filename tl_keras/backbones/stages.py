"""Where a network can be cut, read off its graph."""

from keras import KerasTensor, Model, Operation, layers

from tl_keras.architectures.graph import graph_nodes
from tl_keras.errors import UsageError


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


def stages(network: Model) -> tuple[str, ...]:
    """Returns the last layer of each stage, from the input to the output.

    A stage is the blocks at one stride, and a cut lies between blocks: there the
    feature map is narrow, inside a block it can be six times as wide. The stride, and
    not the size of the feature map, tells stages apart: in small images two of them
    can have maps of one size. What holds no kernel, as a pooling at the end, is part
    of the stage before it.

    Args:
        network: A functional model whose layers are named block by block.
    """
    nodes = graph_nodes(network)
    strides = _strides(nodes)
    last_at = {strides[place]: place for place in _block_ends(nodes)}
    ends: list[int] = []
    start = 0
    for place in last_at.values():
        if any(_has_kernel(node.operation) for node in nodes[start : place + 1]):
            ends.append(place)
        elif ends:
            ends[-1] = place
        start = place + 1
    return tuple(nodes[place].operation.name for place in ends)


def _has_kernel(operation: Operation) -> bool:
    """Returns whether a layer mixes channels or places, rather than scale them."""
    return any(len(weight.shape) > 1 for weight in getattr(operation, "weights", ()))


def _block_ends(nodes: list) -> list[int]:
    """Returns the places of the cuts between blocks, and of the last cut."""
    # Padding belongs to the strided layer behind it.
    cuts = [
        place
        for place in _cut_places(nodes)
        if not isinstance(nodes[place].operation, layers.ZeroPadding2D)
    ]
    blocks = [_block(nodes[place].operation.name) for place in cuts]
    return [
        place
        for place, block, following in zip(cuts, blocks, [*blocks[1:], None])
        if block != following
    ]


def _block(name: str) -> str:
    """Returns the block in a layer's name: its words up to the first with a digit.

    `block5c_add` → `block5c`, `conv_dw_1_relu` → `conv_dw_1`. Without a digit it is
    the first word: `stem_conv` → `stem`.
    """
    words = name.split("_")
    for count, word in enumerate(words, start=1):
        if any(character.isdigit() for character in word):
            return "_".join(words[:count])
    return words[0]


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


def stage_start(network: Model, stages: tuple[str, ...], unfreeze: int) -> KerasTensor:
    """Returns the tensor at which the last `unfreeze` stages begin.

    Raises:
        UsageError: If the network has no more than `unfreeze` stages.
    """
    if not 0 <= unfreeze < len(stages):
        raise UsageError(
            f"`fine_tune.unfreeze` must be 0 to {len(stages) - 1} for {network.name}, "
            f"whose stages end at {', '.join(stages)}. Received: {unfreeze}"
        )
    name = stages[len(stages) - 1 - unfreeze]
    # Not `get_layer`: an addition written as `x + y` is an operation and no layer.
    return next(x for x in network.operations if x.name == name).output
