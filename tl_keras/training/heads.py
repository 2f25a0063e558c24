"""Heads: from the last feature map to logits. Pieces are functions of tensors."""

import keras
from keras import KerasTensor, layers, ops

from tl_keras.config import Head
from tl_keras.errors import UsageError
from tl_keras.registry import lookup
from tl_keras.training import outputs

LOGITS, POOL = "logits", "pool"
GEM_POWER = "gem_power"
# A power of negative numbers is none, and 0 has no logarithm for its gradient.
TINY = 1e-6


def build(config: Head, shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Builds a head with random weights.

    A convolution if there is one, pooling, hidden layers if there are any, logits;
    dropout before each dense layer.

    Args:
        config: What it consists of.
        shape: Of the last feature map: `(height, width, channels)`.
        classes: Number of classes.

    Returns:
        A model from the feature map to logits, float32 under any precision policy.
        The layer `pool` gives the pooled features.

    Raises:
        UsageError: If `binary` outputs are asked of other than two classes.
    """
    require_classes(config, classes)
    inputs = x = keras.Input(shape, name="feature_map")
    if config.conv_filters:
        x = convolution(x, config)
    x = lookup(POOLINGS, config.pooling, "pooling")(x)
    for index, units in enumerate(config.hidden, start=1):
        x = hidden(x, units, config, name=f"hidden{index}")
    x = layers.Dropout(config.dropout, name="dropout")(x)
    width = outputs.width(config.outputs, classes)
    logits = layers.Dense(width, dtype="float32", name=LOGITS)(x)
    return keras.Model(inputs, logits, name="head")


def require_classes(config: Head, classes: int) -> None:
    """Refuses `binary` outputs for other than two classes.

    Raises:
        UsageError: If that is the case.
    """
    if config.outputs == outputs.BINARY and classes != 2:
        raise UsageError(
            f"`head.outputs` must be multi_class or multi_label for {classes} "
            f"classes: binary is for two. Received: 'binary'"
        )


def convolution(x: KerasTensor, config: Head) -> KerasTensor:
    """Applies a convolution at stride 1, and the activation."""
    x = layers.Conv2D(
        config.conv_filters,
        config.conv_kernel_size,
        padding="same",
        use_bias=not config.batch_norm,
        name="conv",
    )(x)
    return activation(x, config, name="conv")


def hidden(x: KerasTensor, units: int, config: Head, *, name: str) -> KerasTensor:
    """Applies dropout, a dense layer and the activation."""
    x = layers.Dropout(config.dropout, name=f"{name}_dropout")(x)
    x = layers.Dense(units, use_bias=not config.batch_norm, name=name)(x)
    return activation(x, config, name=name)


def activation(x: KerasTensor, config: Head, *, name: str) -> KerasTensor:
    """Applies the activation, behind batch normalization if that is asked for."""
    if config.batch_norm:
        # Keras's momentum, 0.99, takes hundreds of steps to forget the start.
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Activation(config.activation, name=f"{name}_activation")(x)


def average(feature_map: KerasTensor) -> KerasTensor:
    """Returns the mean over space, `(batch, channels)`."""
    return layers.GlobalAveragePooling2D(name=POOL)(feature_map)


def largest(feature_map: KerasTensor) -> KerasTensor:
    """Returns the maximum over space, `(batch, channels)`."""
    return layers.GlobalMaxPooling2D(name=POOL)(feature_map)


def flatten(feature_map: KerasTensor) -> KerasTensor:
    """Returns all numbers, `(batch, height * width * channels)`."""
    return layers.Flatten(name=POOL)(feature_map)


def generalised_mean(feature_map: KerasTensor) -> KerasTensor:
    """Returns the generalised mean over space, `(batch, channels)`.

    With the power 1 it is the mean, with a large one the maximum; training starts at 3
    (GeM: Radenović et al., 2018, https://arxiv.org/abs/1711.02512).
    """
    x = ops.maximum(ops.cast(feature_map, "float32"), TINY)
    top = ops.max(x, axis=(1, 2), keepdims=True)
    # One trained number, without a layer class of ours: a dense layer's answer to 1.
    power = layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(3.0),
        kernel_constraint=keras.constraints.MinMaxNorm(1.0, 100.0),
        dtype="float32",
        name=GEM_POWER,
    )(ops.ones_like(ops.max(top, axis=-1, keepdims=True)))
    # Shares of the largest number: no power of them overflows.
    mean = ops.mean((x / top) ** power, axis=(1, 2), keepdims=True)
    return layers.Flatten(name=POOL)(top * mean ** (1 / power))


POOLINGS = {
    "avg": average,
    "max": largest,
    "gem": generalised_mean,
    "flatten": flatten,
}

# What a head can be trained on without its backbone: computed once, kept in the cache.
FEATURE_MAP = "feature_map"
FEATURES = {
    FEATURE_MAP: lambda feature_map: feature_map,
    **{name: POOLINGS[name] for name in ("avg", "max", "flatten")},
}


def features(config: Head) -> str:
    """Returns the key of `FEATURES` that gives the input of a head's first weights."""
    if config.conv_filters or config.pooling not in FEATURES:
        return FEATURE_MAP
    return config.pooling
