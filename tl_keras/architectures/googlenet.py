"""GoogLeNet, Inception v1 (Szegedy et al., 2014): https://arxiv.org/abs/1409.4842."""

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.architectures.lrn import LocalResponseNormalization
from tl_keras.errors import UsageError

# Table 1, one row an inception module:
# (1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection).
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOLED = ("3b", "4e")
DROPOUT = 0.4
STRIDE = 32

# Section 5: the auxiliary classifiers.
AUXILIARY = ("4a", "4d")
AUXILIARY_FILTERS = 128
AUXILIARY_UNITS = 1024
AUXILIARY_DROPOUT = 0.7
AUXILIARY_LOSS_WEIGHT = 0.3
# Their pooling 5x5 needs 5 places at a stride of 16, rounded up.
AUXILIARY_MINIMUM_SIZE = 65


def googlenet(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    auxiliary: bool = False,
    batch_norm: bool = False,
) -> keras.Model:
    """Builds GoogLeNet with random weights.

    The normalization's constants are AlexNet's, since the paper names none. The
    network has 6,998,552 parameters with 1000 classes, and 13,378,280 with both
    auxiliary classifiers at 224x224. Initial weights are He's (the paper names none),
    which keep the scale of the pixels: to train from random weights, divide those
    by about 60, their standard deviation.

    torchvision's GoogLeNet is another network: its branches "5x5" are 3x3, it
    batch-normalizes, and its auxiliary classifiers pool to 4x4 at any size.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. The smallest side that works is 32,
            or 65 with auxiliary classifiers.
        auxiliary: Adds the two classifiers that help in training. To leave them
            behind: `keras.Model(network.input, network.output["logits"])`.
        batch_norm: Puts batch normalization behind each convolution, instead of
            biases and of the local response normalization, as Ioffe & Szegedy did
            a year later.

    Returns:
        A model from RGB pixels in [0, 255] less their mean,
        `(batch, height, width, channels)`, to logits `(batch, num_classes)` or to a
        feature map `(batch, height / 32, width / 32, 1024)`, rounded up. With
        `auxiliary`, to a dictionary of logits, "logits", "aux_4a" and "aux_4d";
        `loss_weights` gives their part in the loss.

    Raises:
        UsageError: If a side is too small, there is no class, or `auxiliary` is
            asked of a backbone.
    """
    require_classes(num_classes)
    if auxiliary and num_classes is None:
        raise UsageError(
            "`auxiliary` needs classes to tell apart: set `num_classes`. Received: "
            "auxiliary=True, num_classes=None"
        )
    minimum = AUXILIARY_MINIMUM_SIZE if auxiliary else STRIDE
    require_size(input_shape, minimum, "googlenet")
    inputs = keras.Input(input_shape, name="pixels")
    x = _stem(inputs, batch_norm)
    outputs = {}
    for name, filters in MODULES.items():
        x = _inception(x, filters, batch_norm, name=f"inception{name}")
        if auxiliary and name in AUXILIARY:
            head = f"aux_{name}"
            outputs[head] = _auxiliary(x, num_classes, batch_norm, name=head)
        if name in POOLED:
            x = _pool(x, name=f"pool{name[0]}")
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dropout(DROPOUT, name="dropout")(x)
        x = layers.Dense(num_classes, name="predictions")(x)
    if auxiliary:
        x = {"logits": x, **outputs}
    return keras.Model(inputs, x, name="googlenet")


def loss_weights() -> dict[str, float]:
    """Returns each output's weight in the loss, for `compile(loss_weights=...)`."""
    heads = {f"aux_{name}": AUXILIARY_LOSS_WEIGHT for name in AUXILIARY}
    return {"logits": 1.0, **heads}


def _stem(x: KerasTensor, batch_norm: bool) -> KerasTensor:
    """Applies the first rows of table 1, normalized as in figure 3: 1/8 of the size."""
    x = _conv(x, 64, 7, batch_norm, strides=2, name="conv1")
    x = _pool(x, name="conv1_pool")
    if not batch_norm:
        x = LocalResponseNormalization(name="conv1_norm")(x)
    x = _conv(x, 64, 1, batch_norm, name="conv2_reduce")
    x = _conv(x, 192, 3, batch_norm, name="conv2_3x3")
    if not batch_norm:
        x = LocalResponseNormalization(name="conv2_norm")(x)
    return _pool(x, name="conv2_pool")


def _inception(
    x: KerasTensor, filters: tuple[int, ...], batch_norm: bool, *, name: str
) -> KerasTensor:
    """Applies four branches side by side (figure 2b) and joins their channels."""
    one, reduce_three, three, reduce_five, five, projection = filters
    narrow_three = _conv(x, reduce_three, 1, batch_norm, name=f"{name}_3x3_reduce")
    narrow_five = _conv(x, reduce_five, 1, batch_norm, name=f"{name}_5x5_reduce")
    pooled = _pool(x, strides=1, name=f"{name}_pool")
    branches = [
        _conv(x, one, 1, batch_norm, name=f"{name}_1x1"),
        _conv(narrow_three, three, 3, batch_norm, name=f"{name}_3x3"),
        _conv(narrow_five, five, 5, batch_norm, name=f"{name}_5x5"),
        _conv(pooled, projection, 1, batch_norm, name=f"{name}_pool_projection"),
    ]
    return layers.Concatenate(name=f"{name}_concat")(branches)


def _auxiliary(
    x: KerasTensor, num_classes: int, batch_norm: bool, *, name: str
) -> KerasTensor:
    """Applies an auxiliary classifier."""
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = _conv(x, AUXILIARY_FILTERS, 1, batch_norm, name=f"{name}_conv")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(
        AUXILIARY_UNITS,
        activation="relu",
        kernel_initializer="he_normal",
        name=f"{name}_fc",
    )(x)
    x = layers.Dropout(AUXILIARY_DROPOUT, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, name=name)(x)


def _conv(
    x: KerasTensor,
    filters: int,
    kernel_size: int,
    batch_norm: bool,
    *,
    strides: int = 1,
    name: str,
) -> KerasTensor:
    """Applies a convolution and ReLU, with batch normalization or a bias."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if batch_norm:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _pool(x: KerasTensor, strides: int = 2, *, name: str) -> KerasTensor:
    """Applies max pooling 3x3."""
    return layers.MaxPooling2D(3, strides, padding="same", name=name)(x)
