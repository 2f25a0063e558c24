"""Image backbones of KerasHub: `hub:NAME` for a preset, `hub:FOLDER` for a folder."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import layers

from tl_keras.backbones.entry import Entry
from tl_keras.backbones.preprocessing import Preprocessing
from tl_keras.errors import UsageError, WeightsError

PREFIX = "hub:"
USUAL_SIZE = 224


@cache
def entry(preset: str) -> Entry:
    """Returns the entry of a preset, read once.

    Raises:
        UsageError: If KerasHub is not installed.
        WeightsError: If the preset cannot be read.
    """
    source = Preset(preset)
    return Entry(
        build=source.build,
        preprocess=source.preprocess(),
        image_size=source.image_size(),
        minimum_size=1,
        weights=source,
        load_weights=source.load_weights,
    )


@dataclass(frozen=True)
class Preset:
    """A preset of KerasHub.

    Attributes:
        name: As `from_preset` takes it, a folder included.
    """

    name: str

    def path(self) -> Path:
        """Returns the folder of a local preset; KerasHub finds the others itself."""
        return Path(self.name)

    def preprocess(self) -> Preprocessing:
        """Returns the preset's preprocessing; pixels as they are if it has none."""
        converter = self._converter()
        return Preprocessing(
            name=f"{PREFIX}{self.name}",
            scale=_numbers(getattr(converter, "scale", None), 1.0),
            offset=_numbers(getattr(converter, "offset", None), 0.0),
        )

    def image_size(self) -> int:
        """Returns the side of the images that the preset was trained on."""
        return (getattr(self._converter(), "image_size", None) or [USUAL_SIZE])[0]

    def build(
        self, *, num_classes: None, input_shape: tuple[int, int, int]
    ) -> keras.Model:
        """Builds the preset's network with random weights, to its last feature map.

        Args:
            num_classes: `None`: classifying is the head's.
            input_shape: `(height, width, 3)`.

        Raises:
            UsageError: If it is no network from one image to feature maps.
        """
        assert num_classes is None
        return self._network(input_shape, load_weights=False)

    def load_weights(self, network: keras.Model, path: Path) -> None:
        """Puts the preset's weights into a network that `build` made."""
        del path
        loaded = self._network(network.input_shape[1:], load_weights=True)
        network.set_weights(loaded.get_weights())

    def _converter(self) -> Any:
        """Returns KerasHub's preprocessing, or `None`."""
        hub = _library()
        try:
            return hub.layers.ImageConverter.from_preset(self.name)
        except Exception as error:
            # KerasHub's way to say that a preset has none.
            if "image_converter" in str(error):
                return None
            raise _cannot(self.name, error) from None

    def _network(self, shape: tuple[int, ...], *, load_weights: bool) -> keras.Model:
        """Returns the preset's network for images of one shape."""
        load = partial(
            _library().models.Backbone.from_preset,
            self.name,
            load_weights=load_weights,
        )
        try:
            network = _of_shape(load, shape)
        except Exception as error:
            raise _cannot(self.name, error) from None
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            raise UsageError(
                f"`backbone.name`: KerasHub's {type(network).__name__} reads other "
                f"than one image, or gives other than one feature map. Received: "
                f"{PREFIX}{self.name}"
            )
        outputs = network.outputs[0]
        if len(outputs.shape) == 3:
            # A transformer's tokens: a feature map of one column.
            outputs = layers.Reshape((-1, 1, outputs.shape[-1]), name="tokens")(outputs)
        return keras.Model(network.inputs[0], outputs, name=network.name)


def _of_shape(load: Callable[..., keras.Model], shape: tuple[int, ...]) -> keras.Model:
    """Builds for one shape, also where the network takes any."""
    network = load(image_shape=tuple(shape))
    if tuple(network.inputs[0].shape[1:]) == tuple(shape):
        return network
    inputs = keras.Input(shape)
    return keras.Model(inputs, network(inputs), name=network.name)


def _library() -> ModuleType:
    """Imports KerasHub, which takes seconds.

    Raises:
        UsageError: If it is not installed.
    """
    try:
        return importlib.import_module("keras_hub")
    except ImportError:
        raise UsageError(
            "Backbones `hub:…` need KerasHub. Run: pip install 'tl_keras[keras-hub]'"
        ) from None


def _numbers(value: Any, usual: float) -> float | tuple[float, ...]:
    """Returns a converter's scale or offset as numbers that can be compared."""
    if value is None:
        return usual
    if np.ndim(value) == 0:
        return float(value)
    return tuple(float(number) for number in np.ravel(value))


def _cannot(name: str, error: Exception) -> WeightsError:
    """Returns what a preset that cannot be had is answered with."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return WeightsError(
        f"KerasHub's preset {name!r} cannot be loaded: {lines[0]} Offline, give a "
        f"preset's folder, {PREFIX}FOLDER, or efficientnet_lite0, which needs no "
        f"download."
    )
