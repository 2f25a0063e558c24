"""GoogLeNet against its paper: counts, shapes, branches, auxiliary classifiers."""

import keras
import numpy as np
import pytest

from tl_keras.architectures.googlenet import googlenet, loss_weights
from tl_keras.architectures.lrn import LocalResponseNormalization
from tl_keras.errors import UsageError

# Counted from table 1 of the paper, kernels and biases, with 1000 classes; each
# auxiliary classifier as in section 5, on 512 and on 528 maps of 14x14.
PARAMETERS = 6_998_552
AUXILIARY_PARAMETERS = {"aux_4a": 3_188_840, "aux_4d": 3_190_888}
WITH_AUXILIARY = 13_378_280
# Table 1, column "output size".
SHAPES = {
    "conv1_relu": (112, 112, 64),
    "conv1_pool": (56, 56, 64),
    "conv2_3x3_relu": (56, 56, 192),
    "conv2_pool": (28, 28, 192),
    "inception3a_concat": (28, 28, 256),
    "inception3b_concat": (28, 28, 480),
    "pool3": (14, 14, 480),
    "inception4a_concat": (14, 14, 512),
    "inception4b_concat": (14, 14, 512),
    "inception4c_concat": (14, 14, 512),
    "inception4d_concat": (14, 14, 528),
    "inception4e_concat": (14, 14, 832),
    "pool4": (7, 7, 832),
    "inception5a_concat": (7, 7, 832),
    "inception5b_concat": (7, 7, 1024),
}
# The module's branches in their order, figure 2b: kernel sizes along each.
BRANCHES = {
    "1x1": (1, 64),
    "3x3_reduce": (1, 96),
    "3x3": (3, 128),
    "5x5_reduce": (1, 16),
    "5x5": (5, 32),
    "pool_projection": (1, 32),
}


@pytest.fixture(scope="module")
def backbone():
    """The network up to 5b, at the native size."""
    return googlenet(num_classes=None)


@pytest.fixture(scope="module")
def auxiliary():
    """The network with both auxiliary classifiers for their smallest images."""
    keras.utils.set_random_seed(0)
    return googlenet(num_classes=4, input_shape=(65, 65, 3), auxiliary=True)


@pytest.fixture(scope="module")
def normalized():
    """The network with batch normalization for the smallest images."""
    return googlenet(num_classes=4, input_shape=(32, 32, 3), batch_norm=True)


def test_backbone_lacks_the_classifiers_parameters_only(backbone):
    assert backbone.count_params() == PARAMETERS - (1024 * 1000 + 1000)


@pytest.mark.slow
def test_network_has_the_papers_number_of_parameters():
    assert googlenet().count_params() == PARAMETERS


@pytest.mark.slow
def test_auxiliary_classifiers_have_the_papers_number_of_parameters():
    network = googlenet(auxiliary=True)
    found = {
        head: sum(x.count_params() for x in network.layers if x.name.startswith(head))
        for head in AUXILIARY_PARAMETERS
    }
    assert found == AUXILIARY_PARAMETERS


@pytest.mark.slow
def test_network_with_auxiliary_classifiers_has_13378280_parameters():
    assert googlenet(auxiliary=True).count_params() == WITH_AUXILIARY


@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_layer_has_the_shape_of_table_1(backbone, layer, shape):
    assert backbone.get_layer(layer).output.shape == (None, *shape)


def test_branches_have_the_papers_kernels(backbone):
    found = {}
    for branch in BRANCHES:
        layer = backbone.get_layer(f"inception3a_{branch}")
        found[branch] = (layer.kernel_size[0], layer.filters)
    assert found == BRANCHES


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("1x1", "conv2_pool"),
        ("3x3", "inception3a_3x3_reduce_relu"),
        ("5x5", "inception3a_5x5_reduce_relu"),
        ("pool", "conv2_pool"),
        ("pool_projection", "inception3a_pool"),
    ],
)
def test_branch_reads_what_figure_2_shows(backbone, layer, source):
    tensor = backbone.get_layer(f"inception3a_{layer}").input
    assert tensor is backbone.get_layer(source).output


def test_poolings_take_the_largest_of_3x3(backbone):
    # Two in the stem, one in each of nine modules, two between them.
    kind = keras.layers.MaxPooling2D
    found = [x.pool_size for x in backbone.layers if isinstance(x, kind)]
    assert found == [(3, 3)] * 13


def test_branches_are_joined_in_the_tables_order(backbone):
    joined = [x.shape[-1] for x in backbone.get_layer("inception3a_concat").input]
    assert joined == [64, 128, 32, 32]


