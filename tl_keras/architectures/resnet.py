"""Residual and plain networks (He et al., 2015): https://arxiv.org/abs/1512.03385.

Two published sets of weights have the same table and differ in details. The networks
of basic blocks are torchvision's, those of bottlenecks are those of
`keras.applications`, and each computes what its model does.
"""

from collections.abc import Callable
from functools import partial

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.errors import UsageError
from tl_keras.registry import lookup

# Table 1 of the paper: filters of conv2_x to conv5_x, of which a bottleneck ends in
# four times as many; and each variant's kind of block with the blocks of each stage.
FILTERS = (64, 128, 256, 512)
EXPANSION = 4
VARIANTS = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
}
# What torchvision does in the basic networks, and Keras in those of bottlenecks.
CONVOLUTIONS = {
    "basic": {"use_bias": False, "epsilon": 1e-5},
    "bottleneck": {"use_bias": True, "epsilon": 1.001e-5},
}
BATCH_NORM_MOMENTUM = 0.9
MINIMUM_SIZE = 1

Layers = Callable[..., KerasTensor]


def resnet(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    variant: str = "resnet50",
    shortcut: str | None = "projection",
) -> keras.Model:
    """Builds a residual network for ImageNet, or its plain twin, with random weights.

    Layer names follow `keras.applications` in all variants. There, ResNet50, 101 and
    152 are the same networks (convolutions with biases, the stride in a block's first
    1x1 convolution), and their weight files fit. ResNet-18 and 34 compute what
    torchvision's do (no biases, symmetric padding); its 50, 101 and 152 are others:
    they have the stride in the 3x3 convolution.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. Any side works; below 32 the last
            feature map is a single place that sees mostly padding.
        variant: A key of `VARIANTS`.
        shortcut: `projection` for the paper's option B: a 1x1 convolution where a
            block changes the shape, else the identity. `None` for the plain network,
            the same layers without shortcuts, named `plain18` and so on.

    Returns:
        A model from pixels, `(batch, height, width, channels)`, to logits
        `(batch, num_classes)` or to a feature map `(batch, height / 32, width / 32,
        filters)` with 512 filters for basic blocks and 2048 for bottlenecks. Keras's
        weights want BGR pixels in [0, 255] less the mean colour (103.939, 116.779,
        123.68); torchvision's want RGB pixels in [0, 1], less the mean (0.485, 0.456,
        0.406), by the deviation (0.229, 0.224, 0.225).

    Raises:
        UsageError: If `variant` or `shortcut` is unknown, a side is below 1 or there
            is no class.
    """
    kind, blocks = lookup(VARIANTS, variant, "variant")
    if shortcut not in ("projection", None):
        raise UsageError(
            f"`shortcut` must be 'projection' or None. Received: {shortcut!r}"
        )
    require_classes(num_classes)
    require_size(input_shape, MINIMUM_SIZE, variant)
    conv = partial(conv_bn, **CONVOLUTIONS[kind])
    block = partial(
        bottleneck_block if kind == "bottleneck" else basic_block,
        conv=conv,
        shortcut=partial(projection, conv=conv) if shortcut else None,
    )
    inputs = keras.Input(input_shape, name="pixels")
    x = conv(inputs, 64, 7, 2, name="conv1")
    x = layers.ReLU(name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    for stage, (filters, count) in enumerate(zip(FILTERS, blocks), start=2):
        strides = 1 if stage == 2 else 2
        x = stack(x, filters, count, strides, block=block, name=f"conv{stage}")
    if num_classes is not None:
        x = classifier(x, num_classes)
    return keras.Model(inputs, x, name=network_name(variant, shortcut))


def network_name(variant: str, shortcut: str | None) -> str:
    """Returns the variant's name, `plain…` where there are no shortcuts."""
    return variant if shortcut else variant.replace("resnet", "plain")


def stack(
    x: KerasTensor, filters: int, blocks: int, strides: int, *, block: Layers, name: str
) -> KerasTensor:
    """Applies the blocks of one stage, the first of them with the strides."""
    for index in range(1, blocks + 1):
        x = block(x, filters, strides, name=f"{name}_block{index}")
        strides = 1
    return x


def basic_block(
    x: KerasTensor,
    filters: int,
    strides: int,
    *,
    conv: Layers,
    shortcut: Layers | None,
    name: str,
) -> KerasTensor:
    """Applies two 3x3 convolutions past a shortcut (the paper's Figure 5, left)."""
    branch = conv(x, filters, 3, strides, name=f"{name}_1")
    branch = layers.ReLU(name=f"{name}_1_relu")(branch)
    branch = conv(branch, filters, 3, name=f"{name}_2")
    return _join(x, branch, strides, shortcut, name=name)


def bottleneck_block(
    x: KerasTensor,
    filters: int,
    strides: int,
    *,
    conv: Layers,
    shortcut: Layers | None,
    name: str,
) -> KerasTensor:
    """Applies 1x1, 3x3 and 1x1 convolutions past a shortcut (Figure 5, right)."""
    branch = conv(x, filters, 1, strides, name=f"{name}_1")
    branch = layers.ReLU(name=f"{name}_1_relu")(branch)
    branch = conv(branch, filters, 3, name=f"{name}_2")
    branch = layers.ReLU(name=f"{name}_2_relu")(branch)
    branch = conv(branch, EXPANSION * filters, 1, name=f"{name}_3")
    return _join(x, branch, strides, shortcut, name=name)


def _join(
    x: KerasTensor,
    branch: KerasTensor,
    strides: int,
    shortcut: Layers | None,
    *,
    name: str,
) -> KerasTensor:
    """Adds the shortcut, if there is one, and rectifies."""
    if shortcut is not None:
        x = shortcut(x, branch.shape[-1], strides, name=f"{name}_0")
        branch = layers.Add(name=f"{name}_add")([x, branch])
    return layers.ReLU(name=f"{name}_out")(branch)


def projection(
    x: KerasTensor, filters: int, strides: int, *, conv: Layers, name: str
) -> KerasTensor:
    """Applies option B: a 1x1 convolution where the shape changes."""
    if strides == 1 and x.shape[-1] == filters:
        return x
    return conv(x, filters, 1, strides, name=name)


def conv_bn(
    x: KerasTensor,
    filters: int,
    kernel_size: int,
    strides: int = 1,
    *,
    name: str,
    use_bias: bool = False,
    epsilon: float = 1e-5,
) -> KerasTensor:
    """Applies a convolution, as much padded at either side, and batch normalization."""
    padding = "same"
    if strides > 1 and kernel_size > 1:
        # Here "same" would pad by the image's size, and one more at the far side.
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=epsilon, name=f"{name}_bn"
    )(x)


def classifier(x: KerasTensor, num_classes: int) -> KerasTensor:
    """Applies global average pooling and one dense layer, to logits."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return layers.Dense(num_classes, name="predictions")(x)
