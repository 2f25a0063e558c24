"""LeNet-5 against its paper: counts, shapes, table I, output characters."""

import keras
import numpy as np
import pytest

from tl_keras.architectures.lenet import BITMAPS, C3_INPUTS, lenet5
from tl_keras.errors import UsageError

# Section II.B of the paper, layer by layer: 60,000 in all.
ORIGINAL_PARAMETERS = {
    "c1": 156,
    "s2": 12,
    "c3": 1_516,
    "s4": 32,
    "c5": 48_120,
    "f6": 10_164,
}
# 156 + 2,416 + 48,120 + 10,164 and 850 for ten digits.
MODERN_PARAMETERS = 61_706
# Figure 2: maps at the end of each layer.
SHAPES = {
    "c1_tanh": (28, 28, 6),
    "s2_pool": (14, 14, 6),
    "c3_tanh": (10, 10, 16),
    "s4_pool": (5, 5, 16),
    "c5_tanh": (1, 1, 120),
    "f6_tanh": (84,),
}


@pytest.fixture(scope="module")
def original():
    """The paper's network with its radial basis functions."""
    keras.utils.set_random_seed(0)
    return lenet5(variant="original", output="rbf")


@pytest.fixture(scope="module")
def modern():
    """The form of later teaching code."""
    keras.utils.set_random_seed(0)
    return lenet5()


@pytest.fixture(scope="module")
def c3(original):
    """The original's C3 alone, from the maps of S2."""
    s2 = original.get_layer("s2_amplitude").output
    return keras.Model(s2, original.get_layer("c3_concat").output)


def parameters(network, block):
    """Counts the parameters of a block's layers."""
    found = [x for x in network.layers if x.name.partition("_")[0] == block]
    return sum(layer.count_params() for layer in found)


@pytest.mark.parametrize(("block", "count"), ORIGINAL_PARAMETERS.items())
def test_layer_of_the_original_has_the_papers_number_of_parameters(
    original, block, count
):
    assert parameters(original, block) == count


def test_original_has_60000_parameters_and_fixed_characters(original):
    assert original.count_params() == 60_000


def test_original_with_a_dense_output_adds_its_weights():
    assert lenet5(variant="original").count_params() == 60_000 + 84 * 10 + 10


@pytest.mark.parametrize("options", [{}, {"activation": "relu", "pooling": "max"}])
def test_modern_forms_have_61706_parameters(options):
    assert lenet5(**options).count_params() == MODERN_PARAMETERS


@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_layer_has_the_papers_shape(modern, layer, shape):
    assert modern.get_layer(layer).output.shape == (None, *shape)


@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_layer_of_the_original_has_the_papers_shape(original, layer, shape):
    assert original.get_layer(layer).output.shape == (None, *shape)


def test_connections_are_those_of_table_1():
    # The table's rows, by map of S2: a cross for each map of C3 that reads it.
    rows = (
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    )
    ours = [
        "".join("X" if index in read else "." for read in C3_INPUTS)
        for index in range(6)
    ]
    assert ours == list(rows)


@pytest.mark.parametrize("changed", range(6))
def test_map_of_s2_reaches_only_the_maps_of_c3_that_read_it(c3, changed):
    maps = np.random.default_rng(0).normal(size=(1, 14, 14, 6)).astype("float32")
    before = c3(maps).numpy()
    maps[..., changed] += 1
    moved = np.abs(c3(maps).numpy() - before).max(axis=(0, 1, 2)) > 0
    assert moved.tolist() == [changed in read for read in C3_INPUTS]


