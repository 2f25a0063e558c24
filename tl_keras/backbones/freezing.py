"""Which weights train."""

import keras
from keras import layers

from tl_keras.architectures.graph import graph_nodes
from tl_keras.backbones.stages import last_frozen


def freeze(
    network: keras.Model, unfreeze: int | float | str, *, train_batch_norm: bool = False
) -> None:
    """Lets the last part of a network train, and nothing else of it.

    Args:
        network: A functional model.
        unfreeze: What trains: see `stages.last_frozen`.
        train_batch_norm: Whether the batch normalization of that part trains, too.

    Raises:
        UsageError: If the network has no such part.
    """
    end = last_frozen(network, unfreeze)
    # A frozen parent would hide the weights of its layers.
    network.trainable = True
    trains = end is None
    for node in graph_nodes(network):
        node.operation.trainable = trains
        trains = trains or node.operation.name == end
    if not train_batch_norm:
        freeze_batch_normalization(network)


def freeze_batch_normalization(model: keras.Model) -> None:
    """Keeps every batch normalization in inference mode, whatever `fit` passes.

    `base(x, training=False)` does not hold in Keras 3.15: `fit` overrides it, and the
    statistics, made from a million images, drift to those of the small new set
    (keras#20285). A layer that is not trainable stays in inference mode.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
