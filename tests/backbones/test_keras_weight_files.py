"""Files of `keras.applications`' own networks, in ours and in its own."""

import keras
import parity
import pytest
from keras import applications
from small_networks import WRITERS, draw, equal, values

from tl_keras.architectures.inception_v3 import inception_v3
from tl_keras.architectures.mobilenet import mobilenet
from tl_keras.architectures.resnet import resnet
from tl_keras.architectures.vgg import vgg
from tl_keras.architectures.xception import xception
from tl_keras.backbones.keras_applications import build
from tl_keras.backbones.weight_files import load_file
from tl_keras.errors import WeightsError

CLASSES = 7
# Keras's builder → ours, its options, and a side that both take.
OURS = {
    "VGG16": (vgg, {"variant": "vgg16"}, 32),
    "VGG19": (vgg, {"variant": "vgg19"}, 32),
    "ResNet50": (resnet, {"variant": "resnet50"}, 64),
    "InceptionV3": (inception_v3, {}, 75),
    "Xception": (xception, {}, 75),
    "MobileNet": (mobilenet, {}, 64),
}
OTHERS = (
    *("ResNet50V2", "InceptionResNetV2", "MobileNetV2", "MobileNetV3Small"),
    *("DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"),
)


@pytest.fixture(scope="module", params=OURS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def images(name):
    return parity.pixels(OURS[name][2])


@pytest.fixture(scope="module")
def theirs(name, images):
    """Keras's network with its classifier and random weights and statistics."""
    network = getattr(applications, name)(
        weights=None,
        classes=CLASSES,
        classifier_activation=None,
        input_shape=images.shape[1:],
    )
    return parity.fill(network, images)


@pytest.fixture(scope="module", params=WRITERS)
def file(request, theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return WRITERS[request.param](folder / "file.h5", theirs)


def ours(name, images, num_classes):
    """Builds our network, with weights that a file must replace."""
    builder, options, _ = OURS[name]
    network = builder(num_classes=num_classes, input_shape=images.shape[1:], **options)
    return parity.blank(network)


@pytest.mark.slow
def test_our_network_computes_what_keras_does(name, images, theirs, file):
    network = ours(name, images, CLASSES)
    load_file(network, file)
    assert parity.difference(network, theirs, images) < parity.TOLERANCE


@pytest.mark.slow
def test_full_file_gives_our_backbone_keras_feature_map(name, images, theirs, file):
    network = ours(name, images, None)
    load_file(network, file)
    end = parity.up_to(theirs, network.layers[-1].name)
    assert parity.difference(network, end, images) < parity.TOLERANCE


@pytest.mark.slow
def test_file_without_the_top_loads_and_is_refused_where_a_top_is(
    name, images, tmp_path
):
    bare = getattr(applications, name)(
        weights=None, include_top=False, input_shape=images.shape[1:]
    )
    path = parity.write_keras_file(tmp_path / "notop.h5", parity.fill(bare, images))
    network = ours(name, images, None)
    load_file(network, path)
    assert parity.difference(network, bare, images) < parity.TOLERANCE
    with pytest.raises(WeightsError, match="give the full file"):
        load_file(ours(name, images, CLASSES), path)


@pytest.mark.slow
@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("builder", OTHERS)
def test_network_of_keras_takes_its_file(builder, include_top, tmp_path):
    options = {"classes": CLASSES} if include_top else {"include_top": False}
    if builder == "MobileNetV3Small":
        options["minimalistic"] = False
    theirs = getattr(applications, builder)(
        weights=None, input_shape=(96, 96, 3), **options
    )
    path = parity.write_keras_file(tmp_path / "file.h5", draw(theirs))
    network = parity.blank(build(builder, num_classes=None, input_shape=(96, 96, 3)))
    load_file(network, path)
    inside = [x for x in theirs.layers if isinstance(x, keras.layers.Normalization)]
    skipped = sum(len(layer.weights) for layer in inside)
    assert network.weights and equal(values(network), values(theirs)[skipped:])
