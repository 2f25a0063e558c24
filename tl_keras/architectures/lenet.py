"""LeNet-5 (LeCun et al., 1998): https://doi.org/10.1109/5.726791.

"Gradient-Based Learning Applied to Document Recognition", section II.B. Layers keep
the paper's names: C for convolution, S for subsampling, F for fully connected.
"""

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from tl_keras.architectures.checks import require_classes, require_size
from tl_keras.errors import UsageError
from tl_keras.registry import lookup

# Figure 2: maps of the convolutions (5x5), then units of the fully connected layer.
C1_MAPS, C3_MAPS, C5_MAPS, F6_UNITS = 6, 16, 120, 84
KERNEL_SIZE = 5
MINIMUM_SIZE = 32

# Table I: the maps of S2 that each of the 16 maps of C3 reads.
C3_INPUTS = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)

# Variant → (activation, pooling, inputs of C3, bound of the initial weights x fan-in).
# Appendix A has the bound, 2.4; `None` stands for all maps and for Glorot's bound.
VARIANTS = {
    "original": ("scaled_tanh", "trainable", C3_INPUTS, 2.4),
    "modern": ("tanh", "average", None, None),
}

# Appendix A: A tanh(S x) is 1 at 1 and -1 at -1. Name → (S, function, A).
ACTIVATIONS = {
    "scaled_tanh": (2 / 3, "tanh", 1.7159),
    "tanh": (1, "tanh", 1),
    "sigmoid": (1, "sigmoid", 1),
    "relu": (1, "relu", 1),
}

POOLINGS = {
    "trainable": layers.AveragePooling2D,
    "average": layers.AveragePooling2D,
    "max": layers.MaxPooling2D,
}
# The paper's coefficient multiplies the sum of four pixels, drawn from 2.4 / 4; here
# it multiplies their average.
COEFFICIENT_BOUND = 2.4

# Output → the only number of classes that it can have.
OUTPUTS = {"dense": None, "rbf": 10}

# The digits 0 to 9 as stylised characters of 7x12, after the idea of figure 3.
BITMAPS = (
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
    "..###.. ...#... .#####. ####### ....##. ####### ..####. ####### .#####. .#####.",
    ".#...#. ..##... #.....# .....#. ...#.#. #...... .#..... ......# #.....# #.....#",
    "#.....# .#.#... ......# ....#.. ..#..#. #...... #...... .....#. #.....# #.....#",
    "#.....# ...#... .....#. ...#... .#...#. ######. #...... .....#. #.....# #.....#",
    "#.....# ...#... ....#.. ..####. #....#. ......# ######. ....#.. .#####. #.....#",
    "#.....# ...#... ...#... ......# ####### ......# #.....# ....#.. #.....# .######",
    "#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#",
    "#.....# ...#... .#..... ......# .....#. ......# #.....# ...#... #.....# ......#",
    ".#...#. ...#... #...... #.....# .....#. #.....# #.....# ..#.... #.....# .....#.",
    "..###.. .#####. ####### .#####. .....#. .#####. .#####. ..#.... .#####. .####..",
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
)


def lenet5(
    *,
    num_classes: int | None = 10,
    input_shape: tuple[int, int, int] = (32, 32, 1),
    variant: str = "modern",
    activation: str | None = None,
    pooling: str | None = None,
    output: str = "dense",
) -> keras.Model:
    """Builds LeNet-5 with random weights.

    "original" is the paper's network: subsampling with a coefficient and a bias a
    map, a C3 that reads part of S2 (table I), a scaled tanh behind every layer, and
    the paper's initial weights. It has 60,000 parameters up to F6. "modern" is the
    form of later teaching code: average pooling, a C3 that reads all of S2, tanh;
    61,706 parameters with 10 classes. `activation="relu", pooling="max"` gives the
    form with ReLU convolutions and tanh in the layers behind them.

    Args:
        num_classes: Number of logits, or `None` to end at the last feature map, C5.
        input_shape: `(height, width, channels)`. The smallest side that works is 32:
            pad the 28 pixels of MNIST by 2 on each side.
        variant: A key of `VARIANTS`.
        activation: A key of `ACTIVATIONS`, for C1 and C3 and for subsampling that is
            trainable; C5 and F6 keep the variant's. `None` takes the variant's.
        pooling: A key of `POOLINGS`; `None` takes the variant's.
        output: "dense", or "rbf" for the paper's radial basis functions: logits are
            minus the squared distances from F6 to `BITMAPS`, fixed and in float32.
            Plain tanh reaches a bitmap's values, -1 and 1, only in the limit. The
            paper prints its characters as a figure; ours are drawn anew.

    Returns:
        A model from pixels, `(batch, height, width, channels)`, to logits
        `(batch, num_classes)` or to a feature map of 120 channels, 1x1 for images of
        32x32. The paper has the background at -0.1 and ink at 1.175.

    Raises:
        UsageError: If a name is unknown, a side is below 32, there is no class, or
            `output` is "rbf" and `num_classes` is not 10.
    """
    default, default_pooling, c3_inputs, bound = lookup(VARIANTS, variant, "variant")
    activation = activation or default
    lookup(ACTIVATIONS, activation, "activation")
    pooling = pooling or default_pooling
    lookup(POOLINGS, pooling, "pooling")
    only_classes = lookup(OUTPUTS, output, "output")
    if None not in (num_classes, only_classes) and num_classes != only_classes:
        raise UsageError(
            f"`num_classes` must be {only_classes} for `output={output!r}`. "
            f"Received: {num_classes}"
        )
    require_classes(num_classes)
    require_size(input_shape, MINIMUM_SIZE, "lenet5")
    inputs = keras.Input(input_shape, name="pixels")
    x = _activate(_conv(inputs, C1_MAPS, bound, name="c1_conv"), activation, name="c1")
    x = _subsample(x, pooling, activation, name="s2")
    x = _activate(_c3(x, c3_inputs, bound), activation, name="c3")
    x = _subsample(x, pooling, activation, name="s4")
    x = _activate(_conv(x, C5_MAPS, bound, name="c5_conv"), default, name="c5")
    if num_classes is not None:
        x = layers.Flatten(name="flatten")(x)
        x = _activate(_dense(x, F6_UNITS, bound, name="f6_dense"), default, name="f6")
        if output == "rbf":
            x = _rbf(x)
        else:
            x = _dense(x, num_classes, bound, name="predictions")
    return keras.Model(inputs, x, name="lenet5")


