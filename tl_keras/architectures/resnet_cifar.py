"""Residual and plain networks for CIFAR-10 (He et al., 2015).

Section 4.2 of https://arxiv.org/abs/1512.03385.
"""

from functools import partial

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.architectures.resnet import (
    basic_block,
    classifier,
    conv_bn,
    network_name,
    stack,
)
from tl_keras.errors import UsageError

# Section 4.2's table: filters of the three stages, at 32x32, 16x16 and 8x8.
FILTERS = (16, 32, 64)
# The depths of the paper's Table 6, less the 1202 layers: 6n + 2 with n blocks a stage.
DEPTHS = (20, 32, 44, 56, 110)
MINIMUM_SIZE = 1


def resnet_cifar(
    *,
    num_classes: int | None = 10,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    depth: int = 20,
    shortcut: str | None = "identity",
) -> keras.Model:
    """Builds a residual network for small images, or its plain twin, at random.

    Layer names follow those of `resnet`. Neither `keras.applications` nor torchvision
    has these networks.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. Any side works.
        depth: Layers with weights, 6n + 2: the paper's are 20, 32, 44, 56 and 110.
        shortcut: `identity` for the paper's option A, which has no weights: where a
            block changes the shape, every second row and column, with maps of zeros
            behind. `None` for the plain network, the same layers without shortcuts.

    Returns:
        A model from RGB pixels less their mean over the training images,
        `(batch, height, width, channels)`, to logits `(batch, num_classes)` or to a
        feature map `(batch, height / 4, width / 4, 64)`. It is named `resnet20_cifar`
        or `plain20_cifar`, and so on.

    Raises:
        UsageError: If `depth` is not 6n + 2, `shortcut` is unknown, a side is below 1
            or there is no class.
    """
    if depth < 8 or depth % 6 != 2:
        known = ", ".join(map(str, DEPTHS))
        raise UsageError(
            f"`depth` must be 6n + 2 with n at least 1, such as {known}. "
            f"Received: {depth}"
        )
    if shortcut not in ("identity", None):
        raise UsageError(
            f"`shortcut` must be 'identity' or None. Received: {shortcut!r}"
        )
    name = network_name(f"resnet{depth}_cifar", shortcut)
    require_classes(num_classes)
    require_size(input_shape, MINIMUM_SIZE, name)
    block = partial(basic_block, conv=conv_bn, shortcut=identity if shortcut else None)
    inputs = keras.Input(input_shape, name="pixels")
    x = conv_bn(inputs, FILTERS[0], 3, name="conv1")
    x = layers.ReLU(name="conv1_relu")(x)
    for stage, filters in enumerate(FILTERS, start=2):
        strides = 1 if stage == 2 else 2
        x = stack(x, filters, depth // 6, strides, block=block, name=f"conv{stage}")
    if num_classes is not None:
        x = classifier(x, num_classes)
    return keras.Model(inputs, x, name=name)


def identity(x: KerasTensor, filters: int, strides: int, *, name: str) -> KerasTensor:
    """Applies option A: leaves rows and columns out, adds maps of zeros."""
    if strides > 1:
        x = layers.MaxPooling2D(1, strides, name=f"{name}_subsample")(x)
    missing = filters - x.shape[-1]
    if missing:
        # Read as channels first, the last axis is the columns': the layer pads our
        # channels.
        x = layers.ZeroPadding2D(
            ((0, 0), (0, missing)), data_format="channels_first", name=f"{name}_pad"
        )(x)
    return x
