"""What networks cost: sums made by hand, and figures from the papers."""

import keras
import pytest
from keras import layers

from tl_keras.architectures.cost import Cost, per_layer, total
from tl_keras.architectures.lenet import lenet5
from tl_keras.architectures.names import build
from tl_keras.errors import UsageError


def network(*stack, input_shape=(8, 8, 3)):
    """Returns a chain of layers."""
    inputs = x = keras.Input(input_shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x, name="chain")


def nested():
    """Returns a small network, to be nested in others."""
    return network(
        layers.Conv2D(4, 3, padding="same", name="inside"), input_shape=(4, 4, 2)
    )


# Layer → (multiply-adds, parameters) on an image of 8x8 with 3 channels.
BY_HAND = {
    "convolution": (layers.Conv2D(4, 3), 36 * 9 * 3 * 4, 9 * 3 * 4 + 4),
    "strides": (layers.Conv2D(4, 3, 2, padding="same"), 16 * 9 * 3 * 4, 112),
    "no square": (layers.Conv2D(4, (1, 5), use_bias=False), 32 * 5 * 3 * 4, 60),
    "groups": (layers.Conv2D(6, 3, groups=3), 36 * 9 * 1 * 6, 9 * 6 + 6),
    "dilation": (layers.Conv2D(4, 3, dilation_rate=2), 16 * 9 * 3 * 4, 112),
    "depthwise": (layers.DepthwiseConv2D(3), 36 * 9 * 3, 9 * 3 + 3),
    "multiplied depthwise": (
        layers.DepthwiseConv2D(3, 2, depth_multiplier=2),
        9 * 9 * 6,
        9 * 6 + 6,
    ),
    "separable": (
        layers.SeparableConv2D(5, 3),
        36 * (9 * 3 + 3 * 5),
        9 * 3 + 3 * 5 + 5,
    ),
    "strided separable": (
        layers.SeparableConv2D(5, 3, 2),
        9 * (9 * 3 + 3 * 5),
        9 * 3 + 3 * 5 + 5,
    ),
    "transposed": (layers.Conv2DTranspose(4, 3, 2), 64 * 9 * 3 * 4, 9 * 3 * 4 + 4),
    "dense at every place": (layers.Dense(5), 64 * 3 * 5, 3 * 5 + 5),
    "batch normalization": (layers.BatchNormalization(), 0, 12),
    "layer normalization": (layers.LayerNormalization(), 0, 6),
}


@pytest.mark.parametrize(
    ("layer", "multiply_adds", "parameters"), BY_HAND.values(), ids=BY_HAND
)
def test_layer_costs_what_was_summed_up_by_hand(layer, multiply_adds, parameters):
    [cost] = per_layer(network(layer))
    assert (cost.multiply_adds, cost.parameters) == (multiply_adds, parameters)


def test_dense_layer_behind_a_pooling_multiplies_once():
    [cost] = per_layer(network(layers.GlobalAveragePooling2D(), layers.Dense(7)))
    assert cost.multiply_adds == 3 * 7


def test_layers_without_weights_are_left_out():
    stack = (layers.ReLU(), layers.MaxPooling2D(), layers.Dropout(0.5))
    assert per_layer(network(*stack)) == []


def test_total_adds_up_the_layers():
    model = network(
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(2),
    )
    expected = 36 * 9 * 3 * 4 + 36 * 4 * 2
    assert total(model) == Cost(
        name="chain", parameters=model.count_params(), multiply_adds=expected
    )


def test_layer_that_is_called_twice_multiplies_twice_with_the_same_parameters():
    layer = layers.Conv2D(3, 3, padding="same", use_bias=False)
    cost = total(network(layer, layer))
    assert (cost.multiply_adds, cost.parameters) == (2 * 64 * 81, 81)


def test_nested_network_is_opened():
    model = network(nested(), layers.Conv2D(1, 1), input_shape=(4, 4, 2))
    assert [row.name.partition("/")[2] for row in per_layer(model)][0] == "inside"
    assert total(model).multiply_adds == 16 * 9 * 2 * 4 + 16 * 4


def test_nested_sequential_network_is_opened():
    inner = keras.Sequential([layers.Conv2D(4, 3, name="inside")], name="inner")
    [cost] = per_layer(network(inner))
    assert cost.name == "inner/inside" and cost.multiply_adds == 36 * 9 * 3 * 4


