"""MobileNet against its paper and `keras.applications`."""

import keras
import numpy as np
import parity
import pytest

from tl_keras.architectures.mobilenet import mobilenet
from tl_keras.backbones.stages import stages
from tl_keras.errors import UsageError

# `count_params()` of keras.applications.MobileNet at these widths, with the top.
PARAMETERS = {1.0: 4_253_864, 0.25: 475_544}
WITHOUT_TOP = 3_228_864
# Table 6 of the paper, in millions of trainable parameters.
PUBLISHED_MILLIONS = {1.0: 4.2, 0.75: 2.6, 0.5: 1.3, 0.25: 0.5}
# Table 1 of the paper: the side and the number of the maps behind each block.
SHAPES = {
    "conv1_relu": (112, 112, 32),
    "conv_pw_1_relu": (112, 112, 64),
    "conv_pw_2_relu": (56, 56, 128),
    "conv_pw_3_relu": (56, 56, 128),
    "conv_pw_4_relu": (28, 28, 256),
    "conv_pw_5_relu": (28, 28, 256),
    "conv_pw_6_relu": (14, 14, 512),
    "conv_pw_11_relu": (14, 14, 512),
    "conv_pw_12_relu": (7, 7, 1024),
    "conv_pw_13_relu": (7, 7, 1024),
}
STAGES = (1, 3, 5, 11, 13)
# Odd, and neither of the two a multiple of 32: the padding shows.
OTHER_SIZE = (97, 131)


@pytest.fixture(scope="module")
def small():
    """MobileNet at a quarter of its width with 1000 classes, for the smallest image."""
    return mobilenet(width=0.25, input_shape=(31, 31, 3))


def test_quarter_of_the_width_has_its_number_of_parameters(small):
    assert small.count_params() == PARAMETERS[0.25]


def test_smallest_image_gives_one_place(small):
    assert small.get_layer("conv_pw_13_relu").output.shape == (None, 1, 1, 256)


def test_network_with_top_gives_one_logit_a_class(small):
    assert small.output_shape == (None, 1000)


def test_logits_are_no_probabilities(small):
    assert small.get_layer("conv_preds").activation is keras.activations.linear


def test_classifier_is_a_convolution_as_in_keras_applications(small):
    assert small.get_layer("conv_preds").kernel.shape == (1, 1, 256, 1000)


def test_every_activation_is_cut_off_at_six(small):
    layers = [x for x in small.layers if isinstance(x, keras.layers.ReLU)]
    assert len(layers) == 27 and {layer.max_value for layer in layers} == {6.0}


@pytest.mark.slow
def test_no_width_leaves_a_layer_without_a_filter():
    network = mobilenet(width=0.01, num_classes=None, input_shape=(31, 31, 3))
    assert network.get_layer("conv1").filters == 1


@pytest.mark.parametrize("shape", [(30, 31, 3), (31, 30, 3)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(UsageError, match="must be at least 31x31 for mobilenet"):
        mobilenet(input_shape=shape)


@pytest.mark.parametrize("width", [0, -1.0, float("nan"), float("inf")])
def test_width_that_is_not_positive_is_refused(width):
    with pytest.raises(UsageError, match="`width` must be a positive number"):
        mobilenet(width=width)


def test_zero_classes_are_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        mobilenet(num_classes=0)


@pytest.fixture(scope="module")
def backbone():
    """MobileNet at its native size, without its top."""
    return mobilenet(num_classes=None)


@pytest.mark.slow
def test_backbone_has_its_number_of_parameters(backbone):
    assert backbone.count_params() == WITHOUT_TOP


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_feature_map_has_the_papers_shape_after_each_block(layer, shape, backbone):
    assert backbone.get_layer(layer).output.shape[1:] == shape


@pytest.mark.slow
def test_stages_end_where_the_resolution_does(backbone):
    assert stages(backbone) == tuple(f"conv_pw_{index}_relu" for index in STAGES)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "millions"), PUBLISHED_MILLIONS.items())
def test_width_has_the_published_number_of_parameters(width, millions):
    network = mobilenet(width=width)
    count = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert round(count / 1e6, 1) == millions


def application(width, size):
    return keras.applications.MobileNet(
        alpha=width,
        weights=None,
        classifier_activation=None,
        input_shape=(*size, 3),
    )


@pytest.fixture(scope="module", params=PARAMETERS)
def width(request):
    """A width at which ours is compared."""
    return request.param


@pytest.fixture(scope="module")
def reference(width):
    """The network of keras.applications with random weights."""
    return parity.fill(application(width, (224, 224)), parity.pixels(224))


@pytest.fixture(scope="module")
def ours(width):
    """The same network of ours; tests load weights into it."""
    return mobilenet(width=width)


@pytest.mark.slow
def test_network_has_the_number_of_parameters_of_keras_applications(ours, width):
    assert ours.count_params() == PARAMETERS[width]


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications(reference, ours):
    parity.copy_by_name(reference, parity.blank(ours))
    images = parity.pixels(224, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications_at_odd_sides(reference, width):
    theirs = parity.copy_by_name(reference, application(width, OTHER_SIZE))
    ours = mobilenet(width=width, input_shape=(*OTHER_SIZE, 3))
    parity.copy_by_name(reference, ours)
    images = parity.pixels(*OTHER_SIZE, seed=2)
    assert parity.difference(ours, theirs, images) < parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("by_name", [None, True])
def test_keras_weight_file_fits(reference, ours, by_name, tmp_path):
    path = parity.write_keras_file(tmp_path / "mobilenet.h5", reference)
    parity.blank(ours).load_weights(path, by_name=by_name)
    images = parity.pixels(224, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("width", [1.0], indirect=True)
@pytest.mark.parametrize("by_name", [None, True])
def test_keras_weight_file_without_the_top_fits(reference, backbone, by_name, tmp_path):
    theirs = parity.up_to(reference, "conv_pw_13_relu")
    path = parity.write_keras_file(tmp_path / "mobilenet_notop.h5", theirs)
    parity.blank(backbone).load_weights(path, by_name=by_name)
    images = parity.pixels(224, seed=2)
    assert parity.difference(backbone, theirs, images) < parity.TOLERANCE
