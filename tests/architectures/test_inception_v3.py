"""Inception V3 against its paper, `keras.applications` and torchvision's count."""

import keras
import numpy as np
import parity
import pytest

from tl_keras.architectures.inception_v3 import inception_v3, loss_weights
from tl_keras.backbones.stages import stages
from tl_keras.errors import UsageError

# `count_params()` of keras.applications.InceptionV3, with 1000 classes.
PARAMETERS = 23_851_784
CLASSIFIER_PARAMETERS = 2048 * 1000 + 1000
# torchvision's table of models counts the auxiliary head. Unlike Keras's network its
# own has a scale for each of the 17,216 maps, and the head's 128 + 768.
TORCHVISION_TRAINABLE = 27_161_264
TORCHVISION_SCALES = 17_216 + 128 + 768
# Table 1 of the paper: the side and the number of the maps,
# those in the stem as released.
SHAPES = {
    "stem1_1_relu": (149, 149, 32),
    "stem1_2_relu": (147, 147, 32),
    "stem1_3_relu": (147, 147, 64),
    "stem1_pool": (73, 73, 64),
    "stem2_1_relu": (73, 73, 80),
    "stem2_2_relu": (71, 71, 192),
    "stem2_pool": (35, 35, 192),
    "mixed0": (35, 35, 256),
    "mixed1": (35, 35, 288),
    "mixed2": (35, 35, 288),
    "mixed3": (17, 17, 768),
    "mixed4": (17, 17, 768),
    "mixed7": (17, 17, 768),
    "mixed8": (8, 8, 1280),
    "mixed9": (8, 8, 2048),
    "mixed10": (8, 8, 2048),
}
OTHER_SIZE = (150, 131)


@pytest.fixture(scope="module")
def small():
    """Inception V3 for the smallest images and 7 classes."""
    return inception_v3(num_classes=7, input_shape=(75, 75, 3))


