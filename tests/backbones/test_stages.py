"""Where networks can be cut, and that the parts compute what the whole does."""

import keras
import numpy as np
import pytest
from keras import layers

from tl_keras.backbones import catalogue
from tl_keras.backbones.stages import blocks, cut_layers, last_frozen, output_of, stages
from tl_keras.errors import UsageError

LITE0_STAGES = (
    "block1a_project_bn",
    "block2b_add",
    "block3b_add",
    "block5c_add",
    "top_activation",
)


def conv(x, name, filters=4, strides=1):
    return layers.Conv2D(filters, 3, strides, padding="same", name=name)(x)


def chain():
    inputs = x = keras.Input((16, 16, 3))
    for name in ("a_conv", "b_conv", "c_conv"):
        x = conv(x, name)
    return keras.Model(inputs, x)


def residual():
    """Returns a stem, a block with a shortcut, and a convolution behind it."""
    inputs = keras.Input((16, 16, 3))
    shortcut = x = conv(inputs, "stem")
    x = conv(x, "block_conv1")
    x = conv(x, "block_conv2")
    x = layers.Add(name="block_add")([x, shortcut])
    return keras.Model(inputs, conv(x, "last"))


def two_branches():
    """Returns a stem and two branches that are joined."""
    inputs = keras.Input((16, 16, 3))
    stem = conv(inputs, "stem")
    left = conv(conv(stem, "left1"), "left2")
    right = conv(stem, "right")
    joined = layers.Concatenate(name="join")([left, right])
    return keras.Model(inputs, conv(joined, "last"))


def shortcut_from_the_input():
    inputs = keras.Input((16, 16, 3))
    x = conv(conv(inputs, "one"), "two", filters=3)
    return keras.Model(inputs, layers.Add(name="add")([x, inputs]))


def nested_shortcuts():
    inputs = keras.Input((16, 16, 3))
    outer = conv(inputs, "stem")
    inner = conv(outer, "outer_conv")
    x = layers.Add(name="inner_add")([conv(inner, "inner_conv"), inner])
    return keras.Model(inputs, layers.Add(name="outer_add")([x, outer]))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (chain, ["a_conv", "b_conv", "c_conv"]),
        (residual, ["stem", "block_add", "last"]),
        (two_branches, ["stem", "join", "last"]),
        (shortcut_from_the_input, ["add"]),
        (nested_shortcuts, ["stem", "outer_add"]),
    ],
)
def test_cuts_are_the_layers_that_every_path_runs_through(network, expected):
    assert cut_layers(network()) == expected


def test_every_cut_gives_two_networks_that_compute_the_whole():
    network = residual()
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    whole = network(images).numpy()
    for name in cut_layers(network)[:-1]:
        tensor = network.get_layer(name).output
        first = keras.Model(network.input, tensor)
        second = keras.Model(tensor, network.output)
        assert np.allclose(second(first(images)), whole, rtol=1e-5, atol=1e-6)


def test_stages_end_at_the_last_block_of_each_resolution():
    inputs = keras.Input((32, 32, 3))
    x = conv(inputs, "stem_conv", strides=2)
    x = conv(conv(x, "block1_conv"), "block2_conv")
    x = conv(conv(x, "block3_down", strides=2), "block3_conv")
    network = keras.Model(inputs, conv(x, "block4_conv"))
    assert stages(network) == ("block2_conv", "block4_conv")


def test_stage_never_ends_inside_a_block():
    # The block's expansion is a cut too, but six times as wide.
    inputs = keras.Input((32, 32, 3))
    x = conv(inputs, "stem_conv", strides=2)
    x = conv(x, "block1_expand", filters=24)
    network = keras.Model(inputs, conv(x, "block1_project", strides=2))
    assert stages(network) == ("stem_conv", "block1_project")


def test_block_is_known_by_its_words_up_to_a_number():
    inputs = keras.Input((32, 32, 3))
    x = conv(inputs, "conv_dw_1", strides=2)
    x = conv(conv(x, "conv_pw_1"), "conv_dw_2", strides=2)
    network = keras.Model(inputs, conv(x, "conv_pw_2"))
    assert stages(network) == ("conv_pw_1", "conv_pw_2")


def test_padding_belongs_to_the_strided_layer_behind_it():
    inputs = keras.Input((32, 32, 3))
    x = conv(inputs, "block1_conv", strides=2)
    x = layers.ZeroPadding2D(name="pad2")(x)
    network = keras.Model(inputs, conv(x, "block2_conv", strides=2))
    assert stages(network) == ("block1_conv", "block2_conv")


