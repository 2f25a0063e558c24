"""The architectures by name: builder, sizes and published figures in one record."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from tl_keras.architectures.alexnet import alexnet
from tl_keras.architectures.efficientnet_lite import efficientnet_lite
from tl_keras.architectures.googlenet import googlenet
from tl_keras.architectures.inception_v3 import inception_v3
from tl_keras.architectures.lenet import lenet5
from tl_keras.architectures.mobilenet import mobilenet
from tl_keras.architectures.resnet import resnet
from tl_keras.architectures.resnet_cifar import resnet_cifar
from tl_keras.architectures.vgg import vgg
from tl_keras.architectures.xception import xception
from tl_keras.errors import UsageError
from tl_keras.registry import lookup, suggestion


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What is known of an architecture.

    Attributes:
        build: Builds the network with random weights.
        image_size: Side of the images that it takes unless told otherwise.
        minimum_size: Smallest side that it takes.
        multiply_adds: Of one image of the size `image_size`: see `cost`.
        parameters: Of the network with its top and all defaults, the statistics of
            batch normalization included.
        paper: Authors, title and where to read it.
        year: When it was published.
        channels: Of the images.
        dataset: What `top1` was measured on.
        top1: Published accuracy, each by its source's own protocol, so differences of
            a percent mean nothing; `None` where none was published.
    """

    build: Callable[..., keras.Model]
    image_size: int = 224
    minimum_size: int
    parameters: int
    multiply_adds: int
    paper: str
    year: int
    channels: int = 3
    dataset: str = "ImageNet"
    top1: float | None = None


LENET = {
    "paper": "LeCun et al., Gradient-Based Learning Applied to Document Recognition, "
    "https://doi.org/10.1109/5.726791",
    "year": 1998,
}
ALEXNET = {
    "paper": "Krizhevsky et al., ImageNet Classification with Deep Convolutional "
    "Neural Networks, https://papers.nips.cc/paper/4824",
    "year": 2012,
}
VGG = {
    "paper": "Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale "
    "Image Recognition, https://arxiv.org/abs/1409.1556",
    "year": 2014,
}
GOOGLENET = {
    "paper": "Szegedy et al., Going Deeper with Convolutions, "
    "https://arxiv.org/abs/1409.4842",
    "year": 2014,
}
RESNET = {
    "paper": "He et al., Deep Residual Learning for Image Recognition, "
    "https://arxiv.org/abs/1512.03385",
    "year": 2015,
}
INCEPTION_V3 = {
    "paper": "Szegedy et al., Rethinking the Inception Architecture for Computer "
    "Vision, https://arxiv.org/abs/1512.00567",
    "year": 2015,
}
XCEPTION = {
    "paper": "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, "
    "https://arxiv.org/abs/1610.02357",
    "year": 2016,
}
MOBILENET = {
    "paper": "Howard et al., MobileNets: Efficient Convolutional Neural Networks for "
    "Mobile Vision Applications, https://arxiv.org/abs/1704.04861",
    "year": 2017,
}
# The paper is of 2019, the Lite variants were released the year after.
EFFICIENTNET_LITE = {
    "paper": "Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional "
    "Neural Networks, https://arxiv.org/abs/1905.11946",
    "year": 2019,
}

# Accuracies: of 11 and 13 layers from the paper's Table 3, of the others from keras.io.
# variant → (parameters, multiply-adds, top-1)
VGGS = {
    "vgg11": (132_863_336, 7_609_090_048, 0.704),
    "vgg13": (133_047_848, 11_308_466_176, 0.713),
    "vgg16": (138_357_544, 15_470_264_320, 0.713),
    "vgg19": (143_667_240, 19_632_062_464, 0.713),
}
# Accuracies: of 18 and 34 layers from torchvision, whose networks these are, of the
# others from keras.io; of the plain ones from the paper's Table 2 (ten crops).
# variant → (parameters, multiply-adds, top-1)
RESNETS = {
    "resnet18": (11_699_112, 1_814_073_344, 0.698),
    "resnet34": (21_814_696, 3_663_761_408, 0.733),
    "resnet50": (25_636_712, 3_857_973_248, 0.749),
    "resnet101": (44_707_176, 7_570_194_432, 0.764),
    "resnet152": (60_419_944, 11_282_415_616, 0.766),
}
# variant → (name of the plain network, parameters, multiply-adds, top-1)
PLAIN = {
    "resnet18": ("plain18", 11_523_496, 1_794_805_760, 0.721),
    "resnet34": ("plain34", 21_639_080, 3_644_493_824, 0.715),
}
# The paper's Table 6, the plain networks have the same parameters:
# depth → (parameters, multiply-adds, top-1)
CIFAR_RESNETS = {
    20: (271_098, 40_551_040, 0.9125),
    32: (466_426, 68_862_592, 0.9249),
    44: (661_754, 97_174_144, 0.9283),
    56: (857_082, 125_485_696, 0.9303),
    110: (1_736_058, 252_887_680, 0.9357),
}
# The release notes: variant → (image size, parameters, multiply-adds, top-1)
LITES = {
    "efficientnet_lite0": (224, 4_694_024, 385_187_552, 0.751),
    "efficientnet_lite1": (240, 5_470_344, 600_185_232, 0.767),
    "efficientnet_lite2": (260, 6_150_168, 859_736_272, 0.776),
    "efficientnet_lite3": (280, 8_273_768, 1_383_321_872, 0.798),
    "efficientnet_lite4": (300, 13_118_936, 2_553_034_336, 0.815),
}


