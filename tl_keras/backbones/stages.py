"""Where a network can be cut, read off its graph."""

from keras import KerasTensor, Model, layers

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
    order = {id(node): place for place, node in enumerate(_nodes(network))}
    # In a topological order, an edge that spans a node is a path around it.
    last_use: dict[int, int] = {}
    for node in _nodes(network):
        for parent in node.parent_nodes:
            place = order[id(node)]
            last_use[id(parent)] = max(place, last_use.get(id(parent), 0))
    cuts, reach = [], 0
    for place, node in enumerate(_nodes(network)):
        if reach <= place and not isinstance(node.operation, layers.InputLayer):
            cuts.append(node.operation.name)
        reach = max(reach, last_use.get(id(node), 0))
    return cuts


def _nodes(network: Model) -> list:
    """Returns the graph's nodes, each behind those it needs."""
    depths = sorted(network._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in network._nodes_by_depth[depth]]


def stages(network: Model) -> tuple[str, ...]:
    """Returns the last layer of each stage, from the input to the output.

    A stage is the blocks at one resolution, and a cut lies between blocks: there the
    feature map is narrow, inside a block it can be six times as wide. A block is
    known by its layers' common name up to the first underscore (`block5c_add`).

    Args:
        network: A functional model whose layers are named block by block.
    """
    cuts = cut_layers(network)
    block = [name.partition("_")[0] for name in cuts]
    ends = [
        name
        for place, name in enumerate(cuts)
        if place + 1 == len(cuts) or block[place] != block[place + 1]
    ]
    last_at: dict[tuple[int, int], str] = {}
    for name in ends:
        _, height, width, _ = network.get_layer(name).output.shape
        last_at[height, width] = name
    return tuple(last_at.values())


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
    return network.get_layer(stages[len(stages) - 1 - unfreeze]).output
