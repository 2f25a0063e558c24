"""Inception V3 (Szegedy et al., 2015): https://arxiv.org/abs/1512.00567.

The network is the one that the authors released, which departs from the paper's Table
1: the stem has a 1x1 convolution of 80 maps and a second pooling in place of two of
its 3x3 convolutions, the first module ends in 256 maps, and the modules at 35x35 keep
a 5x5 convolution.
"""

import keras
from keras import KerasTensor, layers

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.errors import UsageError

# Table 1, as released: the stem's convolutions (filters, kernel_size, strides,
# padding), a max pooling behind each row.
STEM = {
    "stem1": ((32, 3, 2, "valid"), (32, 3, 1, "valid"), (64, 3, 1, "same")),
    "stem2": ((80, 1, 1, "valid"), (192, 3, 1, "valid")),
}
# Filters behind the pooling (35x35), and of the 7x7 branches (17x17).
POOL_FILTERS = {"mixed0": 32, "mixed1": 64, "mixed2": 64}
WIDE_FILTERS = {"mixed4": 128, "mixed5": 160, "mixed6": 160, "mixed7": 192}
# The branches of the modules that halve the resolution (Figure 10): steps of
# (filters, kernel_size), of which the last has strides of 2.
HALVING = {
    "mixed3": {
        "branch3x3": ((384, 3),),
        "branch3x3dbl": ((64, 1), (96, 3), (96, 3)),
    },
    "mixed8": {
        "branch3x3": ((192, 1), (320, 3)),
        "branch7x7x3": ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)),
    },
}
# Figure 8's auxiliary classifier; the weight is the release's, the paper gives none.
AUXILIARY = "aux_mixed7"
AUXILIARY_LOSS_WEIGHT = 0.4
MINIMUM_SIZE = 75
# The auxiliary head pools 5x5 places of what the last module at 17x17 gives.
AUXILIARY_MINIMUM_SIZE = 107

Steps = tuple[tuple[int, int | tuple[int, int]], ...]


def inception_v3(
    *,
    num_classes: int | None = 1000,
    input_shape: tuple[int, int, int] = (299, 299, 3),
    auxiliary: bool = False,
) -> keras.Model:
    """Builds Inception V3 with random weights.

    It computes what `keras.applications.InceptionV3` does. Modules are named as there
    (`mixed0` to `mixed10`), the layers in them after their module and branch, because
    Keras numbers them anew in every session: load its weight files by order, not by
    name. torchvision's network has a scale in its batch normalization that Keras's
    lacks; its auxiliary head is the one here.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map.
        input_shape: `(height, width, channels)`. The smallest side that works is 75,
            with the auxiliary head 107.
        auxiliary: Adds the classifier that helps in training (Figure 8). To leave it
            behind: `keras.Model(network.input, network.output["logits"])`.

    Returns:
        A model from RGB pixels in [-1, 1], `(batch, height, width, channels)`, to
        logits `(batch, num_classes)` or to a feature map
        `(batch, height / 32 - 1, width / 32 - 1, 2048)`. With `auxiliary`, to a
        dictionary of logits, "logits" and "aux_mixed7"; `loss_weights` gives their
        part in the loss.

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
    minimum = AUXILIARY_MINIMUM_SIZE if auxiliary else MINIMUM_SIZE
    require_size(input_shape, minimum, "inception_v3")
    inputs = x = keras.Input(input_shape, name="pixels")
    for name, steps in STEM.items():
        for index, (filters, kernel_size, *rest) in enumerate(steps, start=1):
            x = _conv(x, filters, kernel_size, *rest, name=f"{name}_{index}")
        x = layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    for name, filters in POOL_FILTERS.items():
        x = _module_35(x, filters, name=name)
    x = _halving_module(x, name="mixed3")
    for name, filters in WIDE_FILTERS.items():
        x = _module_17(x, filters, name=name)
    last_at_17 = x
    x = _halving_module(x, name="mixed8")
    for name in ("mixed9", "mixed10"):
        x = _module_8(x, name=name)
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(num_classes, name="predictions")(x)
    if auxiliary:
        x = {"logits": x, AUXILIARY: _auxiliary(last_at_17, num_classes)}
    return keras.Model(inputs, x, name="inception_v3")


def loss_weights() -> dict[str, float]:
    """Returns each output's weight in the loss, for `compile(loss_weights=...)`."""
    return {"logits": 1.0, AUXILIARY: AUXILIARY_LOSS_WEIGHT}


