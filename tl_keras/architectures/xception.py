"""Xception (Chollet, 2016): https://arxiv.org/abs/1610.02357."""

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size

# Figure 5 of the paper (it has no table): the filters of each module's separable
# convolutions. Modules that halve the resolution have a 1x1 convolution beside them,
# those of the middle flow the identity; the last one has neither.
ENTRY_FLOW = {"block2": (128, 128), "block3": (256, 256), "block4": (728, 728)}
MIDDLE_FLOW = {f"block{index}": (728, 728, 728) for index in range(5, 13)}
EXIT_FLOW = {"block13": (728, 1024)}
STEM_FILTERS = (32, 64)
LAST_FILTERS = (1536, 2048)
MINIMUM_SIZE = 7


def xception(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (299, 299, 3),
) -> keras.Model:
    """Builds Xception with random weights.

    It computes what `keras.applications.Xception` does. Layers are named as there,
    apart from the sums and the 1x1 convolutions beside modules (`block2_add`,
    `block2_shortcut_conv`), which Keras numbers anew in every session: load its weight
    files by order, not by name.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. The smallest side that works is 7.

    Returns:
        A model from RGB pixels in [-1, 1], `(batch, height, width, channels)`, to
        logits `(batch, num_classes)` or to a feature map
        `(batch, height / 32, width / 32, 2048)`.

    Raises:
        UsageError: If a side is below 7 or there is no class.
    """
    require_classes(num_classes)
    require_size(input_shape, MINIMUM_SIZE, "xception")
    inputs = x = keras.Input(input_shape, name="pixels")
    for index, (filters, strides) in enumerate(zip(STEM_FILTERS, (2, 1)), start=1):
        name = f"block1_conv{index}"
        x = layers.Conv2D(filters, 3, strides, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_act")(x)
    for name, filters in ENTRY_FLOW.items():
        x = _halving_module(x, filters, name=name)
    for name, filters in MIDDLE_FLOW.items():
        branch = _separable_stack(x, filters, name=name)
        x = layers.Add(name=f"{name}_add")([branch, x])
    for name, filters in EXIT_FLOW.items():
        x = _halving_module(x, filters, name=name)
    for index, filters in enumerate(LAST_FILTERS, start=1):
        name = f"block14_sepconv{index}"
        x = _separable_bn(x, filters, name=name)
        x = layers.ReLU(name=f"{name}_act")(x)
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(num_classes, name="predictions")(x)
    return keras.Model(inputs, x, name="xception")


def _halving_module(
    x: KerasTensor, filters: tuple[int, ...], *, name: str
) -> KerasTensor:
    """Applies separable convolutions and max pooling past a 1x1 convolution."""
    branch = _separable_stack(x, filters, name=name)
    branch = layers.MaxPooling2D(3, 2, padding="same", name=f"{name}_pool")(branch)
    shortcut = layers.Conv2D(
        filters[-1],
        1,
        2,
        padding="same",
        use_bias=False,
        name=f"{name}_shortcut_conv",
    )(x)
    shortcut = layers.BatchNormalization(name=f"{name}_shortcut_bn")(shortcut)
    return layers.Add(name=f"{name}_add")([branch, shortcut])


def _separable_stack(
    x: KerasTensor, filters: tuple[int, ...], *, name: str
) -> KerasTensor:
    """Applies separable convolutions, each behind a ReLU."""
    for index, count in enumerate(filters, start=1):
        part = f"{name}_sepconv{index}"
        # What the stem gives is rectified already.
        if part != "block2_sepconv1":
            x = layers.ReLU(name=f"{part}_act")(x)
        x = _separable_bn(x, count, name=part)
    return x


def _separable_bn(x: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    """Applies a 3x3 depthwise, a 1x1 convolution and batch normalization."""
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)