def _resnet_cifar(depth: int, shortcut: str | None) -> Architecture:
    """Returns the record of a network of section 4.2, or of its plain twin."""
    parameters, multiply_adds, top1 = CIFAR_RESNETS[depth]
    return Architecture(
        build=partial(resnet_cifar, depth=depth, shortcut=shortcut),
        image_size=32,
        minimum_size=1,
        parameters=parameters,
        multiply_adds=multiply_adds,
        dataset="CIFAR-10",
        top1=top1 if shortcut else None,
        **RESNET,
    )


ARCHITECTURES = {
    "lenet5": Architecture(
        build=lenet5,
        image_size=32,
        minimum_size=32,
        parameters=61_706,
        multiply_adds=416_520,
        channels=1,
        dataset="MNIST",
        top1=0.9905,
        **LENET,
    ),
    "alexnet": Architecture(
        build=alexnet,
        image_size=227,
        minimum_size=67,
        parameters=60_965_224,
        multiply_adds=724_406_816,
        # The paper's Table 2: one network, ten crops.
        top1=0.593,
        **ALEXNET,
    ),
    **{
        name: Architecture(
            build=partial(vgg, variant=name),
            minimum_size=32,
            parameters=parameters,
            multiply_adds=multiply_adds,
            top1=top1,
            **VGG,
        )
        for name, (parameters, multiply_adds, top1) in VGGS.items()
    },
    "googlenet": Architecture(
        build=googlenet,
        minimum_size=32,
        parameters=6_998_552,
        multiply_adds=1_582_671_872,
        **GOOGLENET,
    ),
    **{
        name: Architecture(
            build=partial(resnet, variant=name),
            minimum_size=1,
            parameters=parameters,
            multiply_adds=multiply_adds,
            top1=top1,
            **RESNET,
        )
        for name, (parameters, multiply_adds, top1) in RESNETS.items()
    },
    **{
        name: Architecture(
            build=partial(resnet, variant=variant, shortcut=None),
            minimum_size=1,
            parameters=parameters,
            multiply_adds=multiply_adds,
            top1=top1,
            **RESNET,
        )
        for variant, (name, parameters, multiply_adds, top1) in PLAIN.items()
    },
    **{
        f"resnet{depth}_cifar": _resnet_cifar(depth, "identity")
        for depth in CIFAR_RESNETS
    },
    **{f"plain{depth}_cifar": _resnet_cifar(depth, None) for depth in CIFAR_RESNETS},
    "inception_v3": Architecture(
        build=inception_v3,
        image_size=299,
        minimum_size=75,
        parameters=23_851_784,
        multiply_adds=5_713_216_096,
        top1=0.779,
        **INCEPTION_V3,
    ),
    "xception": Architecture(
        build=xception,
        image_size=299,
        minimum_size=7,
        parameters=22_910_480,
        multiply_adds=8_357_403_496,
        top1=0.790,
        **XCEPTION,
    ),
    "mobilenet": Architecture(
        build=mobilenet,
        minimum_size=31,
        parameters=4_253_864,
        multiply_adds=568_740_352,
        top1=0.704,
        **MOBILENET,
    ),
    **{
        name: Architecture(
            build=partial(efficientnet_lite, variant=name),
            image_size=image_size,
            minimum_size=32,
            parameters=parameters,
            multiply_adds=multiply_adds,
            top1=top1,
            **EFFICIENTNET_LITE,
        )
        for name, (image_size, parameters, multiply_adds, top1) in LITES.items()
    },
}


def names() -> list[str]:
    """Returns the names that `build` takes."""
    return sorted(ARCHITECTURES)


def build(name: str, **options: Any) -> keras.Model:
    """Builds a network with random weights.

    Args:
        name: A key of `ARCHITECTURES`.
        **options: Of the architecture's builder. All of them take `num_classes`,
            which is `None` for a network that ends at its last feature map, and
            `input_shape`, `(height, width, channels)`.

    Raises:
        UsageError: If the name or an option is unknown, or the builder refuses a value.
    """
    builder = lookup(ARCHITECTURES, name, "architecture").build
    known = _options(builder)
    for option in options:
        if option not in known:
            raise UsageError(
                f"Unknown option {option!r} of {name}.{suggestion(option, known)}"
            )
    return builder(**options)


def _options(builder: Callable[..., keras.Model]) -> list[str]:
    """Returns the keywords that a builder takes, less those that its name decides."""
    decided = builder.keywords if isinstance(builder, partial) else {}
    return [
        name for name in inspect.signature(builder).parameters if name not in decided
    ]