def test_network_has_57_convolutions_with_biases(backbone):
    # Three in the stem, six in each of nine modules.
    kind = keras.layers.Conv2D
    found = [x.use_bias for x in backbone.layers if isinstance(x, kind)]
    assert found == [True] * 57


def test_stem_is_normalized_as_in_figure_3(backbone):
    names = [layer.name for layer in backbone.layers]
    assert names[1:11] == [
        "conv1",
        "conv1_relu",
        "conv1_pool",
        "conv1_norm",
        "conv2_reduce",
        "conv2_reduce_relu",
        "conv2_3x3",
        "conv2_3x3_relu",
        "conv2_norm",
        "conv2_pool",
    ]


def test_auxiliary_outputs_are_named(auxiliary):
    shapes = {name: tensor.shape for name, tensor in auxiliary.output.items()}
    assert shapes == dict.fromkeys(("logits", "aux_4a", "aux_4d"), (None, 4))


@pytest.mark.parametrize("name", ["4a", "4d"])
def test_auxiliary_classifier_reads_the_papers_module(auxiliary, name):
    source = auxiliary.get_layer(f"inception{name}_concat").output
    assert auxiliary.get_layer(f"aux_{name}_pool").input is source


@pytest.mark.slow
def test_auxiliary_classifier_pools_to_4x4_at_224():
    network = googlenet(auxiliary=True)
    assert network.get_layer("aux_4d_pool").output.shape == (None, 4, 4, 528)


def test_dropout_has_the_papers_rates(auxiliary):
    kind = keras.layers.Dropout
    found = {x.name: x.rate for x in auxiliary.layers if isinstance(x, kind)}
    assert found == {"aux_4a_dropout": 0.7, "aux_4d_dropout": 0.7, "dropout": 0.4}


def test_loss_weights_are_the_papers():
    assert loss_weights() == {"logits": 1.0, "aux_4a": 0.3, "aux_4d": 0.3}


@pytest.mark.slow
def test_loss_adds_0_3_times_the_auxiliary_losses(auxiliary):
    network = keras.Model(
        auxiliary.input,
        {name: keras.layers.Rescaling(0.0)(x) for name, x in auxiliary.output.items()},
    )
    network.compile(
        loss=dict.fromkeys(network.output, "mse"), loss_weights=loss_weights()
    )
    pixels = np.zeros((2, 65, 65, 3))
    targets = {"logits": 1.0, "aux_4a": 10.0, "aux_4d": 100.0}
    targets = {name: np.full((2, 4), value) for name, value in targets.items()}
    loss = network.evaluate(pixels, targets, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(1 + 0.3 * 100 + 0.3 * 10_000)


@pytest.mark.slow
def test_logits_do_not_need_the_auxiliary_classifiers(auxiliary):
    plain = googlenet(num_classes=4, input_shape=(65, 65, 3))
    for layer in plain.layers:
        layer.set_weights(auxiliary.get_layer(layer.name).get_weights())
    pixels = np.random.default_rng(0).normal(size=(2, 65, 65, 3))
    logits = auxiliary(pixels)["logits"]
    np.testing.assert_allclose(plain(pixels), logits, rtol=1e-5, atol=1e-6)


def test_batch_normalization_takes_the_place_of_biases(normalized):
    kind = keras.layers.Conv2D
    assert not any(x.use_bias for x in normalized.layers if isinstance(x, kind))


def test_batch_normalization_follows_every_convolution(normalized):
    names = [layer.name for layer in normalized.layers]
    kind = keras.layers.Conv2D
    convs = [x.name for x in normalized.layers if isinstance(x, kind)]
    found = [normalized.get_layer(f"{name}_bn").input for name in convs]
    outputs = [normalized.get_layer(name).output for name in convs]
    assert all(a is b for a, b in zip(found, outputs)) and len(names) > 3 * 57


def test_batch_normalization_takes_the_place_of_the_other_one(normalized):
    kind = LocalResponseNormalization
    assert not any(isinstance(layer, kind) for layer in normalized.layers)


def test_smallest_image_gives_one_place(normalized):
    layer = normalized.get_layer("inception5b_concat")
    assert layer.output.shape == (None, 1, 1, 1024)


@pytest.mark.parametrize(("auxiliary", "side"), [(False, 32), (True, 65)])
def test_image_that_is_too_small_is_refused(auxiliary, side):
    with pytest.raises(UsageError, match=f"at least {side}x{side} for googlenet"):
        googlenet(input_shape=(side, side - 1, 3), auxiliary=auxiliary)


def test_auxiliary_classifiers_without_classes_are_refused():
    with pytest.raises(UsageError, match="`auxiliary` needs classes"):
        googlenet(num_classes=None, auxiliary=True)


def test_no_class_is_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        googlenet(num_classes=0)