@pytest.mark.slow
def test_smallest_image_gives_one_place(small):
    assert small.get_layer("mixed10").output.shape == (None, 1, 1, 2048)


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
def test_normalization_has_no_scale(small):
    layers = [x for x in small.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(layers) == 94 and not any(layer.scale for layer in layers)


@pytest.mark.slow
def test_stages_end_where_the_resolution_does(small):
    backbone = parity.up_to(small, "mixed10")
    assert stages(backbone) == (
        "stem1_3_relu",
        "stem2_2_relu",
        "mixed2",
        "mixed7",
        "mixed10",
    )


@pytest.mark.parametrize(("auxiliary", "least"), [(False, 75), (True, 107)])
def test_image_that_is_too_small_is_refused(auxiliary, least):
    with pytest.raises(UsageError, match=f"must be at least {least}x{least} for"):
        inception_v3(auxiliary=auxiliary, input_shape=(least, least - 1, 3))


def test_auxiliary_head_without_classes_is_refused():
    with pytest.raises(UsageError, match="`auxiliary` needs classes to tell apart"):
        inception_v3(num_classes=None, auxiliary=True)


def test_zero_classes_are_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        inception_v3(num_classes=0)


@pytest.fixture(scope="module")
def backbone():
    """Inception V3 at its native size, without its top."""
    return inception_v3(num_classes=None)


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_feature_map_has_the_papers_shape_after_each_module(layer, shape, backbone):
    assert backbone.get_layer(layer).output.shape[1:] == shape


@pytest.fixture(scope="module")
def auxiliary():
    """Inception V3 with its auxiliary head."""
    return inception_v3(auxiliary=True)


@pytest.mark.slow
def test_network_with_auxiliary_head_has_torchvisions_number_of_parameters(auxiliary):
    count = sum(int(np.prod(weight.shape)) for weight in auxiliary.trainable_weights)
    assert count + TORCHVISION_SCALES == TORCHVISION_TRAINABLE


@pytest.mark.slow
def test_outputs_with_auxiliary_head_have_names(auxiliary):
    shapes = {name: output.shape for name, output in auxiliary.output.items()}
    assert shapes == {"logits": (None, 1000), "aux_mixed7": (None, 1000)}


@pytest.mark.slow
def test_auxiliary_head_reads_the_last_maps_of_17_by_17(auxiliary):
    assert (
        auxiliary.get_layer("aux_mixed7_pool").input
        is auxiliary.get_layer("mixed7").output
    )


@pytest.mark.slow
def test_auxiliary_head_sees_5_by_5_places(auxiliary):
    assert auxiliary.get_layer("aux_mixed7_1_relu").output.shape == (None, 5, 5, 128)
    assert auxiliary.get_layer("aux_mixed7_2_relu").output.shape == (None, 1, 1, 768)


@pytest.fixture(scope="module")
def small_auxiliary():
    """Inception V3 with its auxiliary head for the smallest images, of 7 classes."""
    return inception_v3(num_classes=7, auxiliary=True, input_shape=(107, 107, 3))


@pytest.mark.slow
def test_smallest_image_with_auxiliary_head_gives_it_one_place(small_auxiliary):
    layer = small_auxiliary.get_layer("aux_mixed7_2_relu")
    assert layer.output.shape == (None, 1, 1, 768)


@pytest.mark.slow
def test_losses_of_both_outputs_are_weighted(small_auxiliary):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    small_auxiliary.compile(
        loss=dict.fromkeys(loss_weights(), loss), loss_weights=loss_weights()
    )
    labels = dict.fromkeys(loss_weights(), np.array([3]))
    losses = small_auxiliary.evaluate(
        parity.pixels(107), labels, verbose=0, return_dict=True
    )
    weighted = losses["logits_loss"] + 0.4 * losses["aux_mixed7_loss"]
    assert losses["loss"] == pytest.approx(weighted)


@pytest.mark.slow
def test_network_without_its_auxiliary_head_is_the_usual_one(auxiliary, ours):
    inference = keras.Model(auxiliary.input, auxiliary.output["logits"])
    assert [x.name for x in inference.layers] == [x.name for x in ours.layers]


def application(size):
    return keras.applications.InceptionV3(
        weights=None, classifier_activation=None, input_shape=(*size, 3)
    )


@pytest.fixture(scope="module")
def reference():
    """Inception V3 of keras.applications with random weights."""
    return parity.fill(application((299, 299)), parity.pixels(299))


@pytest.fixture(scope="module")
def ours():
    """Our Inception V3; tests load weights into it."""
    return inception_v3()


@pytest.mark.slow
def test_network_has_the_number_of_parameters_of_keras_applications(ours):
    assert ours.count_params() == PARAMETERS


@pytest.mark.slow
def test_modules_have_the_names_of_keras_applications(ours):
    names = {layer.name for layer in ours.layers}
    assert {f"mixed{index}" for index in range(11)} <= names


@pytest.mark.slow
def test_layers_with_weights_have_the_order_of_keras_applications(reference, ours):
    def shapes(network):
        return [
            [tuple(weight.shape) for weight in layer.weights]
            for layer in parity.weighted(network)
        ]

    assert shapes(ours) == shapes(reference)


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications(reference, ours):
    parity.copy_by_order(reference, parity.blank(ours))
    images = parity.pixels(299, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications_at_another_size(reference):
    theirs = parity.copy_by_order(reference, application(OTHER_SIZE))
    ours = parity.copy_by_order(reference, inception_v3(input_shape=(*OTHER_SIZE, 3)))
    images = parity.pixels(*OTHER_SIZE, seed=2)
    assert parity.difference(ours, theirs, images) < parity.TOLERANCE


@pytest.mark.slow
def test_keras_weight_file_fits(reference, ours, tmp_path):
    path = parity.write_keras_file(tmp_path / "inception_v3.h5", reference)
    parity.blank(ours).load_weights(path)
    images = parity.pixels(299, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
def test_keras_weight_file_without_the_top_fits(reference, backbone, tmp_path):
    theirs = parity.up_to(reference, "mixed10")
    path = parity.write_keras_file(tmp_path / "inception_v3_notop.h5", theirs)
    parity.blank(backbone).load_weights(path)
    images = parity.pixels(299, seed=2)
    assert parity.difference(backbone, theirs, images) < parity.TOLERANCE
