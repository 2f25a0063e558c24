"""AlexNet against its paper: counts, shapes, groups, initial weights."""

import keras
import numpy as np
import pytest

from tl_keras.architectures import alexnet as module
from tl_keras.architectures.alexnet import alexnet
from tl_keras.architectures.lrn import LocalResponseNormalization
from tl_keras.errors import UsageError

# Counted by hand from sections 3.5 and 4 of the paper, kernels and biases: with the
# 48, 192 and 192 channels that conv2, conv4 and conv5 see on one GPU, and with all.
PARAMETERS = {1: 62_378_344, 2: 60_965_224}
CONV_PARAMETERS = {
    "conv1": 11 * 11 * 3 * 96 + 96,
    "conv2": 5 * 5 * 48 * 256 + 256,
    "conv3": 3 * 3 * 256 * 384 + 384,
    "conv4": 3 * 3 * 192 * 384 + 384,
    "conv5": 3 * 3 * 192 * 256 + 256,
}
# Figure 2 (its poolings left out), for 227 pixels.
SHAPES = {
    "conv1_norm": (55, 55, 96),
    "conv1_pool": (27, 27, 96),
    "conv2_norm": (27, 27, 256),
    "conv2_pool": (13, 13, 256),
    "conv3_relu": (13, 13, 384),
    "conv4_relu": (13, 13, 384),
    "conv5_pool": (6, 6, 256),
}


@pytest.fixture(scope="module")
def backbone():
    """The paper's layers up to the last pooling, at the native size."""
    keras.utils.set_random_seed(0)
    return alexnet(num_classes=None)


@pytest.fixture(scope="module")
def small():
    """The whole network, its hidden layers narrow, for the smallest images."""
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HIDDEN_UNITS", 256)
        return alexnet(num_classes=5, input_shape=(67, 67, 3))


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "count"), PARAMETERS.items())
def test_network_has_the_papers_number_of_parameters(groups, count):
    assert alexnet(groups=groups).count_params() == count


@pytest.mark.parametrize(("layer", "count"), CONV_PARAMETERS.items())
def test_convolution_has_the_papers_number_of_parameters(backbone, layer, count):
    assert backbone.get_layer(layer).count_params() == count


@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_layer_has_the_papers_shape(backbone, layer, shape):
    assert backbone.get_layer(layer).output.shape == (None, *shape)


def test_backbone_ends_at_the_last_pooling(backbone):
    assert backbone.output_shape == (None, 6, 6, 256)


def test_poolings_overlap_as_in_section_3_4(backbone):
    kind = keras.layers.MaxPooling2D
    found = [x for x in backbone.layers if isinstance(x, kind)]
    assert {(x.pool_size, x.strides) for x in found} == {((3, 3), (2, 2))}


def test_normalization_follows_relu_and_precedes_pooling(backbone):
    names = [layer.name for layer in backbone.layers]
    block = ["conv1", "conv1_relu", "conv1_norm", "conv1_pool"]
    assert names[1:5] == block


def test_normalization_follows_the_first_two_convolutions_alone(backbone):
    kind = LocalResponseNormalization
    names = [layer.name for layer in backbone.layers if isinstance(layer, kind)]
    assert names == ["conv1_norm", "conv2_norm"]


@pytest.mark.parametrize("name", ["conv2", "conv4", "conv5"])
def test_half_of_a_grouped_layer_sees_half_of_its_input(backbone, name):
    layer = backbone.get_layer(name)
    maps = np.zeros((1, 3, 3, layer.input.shape[-1]), "float32")
    maps[..., : maps.shape[-1] // 2] = 1
    first, second = np.split(layer(maps).numpy() - np.asarray(layer.bias), 2, axis=-1)
    assert np.abs(first).min() > 0 and not second.any()


@pytest.mark.parametrize("name", ["conv1", "conv3"])
def test_ungrouped_layer_sees_all_of_its_input(backbone, name):
    assert backbone.get_layer(name).groups == 1


@pytest.mark.parametrize(
    ("name", "bias"),
    [
        ("conv1", 0),
        ("conv2", 1),
        ("conv3", 0),
        ("conv4", 1),
        ("conv5", 1),
        ("fc6", 1),
        ("fc7", 1),
        ("predictions", 0),
    ],
)
def test_biases_start_as_in_section_5(small, name, bias):
    assert np.all(np.asarray(small.get_layer(name).bias) == bias)


@pytest.mark.parametrize("name", ["conv1", "conv5", "fc6", "predictions"])
def test_weights_start_with_a_deviation_of_a_hundredth(small, name):
    assert np.std(small.get_layer(name).kernel) == pytest.approx(0.01, rel=0.05)


def test_dropout_halves_both_hidden_layers(small):
    kind = keras.layers.Dropout
    found = {x.name: x.rate for x in small.layers if isinstance(x, kind)}
    assert found == {"fc6_dropout": 0.5, "fc7_dropout": 0.5}


@pytest.mark.slow
def test_step_on_the_cpu_lowers_the_loss_of_grouped_convolutions():
    keras.utils.set_random_seed(0)
    network = alexnet(num_classes=None, input_shape=(67, 67, 3))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(network.output))
    network = keras.Model(network.input, outputs)
    network.compile(keras.optimizers.SGD(1e-4), "mse")
    pixels = np.random.default_rng(0).normal(0, 60, (4, 67, 67, 3))
    targets = np.eye(2)[[0, 1, 0, 1]]
    first = network.train_on_batch(pixels, targets)
    assert network.train_on_batch(pixels, targets) < first


def test_network_with_top_gives_one_logit_a_class(small):
    assert small.output_shape == (None, 5)


def test_smallest_image_gives_one_place(small):
    assert small.get_layer("conv5_pool").output.shape == (None, 1, 1, 256)


@pytest.mark.parametrize("shape", [(66, 67, 3), (67, 66, 3)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(UsageError, match="must be at least 67x67 for alexnet"):
        alexnet(input_shape=shape)


@pytest.mark.parametrize("groups", [0, -2, 3, 64])
def test_groups_that_do_not_divide_the_filters_are_refused(groups):
    with pytest.raises(UsageError, match=f"`groups` must divide 32.*: {groups}"):
        alexnet(groups=groups)


def test_no_class_is_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        alexnet(num_classes=0)
