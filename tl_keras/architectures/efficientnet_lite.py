"""EfficientNet-Lite (Tan & Le, 2019): https://arxiv.org/abs/1905.11946.

The Lite variants are those of the release of March 2020 in `tensorflow/tpu`
(`models/official/efficientnet/lite`): no squeeze-and-excitation, ReLU6 for swish,
and a stem and a last convolution that are not scaled with the width.
"""

import math

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.registry import lookup

# Table 1 of the paper, one row a stage:
# (filters, blocks, strides of the first block, expansion, kernel_size).
STAGES = (
    (16, 1, 1, 1, 3),
    (24, 2, 2, 6, 3),
    (40, 2, 2, 6, 5),
    (80, 3, 2, 6, 3),
    (112, 3, 1, 6, 5),
    (192, 4, 2, 6, 5),
    (320, 1, 1, 6, 3),
)
STEM_FILTERS = 32
TOP_FILTERS = 1280
STRIDE = 32
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.99

# The release notes' table: variant → (width, depth, native image size, dropout).
VARIANTS = {
    "efficientnet_lite0": (1.0, 1.0, 224, 0.2),
    "efficientnet_lite1": (1.0, 1.1, 240, 0.2),
    "efficientnet_lite2": (1.1, 1.2, 260, 0.3),
    "efficientnet_lite3": (1.2, 1.4, 280, 0.3),
    "efficientnet_lite4": (1.4, 1.8, 300, 0.3),
}


def efficientnet_lite(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] | None = None,
    variant: str = "efficientnet_lite0",
    drop_connect_rate: float = 0.2,
) -> keras.Model:
    """Builds an EfficientNet-Lite with random weights.

    Layer names follow `keras.applications.EfficientNetB0`, which has the same
    blocks, apart from the squeeze-and-excitation that Lite leaves out.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`; `None` takes the variant's
            native size. The smallest side that works is 32.
        variant: A key of `VARIANTS`.
        drop_connect_rate: Chance that the last block's residual branch is left out
            of a training step; it grows linearly from 0 at the first block.

    Returns:
        A model from pixels `(x - 127) / 128`, `(batch, height, width, channels)`,
        to logits `(batch, num_classes)` or to a feature map
        `(batch, height / 32, width / 32, 1280)`.

    Raises:
        UsageError: If `variant` is unknown, a side is below 32 or there is no class.
    """
    width, depth, native_size, dropout = lookup(VARIANTS, variant, "variant")
    input_shape = input_shape or (native_size, native_size, 3)
    require_classes(num_classes)
    require_size(input_shape, STRIDE, variant)
    inputs = keras.Input(input_shape, name="pixels")
    x = _conv(inputs, STEM_FILTERS, 3, 2, name="stem_conv")
    x = _bn_relu6(x, bn="stem_bn", relu="stem_activation")
    rows = _rows(width, depth)
    for index, (name, filters, strides, expansion, kernel_size) in enumerate(rows):
        rate = drop_connect_rate * index / len(rows)
        x = _block(x, filters, kernel_size, strides, expansion, rate, name=name)
    x = _conv(x, TOP_FILTERS, 1, name="top_conv")
    x = _bn_relu6(x, bn="top_bn", relu="top_activation")
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dropout(dropout, name="top_dropout")(x)
        x = layers.Dense(num_classes, name="predictions")(x)
    return keras.Model(inputs, x, name=variant)


def _rows(width: float, depth: float) -> list[tuple[str, int, int, int, int]]:
    """Returns `(name, filters, strides, expansion, kernel_size)` of every block."""
    rows = []
    last = len(STAGES)
    for stage, (filters, blocks, strides, *rest) in enumerate(STAGES, start=1):
        # The first and the last stage keep their one block in every variant.
        repeats = blocks if stage in (1, last) else math.ceil(blocks * depth)
        for index in range(repeats):
            name = f"block{stage}{chr(ord('a') + index)}_"
            stride = strides if index == 0 else 1
            rows.append((name, _scale(filters, width), stride, *rest))
    return rows


def _scale(filters: int, width: float) -> int:
    """Returns `filters * width` at the nearest multiple of 8, at most 10 % below."""
    scaled = max(8, int(filters * width + 4) // 8 * 8)
    return scaled if scaled >= 0.9 * filters * width else scaled + 8


def _block(
    x: KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int,
    expansion: int,
    drop_rate: float,
    *,
    name: str,
) -> KerasTensor:
    """Applies an inverted residual: expand, depthwise, project, add."""
    shortcut = x
    if expansion != 1:
        x = _conv(x, x.shape[-1] * expansion, 1, name=f"{name}expand_conv")
        x = _bn_relu6(x, bn=f"{name}expand_bn", relu=f"{name}expand_activation")
    x = layers.DepthwiseConv2D(
        kernel_size, strides, padding="same", use_bias=False, name=f"{name}dwconv"
    )(x)
    x = _bn_relu6(x, bn=f"{name}bn", relu=f"{name}activation")
    x = _conv(x, filters, 1, name=f"{name}project_conv")
    x = _bn(x, name=f"{name}project_bn")
    if strides != 1 or shortcut.shape[-1] != filters:
        return x
    if drop_rate:
        whole_branch = (None, 1, 1, 1)
        x = layers.Dropout(drop_rate, noise_shape=whole_branch, name=f"{name}drop")(x)
    return layers.Add(name=f"{name}add")([x, shortcut])


def _conv(
    x: KerasTensor, filters: int, kernel_size: int, strides: int = 1, *, name: str
) -> KerasTensor:
    """Applies a convolution without bias."""
    return layers.Conv2D(
        filters, kernel_size, strides, padding="same", use_bias=False, name=name
    )(x)


def _bn(x: KerasTensor, *, name: str) -> KerasTensor:
    """Applies batch normalization."""
    return layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=name
    )(x)


def _bn_relu6(x: KerasTensor, *, bn: str, relu: str) -> KerasTensor:
    """Applies batch normalization and ReLU6."""
    return layers.ReLU(6.0, name=relu)(_bn(x, name=bn))