def test_pooling_at_the_end_is_part_of_the_stage_before_it():
    inputs = keras.Input((32, 32, 3))
    x = conv(inputs, "block1_conv", strides=2)
    x = conv(x, "block2_conv", strides=2)
    network = keras.Model(inputs, layers.MaxPooling2D(2, name="pool")(x))
    assert stages(network) == ("block1_conv", "pool")


def test_normalization_at_the_start_is_no_stage():
    inputs = keras.Input((32, 32, 3))
    x = layers.BatchNormalization(name="start")(inputs)
    network = keras.Model(inputs, conv(x, "block1_conv", strides=2))
    assert stages(network) == ("block1_conv",)


def names_of_blocks(network):
    return [block.name for block in blocks(network)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("conv2_block1_out", "conv2_block2_out"), ["conv2_block1", "conv2_block2"]),
        (("conv2_block1_1_conv", "conv2_block1_2_conv"), ["conv2_block1"]),
        (("block35_1_conv", "block35_2_conv"), ["block35_1", "block35_2"]),
        (("block_1_expand", "block_1_project"), ["block_1"]),
        (
            ("stage_0_block_0_a", "stage_0_block_1_a"),
            [f"stage_0_block_{n}" for n in (0, 1)],
        ),
        (("block5a_add", "block5b_add"), ["block5a", "block5b"]),
        (("stem_conv", "top_conv"), ["stem", "top"]),
        # The network's own name in front says nothing.
        (("net_stage_0_conv", "net_stage_1_conv"), ["stage_0", "stage_1"]),
    ],
    ids=str,
)
def test_blocks_are_read_off_the_layers_names(names, expected):
    inputs = x = keras.Input((8, 8, 3))
    for name in names:
        x = conv(x, name)
    assert names_of_blocks(keras.Model(inputs, x, name="net")) == expected


def test_layers_that_keras_numbered_belong_to_the_block_before_them():
    inputs = keras.Input((8, 8, 3))
    x = layers.ReLU()(conv(inputs, "block1_conv"))
    x = layers.Conv2D(4, 1)(x) + x
    network = keras.Model(inputs, conv(x, "block2_conv"))
    assert names_of_blocks(network) == ["block1", "block2"]
    assert blocks(network)[0].end == x._keras_history.operation.name


@pytest.mark.parametrize("side", [1, 4, 32, 33, None])
def test_stages_do_not_depend_on_the_image_size(side):
    inputs = x = keras.Input((side, side, 3))
    for index in (1, 2, 3):
        x = conv(x, f"block{index}_conv", strides=2)
    assert len(stages(keras.Model(inputs, x))) == 3


def test_stride_of_a_nested_network_counts():
    inner_inputs = keras.Input((32, 32, 4))
    inner = keras.Model(inner_inputs, conv(inner_inputs, "inside", strides=2))
    inner.name = "block2"
    inputs = keras.Input((32, 32, 3))
    x = inner(conv(inputs, "block1_conv"))
    network = keras.Model(inputs, conv(x, "block3_conv"))
    assert stages(network) == ("block1_conv", "block3_conv")


def test_cut_at_a_sum_that_is_written_with_a_plus():
    inputs = keras.Input((32, 32, 3))
    shortcut = conv(inputs, "block1_conv", strides=2)
    x = conv(shortcut, "block1_more") + shortcut
    network = keras.Model(inputs, conv(x, "block2_conv", strides=2))
    assert output_of(network, last_frozen(network, 1)) is x


@pytest.fixture(scope="module")
def lite0():
    """Lite0 at 64 pixels, with batch normalization that does something."""
    backbone = catalogue.load("efficientnet_lite0", weights=None, image_size=64)
    random = np.random.default_rng(1)
    for layer in backbone.network.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights(
                [
                    random.uniform(0.8, 1.6, shape),
                    random.normal(0.5, 0.5, shape),
                    random.normal(0, 0.2, shape),
                    random.uniform(0.2, 0.8, shape),
                ]
            )
    return backbone


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def whole(lite0, images):
    return lite0.model(images).numpy()


