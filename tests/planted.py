"""Networks, their weights set by hand, whose class hangs on one bright square."""

import keras
import numpy as np

from tl_keras.backbones.backbone import Backbone
from tl_keras.backbones.preprocessing import Preprocessing
from tl_keras.config import Head
from tl_keras.training.head import attach
from tl_keras.training.scratch import Network

SIDE, SQUARE = 32, 8
NAMES = ("plain", "square")
PLAIN = Preprocessing(name="plain", scale=1 / 255, offset=0.0)


def trunk():
    """Builds a network of two maps, 8x8: where it is bright, and where it is dark."""
    inputs = x = keras.Input((SIDE, SIDE, 3))
    for name, kernel, strides in (("block1", 4, 4), ("block2", 1, 1)):
        conv = keras.layers.Conv2D(2, kernel, strides, name=f"{name}_conv")
        x = conv(x)
        # Statistics that matter: with those of a batch, the maps would change.
        x = keras.layers.BatchNormalization(epsilon=0, name=f"{name}_bn")(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return keras.Model(inputs, x, name="trunk")


def set_trunk(network):
    """Sets the trunk's weights: brightness less a half, and a half less brightness."""
    mean = np.full((4, 4, 3), 1 / 48, np.float32)
    network.get_layer("block1_conv").set_weights(
        [np.stack([mean, -mean], axis=-1), np.array([-0.5, 0.5], np.float32)]
    )
    network.get_layer("block2_conv").set_weights(
        [np.eye(2, dtype=np.float32)[None, None], np.zeros(2, np.float32)]
    )


def logits(width):
    """Returns the last layer's weights: bright for "square", dark for "plain"."""
    kernel = np.array([[-60.0, 60.0], [2.0, -2.0]], np.float32)
    bias = np.array([-0.1, 0.1], np.float32)
    return [kernel[:, -width:], bias[-width:]]


def classifier(kind="multi_class", pooling="avg"):
    """Returns a backbone with a head on it."""
    network = trunk()
    set_trunk(network)
    backbone = Backbone("trunk", network, PLAIN, SIDE)
    made = attach(backbone, NAMES, Head(outputs=kind, pooling=pooling))
    last = made.head.get_layer("logits")
    weights = logits(last.units)
    if pooling == "flatten":
        weights[0] = np.tile(weights[0] / 64, (64, 1))
    last.set_weights(weights)
    return made


def architecture():
    """Returns a network as one that is trained from random weights."""
    network = trunk()
    set_trunk(network)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(network.output)
    x = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(x))
    inner = keras.Model(network.input, x, name="inner")
    inner.get_layer("logits").set_weights(logits(2))
    inputs = keras.Input((SIDE, SIDE, 3), name="images")
    scaled = keras.layers.Rescaling(1 / 255, name="preprocessing")(inputs)
    return Network(keras.Model(inputs, inner(scaled)), SIDE, NAMES)


def images(count=6, seed=0):
    """Returns dark noise with a bright square each, and where the squares begin."""
    random = np.random.default_rng(seed)
    pixels = random.uniform(0, 60, (count, SIDE, SIDE, 3)).astype(np.float32)
    corners = random.integers(0, SIDE - SQUARE + 1, (count, 2))
    for image, (top, left) in zip(pixels, corners):
        image[top : top + SQUARE, left : left + SQUARE] = 250
    return pixels, corners


def inside(maps, corners, slack=2):
    """Tells of each map whether its peak lies in the square, give or take a bit."""
    peaks = [np.unravel_index(found.argmax(), found.shape) for found in maps]
    return [
        all(0 <= p - c + slack < SQUARE + 2 * slack for p, c in zip(peak, corner))
        for peak, corner in zip(peaks, corners)
    ]
