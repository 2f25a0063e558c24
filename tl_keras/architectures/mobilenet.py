"""MobileNet (Howard et al., 2017): https://arxiv.org/abs/1704.04861."""

import math

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.errors import UsageError

# Table 1 of the paper, one row per resolution:
# (filters, strides of the first block, blocks). Its last block is printed with stride
# 2; the 7x7 maps behind it need 1.
STAGES = (
    (64, 1, 1),
    (128, 2, 2),
    (256, 2, 2),
    (512, 2, 6),
    (1024, 2, 2),
)
STEM_FILTERS = 32
DROPOUT = 1e-3
MINIMUM_SIZE = 31


def mobilenet(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: float = 1.0,
) -> keras.Model:
    """Builds a MobileNet with random weights.

    Layer names and weights are those of `keras.applications.MobileNet`, at every size
    and width, and its weight files fit, with the top and without.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`; the paper's resolution multiplier is
            its size. The smallest side that works is 31.
        width: Multiplier of every layer's filters, the paper's alpha. Each layer keeps
            at least one filter. There are weights for 0.25, 0.5, 0.75 and 1.

    Returns:
        A model from RGB pixels in [-1, 1], `(batch, height, width, channels)`, to
        logits `(batch, num_classes)` or to a feature map
        `(batch, height / 32, width / 32, 1024 * width)`.

    Raises:
        UsageError: If `width` is not positive, a side is below 31 or there is no class.
    """
    if not 0 < width < math.inf:
        raise UsageError(f"`width` must be a positive number. Received: {width}")
    require_classes(num_classes)
    require_size(input_shape, MINIMUM_SIZE, "mobilenet")
    inputs = keras.Input(input_shape, name="pixels")
    x = layers.Conv2D(
        _scale(STEM_FILTERS, width),
        3,
        2,
        padding="same",
        use_bias=False,
        name="conv1",
    )(inputs)
    x = _bn_relu6(x, name="conv1")
    rows = [(f, s if i == 0 else 1) for f, s, n in STAGES for i in range(n)]
    for index, (filters, strides) in enumerate(rows, start=1):
        x = _separable(x, _scale(filters, width), strides, index=index)
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
        x = layers.Dropout(DROPOUT, name="dropout")(x)
        # A dense layer would compute the same; Keras's files have a convolution.
        x = layers.Conv2D(num_classes, 1, name="conv_preds")(x)
        x = layers.Reshape((num_classes,), name="predictions")(x)
    return keras.Model(inputs, x, name="mobilenet")


def _scale(filters: int, width: float) -> int:
    """Returns `filters * width`, at least 1."""
    return max(1, int(filters * width))


def _separable(
    x: KerasTensor, filters: int, strides: int, *, index: int
) -> KerasTensor:
    """Applies a depthwise 3x3 convolution, then a pointwise one (Figure 3, right)."""
    padding = "same"
    if strides > 1:
        # On odd sides "same" would pad at both ends, Keras's weights expect one.
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{index}")(x)
        padding = "valid"
    name = f"conv_dw_{index}"
    x = layers.DepthwiseConv2D(3, strides, padding=padding, use_bias=False, name=name)(
        x
    )
    x = _bn_relu6(x, name=name)
    name = f"conv_pw_{index}"
    x = layers.Conv2D(filters, 1, use_bias=False, name=name)(x)
    return _bn_relu6(x, name=name)


def _bn_relu6(x: KerasTensor, *, name: str) -> KerasTensor:
    """Applies batch normalization and ReLU6."""
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