def test_lite0_has_these_stages(lite0):
    assert lite0.stages == LITE0_STAGES


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 100, 224])
def test_stages_of_lite0_do_not_depend_on_the_image_size(size):
    backbone = catalogue.load("efficientnet_lite0", weights=None, image_size=size)
    assert backbone.stages == LITE0_STAGES


def test_output_of_the_test_network_is_not_trivial(whole):
    assert whole.std() > 0.1


@pytest.mark.parametrize("unfreeze", [1, 2, 3, 4])
def test_prefix_then_suffix_equals_the_whole_network(lite0, images, whole, unfreeze):
    prefix, suffix = lite0.split(unfreeze)
    assert np.allclose(suffix(prefix(images)), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unfreeze", [1, 2, 3, 4])
def test_parameters_of_prefix_and_suffix_add_up(lite0, unfreeze):
    prefix, suffix = lite0.split(unfreeze)
    total = prefix.count_params() + suffix.count_params()
    assert total == lite0.network.count_params()


def test_larger_suffix_has_more_parameters(lite0):
    counts = [lite0.split(n)[1].count_params() for n in (1, 2, 3, 4)]
    assert counts == sorted(counts) and counts[0] < counts[-1]


@pytest.mark.parametrize("unfreeze", [1, 4])
def test_suffix_shares_its_layers_with_the_network(lite0, unfreeze):
    _, suffix = lite0.split(unfreeze)
    own = [layer for layer in suffix.layers if layer.weights]
    assert all(lite0.network.get_layer(layer.name) is layer for layer in own)


def test_prefix_shares_its_weights_with_the_network(lite0):
    prefix, suffix = lite0.split(1)
    parts = {id(weight) for weight in prefix.weights + suffix.weights}
    assert parts == {id(weight) for weight in lite0.network.weights}


def test_last_stage_of_lite0_starts_behind_block_5(lite0):
    assert lite0.last_frozen(1) == "block5c_add"


def test_nothing_is_behind_the_whole_network(lite0, images, whole):
    prefix, suffix = lite0.split(0)
    assert not suffix.weights
    assert np.array_equal(suffix(prefix(images)).numpy(), prefix(images).numpy())
    assert np.allclose(prefix(images).numpy(), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unfreeze", ["all", 5])
def test_prefix_of_a_network_that_trains_whole_is_the_preprocessing(
    lite0, images, whole, unfreeze
):
    prefix, suffix = lite0.split(unfreeze)
    assert not prefix.weights
    assert np.allclose(prefix(images).numpy(), (images - 127) / 128, atol=1e-6)
    assert np.allclose(suffix(prefix(images)).numpy(), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unfreeze", [-1, 6, 100])
def test_number_of_stages_out_of_range_is_refused(lite0, unfreeze):
    with pytest.raises(UsageError, match="must be 0 to 5 stages .*Received: "):
        lite0.split(unfreeze)


@pytest.mark.parametrize(
    ("unfreeze", "last"),
    [
        (1, "block5c_add"),
        (2, "block3b_add"),
        ("block6a", "block5c_add"),
        ("block6c", "block6b_add"),
        ("block6c_add", "block6b_add"),
        ("block6a_dwconv", "block6a_expand_activation"),
        ("top", "block7a_project_bn"),
        ("top_activation", "top_bn"),
        ("stem", None),
        ("stem_conv", None),
        ("stem_bn", "stem_conv"),
        (0.01, "block7a_project_bn"),
        (0.1, "block6d_add"),
        (0.5, "block4c_add"),
        (0.999, None),
        ("all", None),
        (0, "top_activation"),
    ],
    ids=str,
)
def test_what_trains_is_said_in_stages_names_shares_or_all(lite0, unfreeze, last):
    assert lite0.last_frozen(unfreeze) == last


@pytest.mark.parametrize("name", ["block8", "block6", "", "5"])
def test_name_that_the_network_lacks_is_refused_with_its_blocks(lite0, name):
    with pytest.raises(UsageError, match="no block or layer .*block6a, .*top"):
        lite0.split(name)


def test_name_that_is_nearly_right_is_suggested(lite0):
    with pytest.raises(UsageError, match="Did you mean 'block6a'?"):
        lite0.split("blck6a")


def test_place_of_the_cut_counts_the_frozen_layers(lite0):
    layers_behind = len(lite0.network.layers) - lite0.place_of_cut(1)
    # The suffix has an input of its own.
    assert layers_behind == len(lite0.split(1)[1].layers) - 1
    assert lite0.place_of_cut("all") == 0
