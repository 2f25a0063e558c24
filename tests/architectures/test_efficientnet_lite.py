"""EfficientNet-Lite against its release: counts, shapes, names."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tl_keras.architectures.efficientnet_lite import VARIANTS, efficientnet_lite
from tl_keras.errors import UsageError

# The release's notes (tensorflow/tpu, models/official/efficientnet/lite), in millions
# of trainable parameters.
PUBLISHED_MILLIONS = {
    "efficientnet_lite0": 4.7,
    "efficientnet_lite1": 5.4,
    "efficientnet_lite2": 6.1,
    "efficientnet_lite3": 8.2,
    "efficientnet_lite4": 13.0,
}
# Counted in the release's own efficientnet-lite0, with 1000 classes.
LITE0_PARAMETERS = 4_694_024
CLASSIFIER_PARAMETERS = 1280 * 1000 + 1000
LAST_OF_STAGE = {
    "stem_activation": 112,
    "block1a_project_bn": 112,
    "block2b_add": 56,
    "block3b_add": 28,
    "block4c_add": 14,
    "block5c_add": 14,
    "block6d_add": 7,
    "block7a_project_bn": 7,
}


@pytest.fixture(scope="module")
def small():
    """Lite0 with its top, for images of 64 pixels."""
    return efficientnet_lite(input_shape=(64, 64, 3), num_classes=1000)


@pytest.fixture(scope="module")
def backbone():
    """Lite0 without its top, for images of 64 pixels."""
    return efficientnet_lite(input_shape=(64, 64, 3), num_classes=None)


@pytest.fixture(scope="module")
def bare():
    """Lite0 for the smallest images and 7 classes, without dropped branches."""
    return efficientnet_lite(
        input_shape=(32, 32, 3), num_classes=7, drop_connect_rate=0.0
    )


def test_lite0_has_the_published_number_of_parameters(small):
    # The statistics of the batch normalization count, as they do in the release.
    assert small.count_params() == LITE0_PARAMETERS


def test_backbone_lacks_the_classifiers_parameters_only(small, backbone):
    top = small.count_params() - backbone.count_params()
    assert top == CLASSIFIER_PARAMETERS


def test_backbone_ends_at_the_feature_map(backbone):
    assert backbone.output_shape == (None, 2, 2, 1280)


def test_network_with_top_gives_one_logit_a_class(bare):
    assert bare.output_shape == (None, 7)


def test_logits_are_no_probabilities(small):
    assert small.get_layer("predictions").activation is keras.activations.linear


def test_logits_of_random_pixels_are_finite(small):
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3))
    assert np.isfinite(small(pixels).numpy()).all()


def test_every_trainable_weight_gets_a_gradient(bare):
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(bare(pixels) ** 2)
    gradients = tape.gradient(loss, bare.trainable_weights)
    assert all(gradient is not None for gradient in gradients)


def test_layer_names_are_unique(small):
    names = [layer.name for layer in small.layers]
    assert len(set(names)) == len(names)


def test_layer_names_do_not_depend_on_the_top(small, backbone):
    names = [layer.name for layer in small.layers]
    assert names[:-3] == [layer.name for layer in backbone.layers]


def test_channels_of_the_stages_are_those_of_the_table(backbone):
    last = [name for name in LAST_OF_STAGE if name.startswith("block")]
    channels = [backbone.get_layer(name).output.shape[-1] for name in last]
    assert channels == [16, 24, 40, 80, 112, 192, 320]


def test_every_activation_is_cut_off_at_six(backbone):
    layers = [x for x in backbone.layers if isinstance(x, keras.layers.ReLU)]
    assert {layer.max_value for layer in layers} == {6.0}


def test_no_convolution_has_a_bias(backbone):
    layers = [x for x in backbone.layers if isinstance(x, keras.layers.Conv2D)]
    assert not any(layer.use_bias for layer in layers)


def test_chance_to_drop_a_branch_grows_from_block_to_block(backbone):
    layers = [x for x in backbone.layers if isinstance(x, keras.layers.Dropout)]
    rates = [layer.rate for layer in layers]
    assert rates == sorted(rates) and 0 < rates[0] and rates[-1] < 0.2


def test_drop_rate_of_zero_leaves_the_dropout_in_the_blocks_out(bare):
    layers = [x.name for x in bare.layers if isinstance(x, keras.layers.Dropout)]
    assert layers == ["top_dropout"]


def test_whole_branches_are_dropped_and_not_single_values(backbone):
    layers = [x for x in backbone.layers if isinstance(x, keras.layers.Dropout)]
    assert {layer.noise_shape for layer in layers} == {(None, 1, 1, 1)}


def test_smallest_image_gives_one_place(bare):
    assert bare.get_layer("top_activation").output.shape == (None, 1, 1, 1280)


@pytest.mark.parametrize("shape", [(31, 32, 3), (32, 31, 3), (8, 8, 3)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(UsageError, match="must be at least 32x32 for efficientnet"):
        efficientnet_lite(input_shape=shape)


def test_unknown_variant_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="Did you mean 'efficientnet_lite4'"):
        efficientnet_lite(variant="efficientnet_lite_4")


@pytest.fixture(scope="module")
def reference():
    """EfficientNet-B0 of keras.applications: the same blocks with more in them."""
    return keras.applications.EfficientNetB0(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )


def test_layers_have_the_names_that_keras_applications_uses(backbone, reference):
    theirs = {layer.name for layer in reference.layers}
    ours = {layer.name for layer in backbone.layers}
    assert ours - theirs == {"pixels"}


def test_layers_of_keras_applications_are_there_but_for_what_lite_leaves_out(
    backbone, reference
):
    ours = {layer.name for layer in backbone.layers}
    missing = [
        layer.name
        for layer in reference.layers
        if layer.name.startswith("block")
        and "_se_" not in layer.name
        and "dwconv_pad" not in layer.name
        and layer.name not in ours
    ]
    assert missing == []


def test_blocks_weights_have_the_shapes_of_keras_applications(backbone, reference):
    def shapes(network):
        return {
            layer.name: [tuple(weight.shape) for weight in layer.weights]
            for layer in network.layers
            if layer.weights
            and "_se_" not in layer.name
            and layer.name != "normalization"
        }

    assert shapes(backbone) == shapes(reference)


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "side"), LAST_OF_STAGE.items())
def test_feature_map_has_the_papers_size_after_each_stage(layer, side, native):
    assert native.get_layer(layer).output.shape[1:3] == (side, side)


@pytest.fixture(scope="module")
def native():
    """Lite0 at its native size."""
    return efficientnet_lite(num_classes=None)


@pytest.mark.slow
def test_feature_map_is_7_by_7_at_224(native):
    assert native.output_shape == (None, 7, 7, 1280)


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "millions"), PUBLISHED_MILLIONS.items())
def test_variant_has_the_published_number_of_parameters(variant, millions):
    network = efficientnet_lite(variant=variant)
    count = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert round(count / 1e6, 1) == millions


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_takes_its_native_size_by_default(variant):
    network = efficientnet_lite(variant=variant, num_classes=None)
    side = VARIANTS[variant][2]
    assert network.input_shape == (None, side, side, 3)