def _initial(bound: float | None, fan_in: int) -> keras.initializers.Initializer:
    """Returns the initializer of the weights that `fan_in` values are read with."""
    if bound is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.RandomUniform(-bound / fan_in, bound / fan_in)


def _conv(
    x: KerasTensor, filters: int, bound: float | None, *, name: str
) -> KerasTensor:
    """Applies a convolution 5x5 without padding."""
    initial = _initial(bound, KERNEL_SIZE**2 * x.shape[-1])
    return layers.Conv2D(filters, KERNEL_SIZE, kernel_initializer=initial, name=name)(x)


def _c3(
    x: KerasTensor, inputs: tuple[tuple[int, ...], ...] | None, bound: float | None
) -> KerasTensor:
    """Applies C3: a convolution of all maps, or one of its own inputs for each map."""
    if inputs is None:
        return _conv(x, C3_MAPS, bound, name="c3_conv")
    maps = [
        _conv(ops.take(x, read, axis=-1), 1, bound, name=f"c3_conv{index}")
        for index, read in enumerate(inputs)
    ]
    return layers.Concatenate(name="c3_concat")(maps)


def _dense(
    x: KerasTensor, units: int, bound: float | None, *, name: str
) -> KerasTensor:
    """Applies a fully connected layer."""
    initial = _initial(bound, x.shape[-1])
    return layers.Dense(units, kernel_initializer=initial, name=name)(x)


def _activate(x: KerasTensor, activation: str, *, name: str) -> KerasTensor:
    """Applies an activation, between two scales where it has them."""
    slope, function, amplitude = ACTIVATIONS[activation]
    if slope != 1:
        x = layers.Rescaling(slope, name=f"{name}_slope")(x)
    x = layers.Activation(function, name=f"{name}_{function}")(x)
    if amplitude != 1:
        x = layers.Rescaling(amplitude, name=f"{name}_amplitude")(x)
    return x


def _subsample(
    x: KerasTensor, pooling: str, activation: str, *, name: str
) -> KerasTensor:
    """Halves the sides; trainable, also scales and shifts each map and activates."""
    x = POOLINGS[pooling](2, name=f"{name}_pool")(x)
    if pooling != "trainable":
        return x
    # A depthwise 1x1 is one coefficient and one bias a map.
    initial = keras.initializers.RandomUniform(-COEFFICIENT_BOUND, COEFFICIENT_BOUND)
    x = layers.DepthwiseConv2D(
        1, depthwise_initializer=initial, name=f"{name}_coefficient"
    )(x)
    return _activate(x, activation, name=name)


def _rbf(x: KerasTensor) -> KerasTensor:
    """Returns minus the squared distance to each bitmap."""
    characters = np.array([[list(part) for part in row.split()] for row in BITMAPS])
    # (row, digit, column) to (digit, 84): ink is 1, paper -1.
    bitmaps = np.where(characters == "#", 1.0, -1.0).astype("float32")
    bitmaps = bitmaps.transpose(1, 0, 2).reshape(-1, F6_UNITS)
    x = ops.expand_dims(ops.cast(x, "float32"), axis=1)
    distances = ops.sum(ops.square(x - bitmaps), axis=-1)
    return layers.Rescaling(-1.0, dtype="float32", name="predictions")(distances)
