"""ResNets against the paper, `keras.applications` and what torchvision computes."""

import keras
import numpy as np
import parity
import pytest
import tensorflow as tf

from tl_keras.architectures.resnet import VARIANTS, resnet
from tl_keras.backbones.stages import stages
from tl_keras.errors import UsageError

# `count_params()` of the networks in keras.applications, with 1000 classes.
PARAMETERS = {
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "resnet152": 60_419_944,
}
# torchvision's table of models, which leaves out the 9,600 statistics of the batch
# normalization.
RESNET_18_TRAINABLE = 11_689_512
RESNET_18_PARAMETERS = 11_699_112
RESNET_34_TRAINABLE = 21_797_672
# The same less three projections: 64 * 128 + 128 * 256 + 256 * 512 weights, and two
# for each of their 128 + 256 + 512 maps.
PLAIN_18_TRAINABLE = 11_515_688
PLAIN_34_TRAINABLE = 21_623_848
# Table 1 of the paper: the side of the maps of conv1 to conv5_x at 224 pixels.
SIDES = [112, 56, 28, 14, 7]
APPLICATIONS = {
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
    "resnet152": keras.applications.ResNet152,
}
OTHER_SIZE = (97, 131)


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def convolutions(network):
    return [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]


def norms(network):
    return [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]


def projections(network):
    return [x.name for x in convolutions(network) if x.name.endswith("_0_conv")]


@pytest.fixture(scope="module")
def resnet18():
    """ResNet-18 with its top, for images of 64x48 pixels."""
    return resnet(variant="resnet18", input_shape=(64, 48, 3))


@pytest.fixture(scope="module")
def resnet50():
    """ResNet-50 without its top."""
    return resnet(num_classes=None)


@pytest.fixture(scope="module")
def plain18():
    """The plain network of 18 layers, without its top, for a single pixel."""
    return resnet(
        variant="resnet18", shortcut=None, num_classes=None, input_shape=(1, 1, 3)
    )


def test_resnet18_has_torchvisions_number_of_parameters(resnet18):
    assert trainable(resnet18) == RESNET_18_TRAINABLE
    assert resnet18.count_params() == RESNET_18_PARAMETERS


def test_plain_network_lacks_the_projections_parameters_only(plain18):
    assert trainable(plain18) == PLAIN_18_TRAINABLE - (512 * 1000 + 1000)


def test_plain_network_has_no_shortcut(plain18):
    assert not any(isinstance(x, keras.layers.Add) for x in plain18.layers)


def test_plain_networks_layers_are_the_residual_ones_without_shortcuts(
    plain18, resnet18
):
    names = [layer.name for layer in resnet18.layers[:-2]]
    branches = [x for x in names if "_0_" not in x and not x.endswith("_add")]
    assert sorted(layer.name for layer in plain18.layers) == sorted(branches)


def test_plain_network_is_called_plain(plain18):
    assert plain18.name == "plain18"


def test_image_of_a_single_pixel_is_taken(plain18):
    assert plain18.output_shape == (None, 1, 1, 512)


def test_logits_are_no_probabilities(resnet18):
    assert resnet18.get_layer("predictions").activation is keras.activations.linear


def test_basic_blocks_have_torchvisions_details(resnet18):
    assert not any(layer.use_bias for layer in convolutions(resnet18))
    assert {layer.epsilon for layer in norms(resnet18)} == {1e-5}


@pytest.mark.slow
def test_last_feature_map_is_wide_behind_bottlenecks(resnet50):
    assert resnet50.output_shape == (None, 7, 7, 2048)


@pytest.mark.slow
def test_bottlenecks_have_the_details_of_keras_applications(resnet50):
    assert all(layer.use_bias for layer in convolutions(resnet50))
    assert {layer.epsilon for layer in norms(resnet50)} == {1.001e-5}


def test_spread_of_a_fresh_kernel_is_that_of_he(plain18):
    kernel = plain18.get_layer("conv5_block2_2_conv").kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / (3 * 3 * 512)), rel=0.01)


def test_projections_stand_where_basic_blocks_change_the_shape(resnet18):
    assert projections(resnet18) == [
        "conv3_block1_0_conv",
        "conv4_block1_0_conv",
        "conv5_block1_0_conv",
    ]


@pytest.mark.slow
def test_projections_stand_at_the_start_of_every_stage_of_bottlenecks(resnet50):
    assert projections(resnet50) == [
        "conv2_block1_0_conv",
        "conv3_block1_0_conv",
        "conv4_block1_0_conv",
        "conv5_block1_0_conv",
    ]


