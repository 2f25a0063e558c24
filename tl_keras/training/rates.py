"""Layer-wise learning rates: what lies deeper in a network changes less."""

from keras import layers

from tl_keras.architectures.graph import graph_nodes
from tl_keras.backbones.backbone import Backbone


def by_block(
    backbone: Backbone, unfreeze: int | float | str, decay: float
) -> dict[str, float]:
    """Returns each trained layer's share of the learning rate.

    The last block has the whole rate, as the head has, each other one `decay` of what
    the block behind it has (discriminative fine-tuning: Howard and Ruder, 2018,
    https://arxiv.org/abs/1801.06146).

    Args:
        backbone: The network.
        unfreeze: What of it trains: see `Backbone.split`.
        decay: In (0, 1].

    Returns:
        Shares by layer name, of layers with weights, those inside other layers, too.

    Raises:
        UsageError: If the network has no such part.
    """
    nodes = graph_nodes(backbone.network)
    names = [node.operation.name for node in nodes]
    ends = [names.index(block.end) for block in backbone.blocks]
    frozen = backbone.last_frozen(unfreeze)
    start = names.index(frozen) + 1 if frozen else 0
    shares: dict[str, float] = {}
    for place, node in enumerate(nodes[start:], start):
        behind = sum(end >= place for end in ends) - 1
        if isinstance(node.operation, layers.Layer):
            inner = [part for part in node.operation._flatten_layers() if part.weights]
            shares |= {layer.name: decay ** max(0, behind) for layer in inner}
    return shares
