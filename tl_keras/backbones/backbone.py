"""A backbone: a network up to its last feature map, with its preprocessing."""

from dataclasses import dataclass
from functools import cached_property

import keras
from keras import layers

from tl_keras.backbones import stages
from tl_keras.backbones.preprocessing import Preprocessing
from tl_keras.backbones.stages import Block


@dataclass(frozen=True)
class Backbone:
    """A network up to its last feature map.

    Attributes:
        name: Name in the catalogue.
        network: From preprocessed pixels to the feature map.
        preprocess: From pixels in [0, 255] to what the network takes.
        image_size: Side of the images in pixels.
    """

    name: str
    network: keras.Model
    preprocess: Preprocessing
    image_size: int

    @cached_property
    def model(self) -> keras.Model:
        """From pixels in [0, 255], `(batch, side, side, 3)`, to the feature map."""
        inputs = self.inputs()
        outputs = self.network(self.preprocess(inputs))
        return keras.Model(inputs, outputs, name="backbone")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, from the input to the output."""
        return stages.blocks(self.network)

    @property
    def stages(self) -> tuple[str, ...]:
        """The last layer of each stage, from the input to the output."""
        return stages.stage_ends(self.blocks)

    def inputs(self) -> keras.KerasTensor:
        """Returns an input of pixels in [0, 255]."""
        return keras.Input((self.image_size, self.image_size, 3), name="images")

    def last_frozen(self, unfreeze: int | float | str) -> str | None:
        """Returns the layer behind which the network trains: see `stages`."""
        return stages.last_frozen(self.network, unfreeze)

    def place_of_cut(self, unfreeze: int | float | str) -> int:
        """Returns how many layers, in their order, come before what trains.

        Unlike names, which Keras numbers anew in each process, it does not change.
        """
        names = [operation.name for operation in self.network.operations]
        end = self.last_frozen(unfreeze)
        return names.index(end) + 1 if end else 0

    def split(self, unfreeze: int | float | str) -> tuple[keras.Model, keras.Model]:
        """Cuts the network before what trains.

        Args:
            unfreeze: A number of stages, counted from the end; a share of the blocks,
                as a float; the name of a block or layer, for that and all behind it;
                or `all`.

        Returns:
            The prefix, from pixels in [0, 255] to the feature map at the cut, and the
            suffix, from there to the last feature map. Their layers are the
            network's own. With `unfreeze=0` the suffix does nothing, with `all` the
            prefix is the preprocessing.

        Raises:
            UsageError: If the network has no such part.
        """
        end = self.last_frozen(unfreeze)
        return self.prefix(end), self.between(end, None)

    def prefix(self, end: str | None) -> keras.Model:
        """Returns the part from pixels in [0, 255] to a layer's output.

        Args:
            end: A layer through whose output every path runs; `None` leaves the
                preprocessing alone.
        """
        cut = stages.output_of(self.network, end)
        inputs = self.inputs()
        outputs = self.preprocess(inputs)
        if cut is not self.network.input:
            frozen = keras.Model(self.network.input, cut, name="frozen")
            outputs = frozen(outputs)
        return keras.Model(inputs, outputs, name="prefix")

    def between(self, start: str | None, end: str | None) -> keras.Model:
        """Returns the part from one layer's output to another's.

        Args:
            start: A layer through whose output every path runs; `None` for the
                preprocessed pixels.
            end: One behind it; `None` for the last feature map.
        """
        last = stages.output_of(self.network, end) if end else self.network.output
        return _between(stages.output_of(self.network, start), last)

    def end_of_cut(self, place: int) -> str | None:
        """Returns the layer that `place_of_cut` counted up to; of 0 there is none."""
        return self.network.operations[place - 1].name if place else None


def _between(start: keras.KerasTensor, end: keras.KerasTensor) -> keras.Model:
    """Returns the part of a network between two of its tensors."""
    if start is not end:
        return keras.Model(start, end, name="suffix")
    inputs = keras.Input(start.shape[1:])
    return keras.Model(inputs, layers.Identity(name="identity")(inputs), name="suffix")
