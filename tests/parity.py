"""Fills networks with random weights, copies them, and compares what two compute."""

import h5py
import keras
import numpy as np
from keras.src.legacy.saving import legacy_h5_format

# Of the largest output. The same operations in the same order differ by nothing, in
# another order by the rounding of 32-bit numbers.
TOLERANCE = 1e-5


def pixels(height, width=None, seed=1):
    """Returns one random image in [-1, 1], `(1, height, width, 3)`."""
    shape = (1, height, width or height, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def fill(network, images, seed=0):
    """Gives every weight a random value, the statistics too, fit for the images.

    Statistics drawn blindly would let the activations of a deep network vanish or
    explode, and a fault in its first layers would not be seen in its output. So they
    are those of the images, less well known by up to a fifth.
    """
    random = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([_draw(random, layer, weight) for weight in layer.weights])
    norms = [
        x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)
    ]
    usual = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    network(images, training=True)
    for layer, momentum in zip(norms, usual):
        layer.momentum = momentum
        mean, variance = layer.moving_mean, layer.moving_variance
        deviation = np.sqrt(variance.numpy() + layer.epsilon)
        mean.assign_add(deviation * random.uniform(-0.2, 0.2, mean.shape))
        variance.assign(variance * random.uniform(0.8, 1.25, variance.shape))
    return network


def _draw(random, layer, weight):
    """Returns random values: kernels that keep the variance, moderate others."""
    if "kernel" in weight.name:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        one_channel = depthwise or weight.name == "depthwise_kernel"
        fan_in = np.prod(weight.shape[: 2 if one_channel else -1])
        return random.normal(0, np.sqrt(2 / fan_in), weight.shape)
    if weight.name == "gamma":
        # Wide enough for some values to reach the limit of a ReLU6.
        return random.uniform(0.5, 3.0, weight.shape)
    return random.normal(0, 0.2, weight.shape)


def copy_by_name(source, target):
    """Copies to every layer of `target` its namesake's weights."""
    for layer in weighted(target):
        layer.set_weights(source.get_layer(layer.name).get_weights())
    return target


def copy_by_order(source, target):
    """Copies the weights of the layers that have some, the first to the first."""
    for theirs, ours in zip(weighted(source), weighted(target), strict=True):
        ours.set_weights(theirs.get_weights())
    return target


def weighted(network):
    """Returns the layers that have weights."""
    return [layer for layer in network.layers if layer.weights]


def up_to(network, layer):
    """Returns the network up to a layer."""
    return keras.Model(network.input, network.get_layer(layer).output)


def write_keras_file(path, network):
    """Writes the weights in the layout of the downloads of `keras.applications`."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


def blank(network):
    """Sets all weights to one value, so that what is loaded later is seen."""
    for weight in network.weights:
        weight.assign(np.full(weight.shape, 0.5))
    return network


def difference(ours, theirs, images):
    """Returns the largest difference of the outputs, relative to the largest output."""
    expected = theirs(images, training=False).numpy()
    found = ours(images, training=False).numpy()
    assert found.shape == expected.shape
    assert np.isfinite(expected).all() and expected.std() > 0
    return np.abs(found - expected).max() / np.abs(expected).max()
