"""Which weights train."""

import keras
from keras import layers


def freeze_batch_normalization(model: keras.Model) -> None:
    """Keeps every batch normalization in inference mode, whatever `fit` passes.

    `base(x, training=False)` does not hold in Keras 3.15: `fit` overrides it, and the
    statistics, made from a million images, drift to those of the small new set
    (keras#20285). A layer that is not trainable stays in inference mode.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