def _module_35(x: KerasTensor, pool_filters: int, *, name: str) -> KerasTensor:
    """Applies a module of the 35x35 maps (Figure 5, with a 5x5 convolution)."""
    branches = [
        _chain(x, ((64, 1),), name=f"{name}_branch1x1"),
        _chain(x, ((48, 1), (64, 5)), name=f"{name}_branch5x5"),
        _chain(x, ((64, 1), (96, 3), (96, 3)), name=f"{name}_branch3x3dbl"),
        _pool_branch(x, pool_filters, name=name),
    ]
    return layers.Concatenate(name=name)(branches)


def _module_17(x: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    """Applies a module of the 17x17 maps: 7x7 split into 1x7 and 7x1 (Figure 6)."""
    row, column = (filters, (1, 7)), (filters, (7, 1))
    once = ((filters, 1), row, (192, (7, 1)))
    twice = ((filters, 1), column, row, column, (192, (1, 7)))
    branches = [
        _chain(x, ((192, 1),), name=f"{name}_branch1x1"),
        _chain(x, once, name=f"{name}_branch7x7"),
        _chain(x, twice, name=f"{name}_branch7x7dbl"),
        _pool_branch(x, 192, name=name),
    ]
    return layers.Concatenate(name=name)(branches)


def _module_8(x: KerasTensor, *, name: str) -> KerasTensor:
    """Applies a module of the 8x8 maps: branches that fork at their end (Figure 7)."""
    once = _chain(x, ((384, 1),), name=f"{name}_branch3x3")
    twice = _chain(x, ((448, 1), (384, 3)), name=f"{name}_branch3x3dbl")
    branches = [
        _chain(x, ((320, 1),), name=f"{name}_branch1x1"),
        _fork(once, name=f"{name}_branch3x3"),
        _fork(twice, name=f"{name}_branch3x3dbl"),
        _pool_branch(x, 192, name=name),
    ]
    return layers.Concatenate(name=name)(branches)


def _fork(x: KerasTensor, *, name: str) -> KerasTensor:
    """Applies a 1x3 and a 3x1 convolution beside each other."""
    row = _conv(x, 384, (1, 3), name=f"{name}_row")
    column = _conv(x, 384, (3, 1), name=f"{name}_column")
    return layers.Concatenate(name=f"{name}_concat")([row, column])


def _halving_module(x: KerasTensor, *, name: str) -> KerasTensor:
    """Applies a module of convolutions and pooling with strides of 2 (Figure 10)."""
    branches = [
        _chain(x, steps, name=f"{name}_{branch}", halving=True)
        for branch, steps in HALVING[name].items()
    ]
    branches.append(layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x))
    return layers.Concatenate(name=name)(branches)


def _pool_branch(x: KerasTensor, filters: int, *, name: str) -> KerasTensor:
    """Applies average pooling and a 1x1 convolution."""
    x = layers.AveragePooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    return _conv(x, filters, 1, name=f"{name}_branch_pool")


def _chain(
    x: KerasTensor, steps: Steps, *, name: str, halving: bool = False
) -> KerasTensor:
    """Applies convolutions one after the other; the last one may halve the maps."""
    for index, (filters, kernel_size) in enumerate(steps, start=1):
        halve = (2, "valid") if halving and index == len(steps) else ()
        x = _conv(x, filters, kernel_size, *halve, name=f"{name}_{index}")
    return x


def _conv(
    x: KerasTensor,
    filters: int,
    kernel_size: int | tuple[int, int],
    strides: int = 1,
    padding: str = "same",
    *,
    name: str,
) -> KerasTensor:
    """Applies a convolution, batch normalization without a scale, and ReLU."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding=padding,
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(scale=False, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _auxiliary(x: KerasTensor, num_classes: int) -> KerasTensor:
    """Applies the auxiliary head: logits from the last maps at 17x17 (Figure 8)."""
    x = layers.AveragePooling2D(5, 3, name=f"{AUXILIARY}_pool")(x)
    x = _conv(x, 128, 1, name=f"{AUXILIARY}_1")
    # 5x5 places at 299 pixels. The release, too, fits the kernel to smaller images.
    kernel_size = tuple(min(5, side) for side in x.shape[1:3])
    x = _conv(x, 768, kernel_size, padding="valid", name=f"{AUXILIARY}_2")
    x = layers.GlobalAveragePooling2D(name=f"{AUXILIARY}_avg_pool")(x)
    return layers.Dense(num_classes, name=AUXILIARY)(x)