def torchvision_resnet18(network, images):
    """Computes ResNet-18 by formula, as torchvision's forward pass does, in 64 bits."""

    def weights(name):
        return [w.astype(np.float64) for w in network.get_layer(name).get_weights()]

    def conv_bn(x, name, strides=1):
        (kernel,) = weights(f"{name}_conv")
        pad = [kernel.shape[0] // 2] * 2
        x = tf.pad(x, [[0, 0], pad, pad, [0, 0]])
        x = tf.nn.conv2d(x, kernel, strides, "VALID")
        gamma, beta, mean, variance = weights(f"{name}_bn")
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    x = tf.nn.relu(conv_bn(images.astype(np.float64), "conv1", 2))
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
    x = tf.nn.max_pool2d(x, 3, 2, "VALID")
    for stage in (2, 3, 4, 5):
        for block in (1, 2):
            name = f"conv{stage}_block{block}"
            changes = stage > 2 and block == 1
            branch = tf.nn.relu(conv_bn(x, f"{name}_1", 2 if changes else 1))
            branch = conv_bn(branch, f"{name}_2")
            x = tf.nn.relu(branch + (conv_bn(x, f"{name}_0", 2) if changes else x))
    kernel, bias = weights("predictions")
    return tf.reduce_mean(x, (1, 2)) @ kernel + bias


def test_resnet18_computes_what_torchvision_does(resnet18):
    images = parity.pixels(64, 48)
    parity.fill(resnet18, images)
    expected = torchvision_resnet18(resnet18, images).numpy()
    found = resnet18(images, training=False).numpy()
    largest = np.abs(expected).max()
    assert np.abs(found - expected).max() / largest <= parity.TOLERANCE


def test_stages_end_where_the_papers_do(plain18):
    ends = [f"conv{stage}_block2_out" for stage in (2, 3, 4, 5)]
    assert stages(plain18) == ("conv1_relu", *ends)


def test_image_without_pixels_is_refused():
    with pytest.raises(UsageError, match="each at least 1"):
        resnet(input_shape=(0, 32, 3))


def test_unknown_variant_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="Did you mean 'resnet101'"):
        resnet(variant="resnet_101")


def test_unknown_shortcut_is_refused():
    with pytest.raises(UsageError, match="must be 'projection' or None.*'identity'"):
        resnet(shortcut="identity")


def test_zero_classes_are_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        resnet(num_classes=0)


def sides(network):
    """Returns the side of the maps behind each stage."""
    _, blocks = VARIANTS[network.name.replace("plain", "resnet")]
    ends = [f"conv{i}_block{n}_out" for i, n in enumerate(blocks, start=2)]
    shapes = [network.get_layer(x).output.shape[1:3] for x in ("conv1_relu", *ends)]
    assert all(height == width for height, width in shapes)
    return [height for height, _ in shapes]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shortcut", "count"),
    [("projection", RESNET_34_TRAINABLE), (None, PLAIN_34_TRAINABLE)],
)
def test_network_of_34_layers_is_the_papers(shortcut, count):
    network = resnet(variant="resnet34", shortcut=shortcut)
    assert (trainable(network), sides(network)) == (count, SIDES)


def application(variant, height, width):
    return APPLICATIONS[variant](
        weights=None, classifier_activation=None, input_shape=(height, width, 3)
    )


@pytest.fixture(scope="module", params=APPLICATIONS)
def reference(request):
    """A network of keras.applications with random weights."""
    network = application(request.param, 224, 224)
    return parity.fill(network, parity.pixels(224))


@pytest.fixture(scope="module")
def ours(reference):
    """The same network of ours; tests load weights into it."""
    return resnet(variant=reference.name)


@pytest.mark.slow
def test_network_has_the_number_of_parameters_of_keras_applications(ours):
    assert ours.count_params() == PARAMETERS[ours.name]


@pytest.mark.slow
def test_feature_maps_have_the_papers_size_after_each_stage(ours):
    assert sides(ours) == SIDES


@pytest.mark.slow
def test_layers_have_the_names_and_the_order_of_keras_applications(reference, ours):
    theirs = [layer.name for layer in reference.layers]
    assert [layer.name for layer in ours.layers][1:] == theirs[1:]


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications(reference, ours):
    parity.copy_by_name(reference, parity.blank(ours))
    images = parity.pixels(224, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
def test_logits_equal_those_of_keras_applications_at_another_size(reference):
    height, width = OTHER_SIZE
    theirs = parity.copy_by_name(reference, application(reference.name, height, width))
    ours = resnet(variant=reference.name, input_shape=(height, width, 3))
    parity.copy_by_name(reference, ours)
    images = parity.pixels(height, width, seed=2)
    assert parity.difference(ours, theirs, images) < parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["resnet50"], indirect=True)
@pytest.mark.parametrize("by_name", [None, True])
def test_keras_weight_file_fits(reference, ours, by_name, tmp_path):
    path = parity.write_keras_file(tmp_path / "resnet50.h5", reference)
    parity.blank(ours).load_weights(path, by_name=by_name)
    images = parity.pixels(224, seed=2)
    assert parity.difference(ours, reference, images) < parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["resnet50"], indirect=True)
@pytest.mark.parametrize("by_name", [None, True])
def test_keras_weight_file_without_the_top_fits(reference, by_name, tmp_path):
    theirs = parity.up_to(reference, "conv5_block3_out")
    path = parity.write_keras_file(tmp_path / "resnet50_notop.h5", theirs)
    ours = resnet(num_classes=None)
    parity.blank(ours).load_weights(path, by_name=by_name)
    images = parity.pixels(224, seed=2)
    assert parity.difference(ours, theirs, images) < parity.TOLERANCE
