"""A backbone with a head on it."""

from dataclasses import dataclass
from functools import cached_property

import keras

from tl_keras.backbones.backbone import Backbone
from tl_keras.backbones.freezing import freeze
from tl_keras.config import Head
from tl_keras.training import heads


@dataclass(frozen=True)
class Classifier:
    """A backbone with a head on it.

    Attributes:
        backbone: From pixels to the feature map.
        head: From the feature map to logits; every model made here shares its layers.
        config: What the head was built of.
        class_names: In the order of the probabilities.
    """

    backbone: Backbone
    head: keras.Model
    config: Head
    class_names: tuple[str, ...]

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self.backbone.image_size

    @property
    def outputs(self) -> str:
        """What the logits stand for: see `training.outputs`."""
        return self.config.outputs

    @property
    def features(self) -> str:
        """What the head alone is trained on: a key of `heads.FEATURES`."""
        return heads.features(self.config)

    @cached_property
    def model(self) -> keras.Model:
        """From pixels in [0, 255], `(batch, side, side, 3)`, to logits."""
        inputs = self.backbone.inputs()
        feature_map = self.backbone.model(inputs)
        return keras.Model(inputs, self.head(feature_map), name="classifier")

    def trainable_part(
        self, unfreeze: int | float | str, *, train_batch_norm: bool = False
    ) -> keras.Model:
        """Returns what trains, all else of the backbone frozen.

        Args:
            unfreeze: What of the backbone trains, see `Backbone.split`; 0 for the
                head alone.
            train_batch_norm: Whether the batch normalization of that part trains.

        Returns:
            From the feature map at the cut to logits; with `unfreeze=0` from
            `features`, with `all` from pixels in [0, 255].
        """
        freeze(self.backbone.network, unfreeze, train_batch_norm=train_batch_norm)
        if not unfreeze:
            pooled = self.features != heads.FEATURE_MAP
            start = (
                self.head.get_layer(heads.POOL).output if pooled else self.head.input
            )
            return keras.Model(start, self.head.output, name="head_alone")
        if self.backbone.last_frozen(unfreeze) is None:
            return self.model
        _, suffix = self.backbone.split(unfreeze)
        return keras.Model(suffix.input, self.head(suffix.output), name="suffix")


def attach(
    backbone: Backbone, class_names: tuple[str, ...], config: Head
) -> Classifier:
    """Puts a new head on a backbone.

    Args:
        backbone: The network; it is shared, not copied.
        class_names: In the order of the probabilities.
        config: What the head consists of.

    Raises:
        UsageError: If the head does not fit the number of classes.
    """
    shape = backbone.network.output.shape[1:]
    head = heads.build(config, shape, len(class_names))
    return Classifier(backbone, head, config, class_names)
