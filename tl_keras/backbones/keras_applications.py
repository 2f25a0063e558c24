"""The networks of `keras.applications`: one row each.

Accuracies are from https://keras.io/api/applications/, those of MobileNet V3 from its
builder's documentation; file names and hashes are those of Keras 3.15.
"""

from functools import partial
from typing import NamedTuple

import keras
from keras import applications, layers

from tl_keras.backbones.downloads import KerasFile
from tl_keras.backbones.entry import Entry
from tl_keras.backbones.preprocessing import CAFFE, TF, TF_128, TORCH, Preprocessing

BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"
EFFICIENTNET_BASE = "https://storage.googleapis.com/keras-applications/"
KERNELS = "weights_tf_dim_ordering_tf_kernels_notop.h5"


class Row(NamedTuple):
    """A network of `keras.applications`, without its top.

    Attributes:
        builder: Its name in `keras.applications`.
        preprocess: From pixels in [0, 255] to what it takes.
        image_size: Side of the images that the weights were trained on.
        minimum_size: Smallest side that the builder takes.
        parameters: With the statistics of batch normalization.
        features: Channels of the last feature map.
        top1: Published ImageNet accuracy.
        file: The weights' address.
        file_hash: As Keras publishes it; `None` where it publishes none.
    """

    builder: str
    preprocess: Preprocessing
    image_size: int
    minimum_size: int
    parameters: int
    features: int
    top1: float
    file: str
    file_hash: str | None


