"""Xception against its paper and `keras.applications`."""

import keras
import parity
import pytest

from tl_keras.architectures.xception import xception
from tl_keras.backbones.stages import stages
from tl_keras.errors import UsageError

# `count_params()` of keras.applications.Xception, with 1000 classes.
PARAMETERS = 22_910_480
CLASSIFIER_PARAMETERS = 2048 * 1000 + 1000
# Figure 5 of the paper: the side and the number of the maps behind each module. It
# gives those of the flows, 19x19x728; the others follow from the strides.
SHAPES = {
    "block1_conv1_act": (149, 149, 32),
    "block1_conv2_act": (147, 147, 64),
    "block2_add": (74, 74, 128),
    "block3_add": (37, 37, 256),
    "block4_add": (19, 19, 728),
    "block5_add": (19, 19, 728),
    "block12_add": (19, 19, 728),
    "block13_add": (10, 10, 1024),
    "block14_sepconv1_act": (10, 10, 1536),
    "block14_sepconv2_act": (10, 10, 2048),
}
ENDS = (
    "block1_conv2_act",
    "block2_add",
    "block3_add",
    "block12_add",
    "block14_sepconv2_act",
)
# Keras names these layers by a number that grows during a session.
NUMBERED = ("conv2d", "batch_normalization", "add", "input_layer")
OTHER_SIZE = (150, 131)


@pytest.fixture(scope="module")
def small():
    """Xception for the smallest images and 7 classes."""
    return xception(num_classes=7, input_shape=(7, 7, 3))


@pytest.mark.slow
def test_smallest_image_gives_one_place(small):
    assert small.get_layer("block14_sepconv2_act").output.shape == (None, 1, 1, 2048)


@pytest.mark.slow
def test_network_has_its_number_of_parameters_less_the_classes(small):
    top = 2048 * 7 + 7
    assert small.count_params() - top == PARAMETERS - CLASSIFIER_PARAMETERS


@pytest.mark.slow
def test_network_with_top_gives_one_logit_a_class(small):
    assert small.output_shape == (None, 7)


@pytest.mark.slow
def test_logits_are_no_probabilities(small):
    assert small.get_layer("predictions").activation is keras.activations.linear


@pytest.mark.slow
def test_there_are_36_convolutions_in_14_modules(small):
    # Section 3 of the paper; the 1x1 convolutions beside modules are not counted.
    kinds = (keras.layers.Conv2D, keras.layers.SeparableConv2D)
    names = [
        layer.name
        for layer in small.layers
        if isinstance(layer, kinds) and "shortcut" not in layer.name
    ]
    modules = {name.partition("_")[0] for name in names}
    assert (len(names), len(modules)) == (36, 14)


@pytest.mark.slow
def test_stages_end_where_the_resolution_does(small):
    backbone = parity.up_to(small, ENDS[-1])
    assert stages(backbone) == ENDS


@pytest.mark.parametrize("shape", [(6, 7, 3), (7, 6, 3)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(UsageError, match="must be at least 7x7 for xception"):
        xception(input_shape=shape)


def test_zero_classes_are_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        xception(num_classes=0)


@pytest.fixture(scope="module")
def backbone():
    """Xception at its native size, without its top."""
    return xception(num_classes=None)


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_feature_map_has_the_papers_shape_after_each_module(layer, shape, backbone):
    assert backbone.get_layer(layer).output.shape[1:] == shape


def application(size):
    return keras.applications.Xception(
        weights=None, classifier_activation=None, input_shape=(*size, 3)
    )


@pytest.fixture(scope="module")
def reference():
    """Xception of keras.applications with random weights."""
    return parity.fill(application((299, 299)), parity.pixels(299))


@pytest.fixture(scope="module")
def ours():
    """Our Xception; tests load weights into it."""
    return xception()


@pytest.mark.slow
def test_network_has_the_number_of_parameters_of_keras_applications(ours):
    assert ours.count_params() == PARAMETERS


@pytest.mark.slow
def test_layers_have_the_names_that_keras_applications_gives(reference, ours):
    theirs = {
        layer.name for layer in reference.layers if not layer.name.startswith(NUMBERED)
    }
    own = {
        layer.name
        for layer in ours.layers
        if "_shortcut_" not in layer.name and not layer.name.endswith("_add")
    }
    assert own - {"pixels"} == theirs


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications(reference, ours):
    parity.copy_by_order(reference, parity.blank(ours))
    images = parity.pixels(299, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications_at_another_size(reference):
    theirs = parity.copy_by_order(reference, application(OTHER_SIZE))
    ours = parity.copy_by_order(reference, xception(input_shape=(*OTHER_SIZE, 3)))
    images = parity.pixels(*OTHER_SIZE, seed=2)
    assert parity.difference(ours, theirs, images) < parity.TOLERANCE


@pytest.mark.slow
def test_keras_weight_file_fits(reference, ours, tmp_path):
    path = parity.write_keras_file(tmp_path / "xception.h5", reference)
    parity.blank(ours).load_weights(path)
    images = parity.pixels(299, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
def test_keras_weight_file_without_the_top_fits(reference, backbone, tmp_path):
    theirs = parity.up_to(reference, ENDS[-1])
    path = parity.write_keras_file(tmp_path / "xception_notop.h5", theirs)
    parity.blank(backbone).load_weights(path)
    images = parity.pixels(299, seed=2)
    assert parity.difference(backbone, theirs, images) < parity.TOLERANCE
