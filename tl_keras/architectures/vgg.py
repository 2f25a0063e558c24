"""VGG (Simonyan & Zisserman, 2014): https://arxiv.org/abs/1409.1556."""

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.errors import UsageError
from tl_keras.registry import lookup

# Table 1, columns A, B, D and E: 3x3 convolutions in each of the five blocks. Left
# out are A-LRN and C, which the paper found no better than A and D.
VARIANTS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
# Table 1: filters of every convolution in a block.
FILTERS = (64, 128, 256, 512, 512)
HIDDEN_UNITS = 4096
STRIDE = 32


def vgg(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    variant: str = "vgg16",
    dropout: float = 0.5,
) -> keras.Model:
    """Builds a VGG network with random weights.

    Layer names follow `keras.applications`, whose VGG16 and VGG19 compute the same
    and whose weight files load, both with and without the top. Those have no
    dropout. Initial weights are He's, with which the deep variants train without
    the paper's start from a trained VGG-11. They keep the scale of the pixels: to
    train from random weights, divide those by about 60, their standard deviation.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. The smallest side that works is 32;
            the size of `fc1` depends on it.
        variant: A key of `VARIANTS`.
        dropout: Part of `fc1` and of `fc2` that a training step leaves out
            (section 3.1), from 0 to below 1.

    Returns:
        A model from BGR pixels in [0, 255] less the ImageNet mean (of RGB, in the
        paper), `(batch, height, width, channels)`, to logits `(batch, num_classes)`
        or to a feature map `(batch, height // 32, width // 32, 512)`.

    Raises:
        UsageError: If `variant` is unknown, `dropout` is out of range, a side is
            below 32 or there is no class.
    """
    convs = lookup(VARIANTS, variant, "variant")
    if not 0 <= dropout < 1:
        raise UsageError(
            f"`dropout` must be at least 0 and below 1. Received: {dropout}"
        )
    require_classes(num_classes)
    require_size(input_shape, STRIDE, variant)
    inputs = x = keras.Input(input_shape, name="pixels")
    for index, (filters, count) in enumerate(zip(FILTERS, convs), start=1):
        x = _block(x, filters, count, name=f"block{index}")
    if num_classes is not None:
        x = layers.Flatten(name="flatten")(x)
        x = _hidden(x, dropout, name="fc1")
        x = _hidden(x, dropout, name="fc2")
        x = layers.Dense(num_classes, name="predictions")(x)
    return keras.Model(inputs, x, name=variant)


def _block(x: KerasTensor, filters: int, count: int, *, name: str) -> KerasTensor:
    """Applies `count` convolutions with ReLU and halves the sides."""
    for index in range(1, count + 1):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{name}_conv{index}",
        )(x)
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x)


def _hidden(x: KerasTensor, dropout: float, *, name: str) -> KerasTensor:
    """Applies a fully connected layer, ReLU and dropout."""
    x = layers.Dense(
        HIDDEN_UNITS, activation="relu", kernel_initializer="he_normal", name=name
    )(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)
