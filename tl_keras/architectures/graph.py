"""The layers of a functional network in the order in which they run."""

from keras import Model


def graph_nodes(network: Model) -> list:
    """Returns the graph's nodes, each behind those it needs.

    A layer that is called twice has two nodes.

    Args:
        network: A functional or sequential model.
    """
    by_depth = (getattr(network, "_functional", None) or network)._nodes_by_depth
    return [
        node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]
    ]