# fmt: off
ROWS = {
    "vgg16": Row("VGG16", CAFFE, 224, 32, 14_714_688, 512, 0.713,
        f"{BASE}vgg16/vgg16_{KERNELS}", "6d6bbae143d832006294945121d1f1fc"),
    "vgg19": Row("VGG19", CAFFE, 224, 32, 20_024_384, 512, 0.713,
        f"{BASE}vgg19/vgg19_{KERNELS}", "253f8cb515780f3b799900260a226db6"),
    "resnet50": Row("ResNet50", CAFFE, 224, 32, 23_587_712, 2048, 0.749,
        f"{BASE}resnet/resnet50_{KERNELS}", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": Row("ResNet101", CAFFE, 224, 32, 42_658_176, 2048, 0.764,
        f"{BASE}resnet/resnet101_{KERNELS}", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": Row("ResNet152", CAFFE, 224, 32, 58_370_944, 2048, 0.766,
        f"{BASE}resnet/resnet152_{KERNELS}", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    "resnet50_v2": Row("ResNet50V2", TF, 224, 32, 23_564_800, 2048, 0.760,
        f"{BASE}resnet/resnet50v2_{KERNELS}", "fac2f116257151a9d068a22e544a4917"),
    "resnet101_v2": Row("ResNet101V2", TF, 224, 32, 42_626_560, 2048, 0.772,
        f"{BASE}resnet/resnet101v2_{KERNELS}", "c0ed64b8031c3730f411d2eb4eea35b5"),
    "resnet152_v2": Row("ResNet152V2", TF, 224, 32, 58_331_648, 2048, 0.780,
        f"{BASE}resnet/resnet152v2_{KERNELS}", "ed17cf2e0169df9d443503ef94b23b33"),
    "inception_v3": Row("InceptionV3", TF, 299, 75, 21_802_784, 2048, 0.779,
        f"{BASE}inception_v3/inception_v3_{KERNELS}",
        "bcbd6486424b2319ff4ef7d526e38f63"),
    "inception_resnet_v2": Row(
        "InceptionResNetV2", TF, 299, 75, 54_336_736, 1536, 0.803,
        f"{BASE}inception_resnet_v2/inception_resnet_v2_{KERNELS}",
        "d19885ff4a710c122648d3b5c3b684e4"),
    "xception": Row("Xception", TF, 299, 71, 20_861_480, 2048, 0.790,
        f"{BASE}xception/xception_{KERNELS}", "b0042744bf5b25fce3cb969f33bebb97"),
    "mobilenet": Row("MobileNet", TF, 224, 32, 3_228_864, 1024, 0.704,
        f"{BASE}mobilenet/mobilenet_1_0_224_tf_no_top.h5", None),
    "mobilenet_v2": Row("MobileNetV2", TF, 224, 32, 2_257_984, 1280, 0.713,
        f"{BASE}mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224"
        "_no_top.h5", None),
    "mobilenet_v3_small": Row("MobileNetV3Small", TF, 224, 32, 939_120, 576, 0.681,
        f"{BASE}mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "mobilenet_v3_large": Row("MobileNetV3Large", TF, 224, 32, 2_996_352, 960, 0.756,
        f"{BASE}mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "07fb09a5933dd0c8eaafa16978110389"),
    "densenet121": Row("DenseNet121", TORCH, 224, 32, 7_037_504, 1024, 0.750,
        f"{BASE}densenet/densenet121_{KERNELS}", "30ee3e1110167f948a6b9946edeeb738"),
    "densenet169": Row("DenseNet169", TORCH, 224, 32, 12_642_880, 1664, 0.762,
        f"{BASE}densenet/densenet169_{KERNELS}", "b8c4d4c20dd625c148057b9ff1c1176b"),
    "densenet201": Row("DenseNet201", TORCH, 224, 32, 18_321_984, 1920, 0.773,
        f"{BASE}densenet/densenet201_{KERNELS}", "c13680b51ded0fb44dff2d8f86ac8bb1"),
    "nasnet_mobile": Row("NASNetMobile", TF, 224, 32, 4_269_716, 1056, 0.744,
        f"{BASE}nasnet/NASNet-mobile-no-top.h5", "1ed92395b5b598bdda52abe5c0dbfd63"),
    "nasnet_large": Row("NASNetLarge", TF, 331, 32, 84_916_818, 4032, 0.825,
        f"{BASE}nasnet/NASNet-large-no-top.h5", "d81d89dc07e6e56530c4e77faddd61b5"),
}
# name → (image size, parameters, features, top-1, hash)
EFFICIENTNETS = {
    "b0": (224, 4_049_564, 1280, 0.771, "50bc09e76180e00e4465e1a485ddc09d"),
    "b1": (240, 6_575_232, 1280, 0.791, "74c4e6b3e1f6a1eea24c589628592432"),
    "b2": (260, 7_768_562, 1408, 0.801, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    "b3": (300, 10_783_528, 1536, 0.816, "af6d107764bb5b1abb91932881670226"),
    "b4": (380, 17_673_816, 1792, 0.829, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    "b5": (456, 28_513_520, 2048, 0.836, "38879255a25d3c92d5e44e04ae6cec6f"),
    "b6": (528, 40_960_136, 2304, 0.840, "9ecce42647a20130c1f39a5d4cb75743"),
    "b7": (600, 64_097_680, 2560, 0.843, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
}
EFFICIENTNETS_V2 = {
    "B0": (224, 5_919_312, 1280, 0.787, "893217f2bb855e2983157299931e43ff"),
    "B1": (240, 6_931_124, 1280, 0.798, "0e80663031ca32d657f9caa404b6ec37"),
    "B2": (260, 8_769_374, 1408, 0.805, "1dfe2e7a5d45b6632553a8961ea609eb"),
    "B3": (300, 12_930_622, 1536, 0.820, "f6abf7b5849ac99a89b50dd3fd532856"),
    "S": (384, 20_331_360, 1280, 0.839, "af0682fb74e8c54910f2d4393339c070"),
    "M": (480, 53_150_388, 1280, 0.853, "1b8dc055df72dde80d614482840fe342"),
    "L": (480, 117_746_848, 1280, 0.857, "b0b66b5c863aef5b46e8608fe1711615"),
}
CONVNEXTS = {
    "Tiny": (224, 27_820_128, 768, 0.813,
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
    "Small": (224, 49_454_688, 768, 0.823,
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
    "Base": (224, 87_566_464, 1024, 0.853,
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
    "Large": (224, 196_230_336, 1536, 0.863,
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
    "XLarge": (224, 348_147_968, 2048, 0.867,
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
}
# fmt: on
for _name, (_size, *_figures, _hash) in EFFICIENTNETS.items():
    _file = f"{EFFICIENTNET_BASE}efficientnet{_name}_notop.h5"
    _builder = f"EfficientNet{_name.upper()}"
    ROWS[f"efficientnet_{_name}"] = Row(
        _builder, TORCH, _size, 32, *_figures, _file, _hash
    )
for _name, (_size, *_figures, _hash) in EFFICIENTNETS_V2.items():
    _file = f"{BASE}efficientnet_v2/efficientnetv2-{_name.lower()}_notop.h5"
    ROWS[f"efficientnet_v2_{_name.lower()}"] = Row(
        f"EfficientNetV2{_name}",
        TORCH if _name.startswith("B") else TF_128,
        _size,
        32,
        *_figures,
        _file,
        _hash,
    )
for _name, (_size, *_figures, _hash) in CONVNEXTS.items():
    _file = f"{BASE}convnext/convnext_{_name.lower()}_notop.h5"
    ROWS[f"convnext_{_name.lower()}"] = Row(
        f"ConvNeXt{_name}", TORCH, _size, 32, *_figures, _file, _hash
    )

# Their builders can be told to leave the preprocessing out; of the others only
# EfficientNet has it inside.
OPTIONAL_PREPROCESSING = ("EfficientNetV2", "ConvNeXt", "MobileNetV3")
# Keras saves these under other names than their addresses end in.
LOCAL_NAMES = {
    "nasnet_mobile": "nasnet_mobile_no_top.h5",
    "nasnet_large": "nasnet_large_no_top.h5",
}


def build(
    builder: str, *, num_classes: None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """Builds a network of `keras.applications` with random weights, without its top.

    From preprocessed pixels to the last feature map: whatever its builder puts in
    front of the first convolution is left to `Preprocessing`. EfficientNet's builder
    would put another graph there for other sources of weights.

    Args:
        builder: Its name in `keras.applications`.
        num_classes: `None`: classifying is the head's.
        input_shape: `(height, width, 3)`.
    """
    assert num_classes is None
    options = {}
    if builder.startswith(OPTIONAL_PREPROCESSING):
        options["include_preprocessing"] = False
    network = getattr(applications, builder)(
        include_top=False, weights=None, input_shape=input_shape, **options
    )
    inside = [
        layer for layer in network.layers if isinstance(layer, layers.Normalization)
    ]
    if not inside:
        return network
    return keras.Model(inside[-1].output, network.output, name=network.name)


def weights_file(name: str) -> KerasFile:
    """Returns where the ImageNet weights of a row are."""
    row = ROWS[name]
    return KerasFile(url=row.file, file_hash=row.file_hash, name=LOCAL_NAMES.get(name))


def entry(name: str) -> Entry:
    """Returns the entry of a row."""
    row = ROWS[name]
    return Entry(
        build=partial(build, row.builder),
        preprocess=row.preprocess,
        image_size=row.image_size,
        minimum_size=row.minimum_size,
        parameters=row.parameters,
        features=row.features,
        weights=weights_file(name),
        top1=row.top1,
    )
