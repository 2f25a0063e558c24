"""Preprocessing: from pixels in [0, 255] to what a network was trained on."""

from dataclasses import dataclass
from typing import Literal

from keras import KerasTensor, layers, ops

# Means and standard deviations of ImageNet's channels, red, green, blue.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """`pixels * scale + offset`, on the channels in some order.

    It is part of the network, as layers that Keras can save: whoever has the network
    has its preprocessing.

    Attributes:
        name: What the convention is called.
        scale: One number, or one a channel.
        offset: One number, or one a channel.
        channels: What the network sees: `RGB`, `BGR`, or `gray`.
    """

    name: str
    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...]
    channels: Literal["RGB", "BGR", "gray"] = "RGB"

    def __call__(self, images: KerasTensor) -> KerasTensor:
        """Applies it.

        Args:
            images: RGB pixels in [0, 255], floats of `(batch, height, width, 3)`.

        Returns:
            The same shape; one channel where the network takes gray pictures.
        """
        if self.channels == "BGR":
            images = ops.flip(images, axis=-1)
        elif self.channels == "gray":
            images = ops.image.rgb_to_grayscale(images)
        rescale = layers.Rescaling(self.scale, self.offset, name="preprocessing")
        return rescale(images)

    @property
    def depth(self) -> int:
        """Number of channels that the network takes."""
        return 1 if self.channels == "gray" else 3


# The names are those of `keras.applications.imagenet_utils.preprocess_input`.
TF = Preprocessing(name="tf", scale=1 / 127.5, offset=-1.0)
TORCH = Preprocessing(
    name="torch",
    scale=tuple(1 / (255 * deviation) for deviation in DEVIATION),
    offset=tuple(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION)),
)
# Caffe's networks take blue first, less the means of ImageNet's pixels.
CAFFE = Preprocessing(
    name="caffe", scale=1.0, offset=(-103.939, -116.779, -123.68), channels="BGR"
)
# The large EfficientNet-V2, and the Lite ones, divide by 128.
TF_128 = Preprocessing(name="tf, by 128", scale=1 / 128, offset=-1.0)
LITE = Preprocessing(name="lite", scale=1 / 128, offset=-127 / 128)
GRAY = Preprocessing(name="gray", scale=1 / 127.5, offset=-1.0, channels="gray")
