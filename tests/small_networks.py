"""A small network with what makes weights files hard, and every way to write it."""

import keras
import numpy as np
import parity
from keras import layers

from tl_keras.backbones.weight_files import save_safetensors


def small(num_classes=None, *, filters=4, blocks=2, first=None):
    """Builds a network in which Keras makes up some names, as in Xception.

    Its two shortcuts have one shape: which is which, their order alone tells. `first`
    gives the number that their names start with, as a session may.
    """
    inputs = x = keras.Input((8, 8, 3))
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv1")(x)
    for index in range(blocks):
        conv, norm = made_up(first, index)
        shortcut = layers.Conv2D(filters, 1, name=conv)(x)
        shortcut = layers.BatchNormalization(name=norm)(shortcut)
        name = f"block{index}_sepconv"
        x = layers.SeparableConv2D(filters, 3, padding="same", name=name)(x)
        x = layers.Add()([layers.BatchNormalization(name=f"{name}_bn")(x), shortcut])
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dropout(0.1)(x)
        x = layers.Dense(num_classes, name="predictions")(x)
    return keras.Model(inputs, x, name="small")


def made_up(first, index):
    """Returns the names that Keras makes up, or leaves it to make them up."""
    if first is None:
        return None, None
    return f"conv2d_{first + index}", f"batch_normalization_{first + index}"


def draw(network, seed=0):
    """Gives every weight random values."""
    random = np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(random.normal(size=weight.shape))
    return network


def values(network):
    """Returns the weights' values."""
    return [weight.numpy() for weight in network.weights]


def equal(first, second):
    """Returns whether two lists of arrays are bit-equal, as far as the shorter goes."""
    return all(np.array_equal(a, b) for a, b in zip(first, second))


def write_weights_h5(path, network):
    """Writes Keras 3's file of weights."""
    network.save_weights(path.with_name("x.weights.h5"))
    return path.with_name("x.weights.h5")


def write_archive(path, network):
    """Writes Keras 3's file of a whole model."""
    network.save(path.with_name("x.keras"))
    return path.with_name("x.keras")


def write_safetensors(path, network):
    """Writes our safetensors."""
    save_safetensors(network, path)
    return path


WRITERS = {
    "weights_h5": write_weights_h5,
    "legacy_h5": parity.write_keras_file,
    "safetensors": write_safetensors,
    "keras": write_archive,
}