def test_subsampling_scales_the_average_of_four_pixels(original):
    layer = original.get_layer("s2_coefficient")
    layer.bias.assign(np.linspace(-1, 1, 6))
    part = keras.Model(original.get_layer("c1_amplitude").output, layer.output)
    maps = np.random.default_rng(0).normal(size=(1, 28, 28, 6)).astype("float32")
    average = maps.reshape(1, 14, 2, 14, 2, 6).mean(axis=(2, 4))
    coefficient = np.asarray(layer.kernel).reshape(6)
    expected = average * coefficient + np.linspace(-1, 1, 6)
    np.testing.assert_allclose(part(maps), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("block", ["c1", "s2", "c3", "s4", "c5", "f6"])
def test_scaled_tanh_is_that_of_appendix_a(original, block):
    start = original.get_layer(f"{block}_slope").input
    part = keras.Model(start, original.get_layer(f"{block}_amplitude").output)
    x = np.linspace(-3, 3, np.prod(start.shape[1:])).reshape(1, *start.shape[1:])
    expected = 1.7159 * np.tanh(2 * x / 3)
    np.testing.assert_allclose(part(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "fan_in"), [("c1_conv", 25), ("c3_conv0", 75), ("f6_dense", 120)]
)
def test_initial_weights_fill_the_papers_range(original, layer, fan_in):
    largest = np.abs(original.get_layer(layer).kernel).max() * fan_in
    assert 2.2 < largest <= 2.4


def test_characters_are_ten_different_digits():
    glyphs = list(zip(*(row.split() for row in BITMAPS)))
    assert len(set(glyphs)) == 10


def test_characters_have_84_pixels_of_two_values():
    pixels = [pixel for row in BITMAPS for part in row.split() for pixel in part]
    assert len(pixels) == 10 * 84 and set(pixels) == {"#", "."}


@pytest.mark.parametrize("digit", range(10))
def test_drawing_of_a_digit_is_classified_as_it(original, digit):
    f6 = original.get_layer("f6_amplitude").output
    rbf = keras.Model(f6, original.output)
    drawn = "".join(row.split()[digit] for row in BITMAPS)
    logits = rbf(np.array([[1.0 if ink == "#" else -1.0 for ink in drawn]]))[0]
    assert logits[digit] == 0 and np.argmax(logits) == digit


def test_logits_of_the_characters_are_minus_squared_distances(original):
    rbf = keras.Model(original.get_layer("f6_amplitude").output, original.output)
    x = np.random.default_rng(0).normal(size=84)
    drawn = ["".join(row.split()[digit] for row in BITMAPS) for digit in range(10)]
    targets = np.array([[1.0 if ink == "#" else -1.0 for ink in d] for d in drawn])
    expected = -((x - targets) ** 2).sum(axis=1)
    np.testing.assert_allclose(rbf(x[None])[0], expected, rtol=1e-5)


@pytest.mark.slow
def test_saved_original_keeps_its_outputs(original, tmp_path):
    original.save(tmp_path / "lenet5.keras")
    loaded = keras.models.load_model(tmp_path / "lenet5.keras")
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 1))
    np.testing.assert_array_equal(loaded(pixels), original(pixels))


def test_activation_is_that_of_c1_and_c3_alone():
    network = lenet5(activation="relu", pooling="max")
    found = [
        (layer.name, layer.activation.__name__)
        for layer in network.layers
        if isinstance(layer, keras.layers.Activation)
    ]
    assert found == [
        ("c1_relu", "relu"),
        ("c3_relu", "relu"),
        ("c5_tanh", "tanh"),
        ("f6_tanh", "tanh"),
    ]


@pytest.mark.parametrize(
    ("pooling", "kind"),
    [("max", keras.layers.MaxPooling2D), ("average", keras.layers.AveragePooling2D)],
)
def test_pooling_is_that_asked_for(pooling, kind):
    network = lenet5(pooling=pooling)
    assert all(type(network.get_layer(f"{s}_pool")) is kind for s in ("s2", "s4"))


def test_backbone_ends_at_c5():
    network = lenet5(num_classes=None)
    assert network.output_shape == (None, 1, 1, 120)


def test_larger_image_gives_a_larger_map():
    network = lenet5(num_classes=None, input_shape=(40, 36, 3))
    assert network.output_shape == (None, 3, 2, 120)


@pytest.mark.parametrize("shape", [(31, 32, 1), (28, 28, 1)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(UsageError, match="must be at least 32x32 for lenet5"):
        lenet5(input_shape=shape)


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("variant", "orginal", "variant.*Did you mean 'original'"),
        ("activation", "tanhh", "activation.*Did you mean 'tanh'"),
        ("pooling", "mx", "pooling.*Did you mean 'max'"),
        ("output", "rbff", "output.*Did you mean 'rbf'"),
    ],
)
def test_unknown_name_is_answered_with_the_known_ones(option, value, hint):
    with pytest.raises(UsageError, match=hint):
        lenet5(**{option: value})


def test_characters_exist_for_ten_classes_only():
    with pytest.raises(UsageError, match="must be 10 for `output='rbf'`.*: 26"):
        lenet5(num_classes=26, output="rbf")


def test_no_class_is_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        lenet5(num_classes=0)