def test_nested_network_at_another_size_is_refused():
    inner = network(layers.Conv2D(4, 3), input_shape=(None, None, 3))
    with pytest.raises(UsageError, match="The nested network 'chain' was built for"):
        total(network(inner))


def test_open_image_size_is_refused():
    with pytest.raises(UsageError, match="The network's image size is open"):
        total(network(layers.Conv2D(4, 3), input_shape=(None, None, 3)))


def test_layer_that_multiplies_in_an_unknown_way_is_refused():
    unknown = layers.EinsumDense("bhwc,cd->bhwd", (8, 8, 4), name="any")
    with pytest.raises(UsageError, match="layer 'any', a EinsumDense, are not known"):
        total(network(unknown))


@pytest.mark.parametrize(
    ("variant", "layer", "connections"),
    # The 1998 paper counts connections: 122,304 in C1 and 48,120 in C5, with a bias at
    # each place, which are no multiply-adds.
    [
        ("modern", "c1_conv", 122_304 - 6 * 28 * 28),
        ("original", "c1_conv", 122_304 - 6 * 28 * 28),
        ("original", "c5_conv", 48_120 - 120),
    ],
)
def test_connections_of_lenet_are_those_of_the_paper(variant, layer, connections):
    rows = {row.name: row for row in per_layer(lenet5(variant=variant))}
    assert rows[layer].multiply_adds == connections


def test_sparse_layer_of_lenet_has_the_connections_of_the_paper():
    # 151,600 with a bias at each of 10x10 places in 16 maps.
    rows = per_layer(lenet5(variant="original"))
    c3 = [row.multiply_adds for row in rows if row.name.startswith("c3_conv")]
    assert sum(c3) == 151_600 - 16 * 10 * 10


# In millions, with the tolerance that the source's rounding and its way of counting
# ask for.
PUBLISHED = {
    # As in the papers on hardware for it (Eyeriss).
    "alexnet": (724, 0.01),
    # The ResNet paper's Table 1 and section 3.3; it gives 15.3 G for VGG-16.
    "vgg16": (15_300, 0.02),
    "vgg19": (19_600, 0.01),
    "resnet18": (1_800, 0.02),
    "resnet34": (3_600, 0.02),
    "resnet50": (3_800, 0.02),
    "resnet101": (7_600, 0.01),
    "resnet152": (11_300, 0.01),
    # The paper's own budget is 1.5 G "at inference time".
    "googlenet": (1_500, 0.06),
    # MobileNet's Table 4.
    "mobilenet": (569, 0.001),
    # NASNet's Table 2.
    "inception_v3": (5_720, 0.003),
    "xception": (8_380, 0.003),
    # The release notes' figures are some 5 % more: they count normalization, too.
    "efficientnet_lite0": (407, 0.06),
    "efficientnet_lite1": (631, 0.06),
    "efficientnet_lite2": (899, 0.06),
    "efficientnet_lite3": (1_440, 0.06),
    "efficientnet_lite4": (2_640, 0.06),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_are_the_published_ones(name):
    millions, tolerance = PUBLISHED[name]
    found = total(build(name)).multiply_adds / 1e6
    keras.backend.clear_session()
    assert found == pytest.approx(millions, rel=tolerance)


@pytest.mark.slow
def test_full_convolutions_cost_eight_to_nine_times_a_mobilenet():
    # MobileNet's Table 4: 4866 M with full convolutions, 569 M with separable ones.
    rows = per_layer(build("mobilenet"))
    full = 0
    for row in rows:
        # A full 3x3 convolution has a pointwise one at each of its nine places.
        factor = {"conv_dw": 0, "conv_pw": 9}.get(row.name[:7], 1)
        full += factor * row.multiply_adds
    assert full / 1e6 == pytest.approx(4866, rel=0.002)


@pytest.mark.slow
def test_nested_networks_of_keras_applications_are_counted():
    # ConvNeXt's paper: 4.5 G. Its dense layers run at every place.
    network = keras.applications.ConvNeXtTiny(weights=None)
    cost = total(network)
    assert cost.multiply_adds == pytest.approx(4.5e9, rel=0.015)
    assert cost.parameters == network.count_params()
