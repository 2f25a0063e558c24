"""AlexNet (Krizhevsky et al., 2012), as trained on two GPUs.

https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
"""

import math

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.architectures.lrn import LocalResponseNormalization
from tl_keras.errors import UsageError

# Section 3.5 and figure 2 (the paper has no table), one row a convolution:
# (filters, kernel_size, strides, padding, grouped, initial bias, normalized, pooled).
CONVS = {
    "conv1": (96, 11, 4, "valid", False, 0.0, True, True),
    "conv2": (256, 5, 1, "same", True, 1.0, True, True),
    "conv3": (384, 3, 1, "same", False, 0.0, False, False),
    "conv4": (384, 3, 1, "same", True, 1.0, False, False),
    "conv5": (256, 3, 1, "same", True, 1.0, False, True),
}
HIDDEN_UNITS = 4096
DROPOUT = 0.5
# The last of three poolings 3x3, strides 2, needs 3 places, so conv1 must give 15.
MINIMUM_SIZE = 67


def alexnet(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (227, 227, 3),
    groups: int = 2,
) -> keras.Model:
    """Builds AlexNet with random weights.

    Weights start as in section 5: Gaussian with a standard deviation of 0.01, biases
    at 1 in conv2, conv4, conv5, fc6 and fc7, at 0 elsewhere.

    torchvision's AlexNet is another network: that of Krizhevsky's "One weird trick"
    (2014), with 64, 192, 384, 256 and 256 filters, padded images, no normalization
    and no groups.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. The paper says 224, but its first
            layer fits 227. The smallest side that works is 67.
        groups: Parts of conv2, conv4 and conv5 that do not see each other: 2 for the
            paper's two GPUs (60,965,224 parameters), 1 for none (62,378,344). Any
            number that divides the filters of these layers.

    Returns:
        A model from RGB pixels in [0, 255] less the training images' mean,
        `(batch, height, width, channels)`, to logits `(batch, num_classes)` or to a
        feature map of 256 channels, 6x6 for images of 227x227.

    Raises:
        UsageError: If `groups` does not divide the filters, a side is below 67 or
            there is no class.
    """
    _require_groups(groups)
    require_classes(num_classes)
    require_size(input_shape, MINIMUM_SIZE, "alexnet")
    inputs = x = keras.Input(input_shape, name="pixels")
    for name, (*convolution, grouped, bias, normalized, pooled) in CONVS.items():
        x = _conv(x, *convolution, groups if grouped else 1, bias, name=name)
        if normalized:
            x = LocalResponseNormalization(name=f"{name}_norm")(x)
        if pooled:
            x = layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    if num_classes is not None:
        x = layers.Flatten(name="flatten")(x)
        x = _hidden(x, name="fc6")
        x = _hidden(x, name="fc7")
        initial = _gaussian()
        x = layers.Dense(num_classes, kernel_initializer=initial, name="predictions")(x)
    return keras.Model(inputs, x, name="alexnet")


def _require_groups(groups: int) -> None:
    """Refuses groups that do not divide the channels going in and coming out."""
    # What goes into a grouped layer are the filters of the one before it.
    largest = math.gcd(*(filters for filters, *_ in CONVS.values()))
    if groups < 1 or largest % groups:
        raise UsageError(
            f"`groups` must divide {largest}, so that it divides the filters of every "
            f"layer. Received: {groups}"
        )


def _gaussian() -> keras.initializers.Initializer:
    """Returns the initializer of every layer's weights (section 5)."""
    return keras.initializers.RandomNormal(stddev=0.01)


def _conv(
    x: KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int,
    padding: str,
    groups: int,
    bias: float,
    *,
    name: str,
) -> KerasTensor:
    """Applies a convolution and ReLU."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding,
        groups=groups,
        kernel_initializer=_gaussian(),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _hidden(x: KerasTensor, *, name: str) -> KerasTensor:
    """Applies a fully connected layer, ReLU and dropout."""
    x = layers.Dense(
        HIDDEN_UNITS,
        kernel_initializer=_gaussian(),
        bias_initializer=keras.initializers.Constant(1.0),
        name=name,
    )(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.Dropout(DROPOUT, name=f"{name}_dropout")(x)
