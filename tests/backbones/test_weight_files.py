"""Every kind of file: the right weights in the right places, or none and why."""

import pickle

import h5py
import keras
import numpy as np
import parity
import pytest
import tensorflow as tf
from keras import layers
from small_networks import WRITERS, draw, equal, small, values

from tl_keras.backbones.weight_files import load_file
from tl_keras.errors import WeightsError

CLASSES = 5


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def write(request, tmp_path):
    """Writes a network's weights in one of the ways, and returns the file."""
    return lambda network: request.param(tmp_path / "weights", network)


@pytest.fixture(scope="module")
def backbone():
    return draw(small())


@pytest.fixture(scope="module")
def full():
    return draw(small(CLASSES), seed=1)


def refused(network, path, words):
    """Asserts that a file is refused and the network left as it was."""
    before = values(network)
    with pytest.raises(WeightsError, match=words) as raised:
        load_file(network, path)
    assert equal(before, values(network))
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


def test_every_weight_is_loaded(write, backbone):
    path, network = write(backbone), parity.blank(small())
    load_file(network, path)
    assert equal(values(network), values(backbone))


def test_every_weight_of_a_classifier_is_loaded(write, full):
    path, network = write(full), parity.blank(small(CLASSES))
    load_file(network, path)
    assert equal(values(network), values(full))


def test_classifier_is_left_aside_without_a_top(write, full):
    path, network = write(full), parity.blank(small())
    load_file(network, path)
    assert equal(values(network), values(full))


@pytest.mark.parametrize("first", [2, 3, None])
def test_names_made_up_in_another_session_do_not_matter(write, first):
    # From 2 on, the second layer here has the first one's name there.
    theirs, network = draw(small(first=1)), parity.blank(small(first=first))
    load_file(network, write(theirs))
    assert equal(values(network), values(theirs))


def test_kind_is_known_without_the_ending(write, backbone, tmp_path):
    path = write(backbone).rename(tmp_path / "download")
    network = parity.blank(small())
    load_file(network, path)
    assert equal(values(network), values(backbone))


def test_file_without_a_classifier_is_refused_where_one_is_needed(write, backbone):
    words = r"layer 'predictions' needs kernel \(4, 5\), .*give the full file"
    refused(small(CLASSES), write(backbone), words)


def test_classifier_of_another_number_of_classes_is_refused(write, full):
    words = r"'predictions' needs kernel \(4, 6\).*, the file has .*\(4, 5\)"
    refused(small(CLASSES + 1), write(full), words)


def test_other_width_is_refused_with_the_first_three_layers(write, backbone):
    words = r"'conv1' needs kernel \(3, 3, 3, 6\), .*; and 6 more\. Give a file"
    refused(small(filters=6), write(backbone), words)


def test_file_of_a_shallower_network_is_refused(write, backbone):
    refused(small(blocks=3), write(backbone), "does not fit small: ")


def test_file_of_a_deeper_network_with_a_classifier_is_refused(write, backbone):
    refused(small(CLASSES, blocks=1), write(backbone), "does not fit small: ")


def with_layer_between(normalized):
    inputs = x = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv1")(x)
    if normalized:
        x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.Conv2D(4, 3, name="conv2")(x)
    return draw(keras.Model(inputs, x, name="between"))


def test_layer_that_the_network_lacks_is_refused_in_the_middle(write):
    path = write(with_layer_between(True))
    refused(with_layer_between(False), path, "the file has 'conv1_bn', the network no")


def test_layer_that_the_file_lacks_is_refused_in_the_middle(write):
    path = write(with_layer_between(False))
    refused(with_layer_between(True), path, "layer 'conv1_bn' needs gamma")


def crossed(first, second):
    """Builds two branches of equal shapes, named in one order or the other."""
    inputs = keras.Input((8, 8, 3))
    branches = [layers.Conv2D(3, 1, name=name)(inputs) for name in (first, second)]
    return draw(keras.Model(inputs, layers.Add()(branches), name="crossed"))


def test_equal_names_count_more_than_the_order(write):
    theirs, ours = crossed("left", "right"), parity.blank(crossed("right", "left"))
    load_file(ours, write(theirs))
    for name in ("left", "right"):
        found = ours.get_layer(name).get_weights()
        assert equal(found, theirs.get_layer(name).get_weights())


def nested(unit):
    """Builds a network with a network inside, as ConvNeXt has."""
    inputs = keras.Input((8, 8, 3))
    stem = keras.Sequential(
        [
            layers.Conv2D(unit, 2, 2, name="conv"),
            layers.LayerNormalization(name="norm"),
        ],
        name="stem",
    )
    x = layers.Conv2D(unit, 1, name="conv")(stem(inputs))
    return draw(keras.Model(inputs, x, name="nested"))


def test_network_inside_the_network_is_loaded(write):
    theirs, ours = nested(4), parity.blank(nested(4))
    load_file(ours, write(theirs))
    assert equal(values(ours), values(theirs))


def test_network_inside_the_network_is_compared(write):
    refused(nested(3), write(nested(4)), "'conv' needs kernel")


def normalizing(inside):
    """Builds a network as EfficientNet, or the same behind its normalization."""
    inputs = x = keras.Input((8, 8, 3))
    if inside:
        x = layers.Normalization()(x)
    x = layers.Conv2D(4, 3, name="stem_conv")(x)
    return draw(keras.Model(inputs, x, name="normalizing"))


def test_statistics_of_a_normalization_before_the_network_are_left_aside(write):
    theirs, ours = normalizing(True), parity.blank(normalizing(False))
    load_file(ours, write(theirs))
    stem = theirs.get_layer("stem_conv").get_weights()
    assert equal(values(ours), stem)


def test_normalization_inside_the_network_is_loaded_and_applied(write):
    theirs, ours = normalizing(True), parity.blank(normalizing(True))
    theirs.layers[1].adapt_variance.assign([1.0, 4.0, 9.0])
    theirs.layers[1].finalize_state()
    load_file(ours, write(theirs))
    image = parity.pixels(8)
    assert np.array_equal(ours(image), theirs(image))


@pytest.mark.parametrize("keep", [0.99, 0.5])
def test_file_that_is_cut_off_is_refused(write, backbone, keep):
    path = write(backbone)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    refused(small(), path, "cut off or damaged")


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_value_that_is_not_finite_is_refused(write, bad):
    network = draw(small())
    bias = network.get_layer("block1_sepconv").bias
    bias.assign([1.0, 2.0, 3.0, bad])
    refused(small(), write(network), "not finite in 'block1_sepconv/bias'")


@pytest.mark.parametrize("ending", [".h5", ".keras", ".safetensors", ".weights.h5"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Fetch it with `git lfs"),
        (b"\x00" * 100, "is cut off or damaged"),
        (b"\x89HD", "is cut off or damaged"),
        (pickle.dumps({"conv1": [1.0]}), "it is a pickle, which can run any code"),
        (b"PK\x03\x04" + b"\x00" * 100, "is cut off or damaged"),
        (b"\x89HDF\r\n\x1a\n" + b"\x00" * 100, "is cut off or damaged"),
        (b"\x10" + b"\x00" * 7 + b"{nothing of JSON}", "is cut off or damaged"),
    ],
)
def test_other_content_is_called_what_it_is(tmp_path, backbone, ending, content, words):
    path = tmp_path / f"file{ending}"
    path.write_bytes(content)
    refused(backbone, path, words)


@pytest.mark.parametrize("ending", [".pth", ".pt", ".PTH", ".pkl"])
def test_ending_of_a_pickle_is_refused_whatever_is_in_it(write, full, ending, tmp_path):
    path = write(full).rename(tmp_path / f"weights{ending}")
    refused(full, path, "it is a pickle")


def test_unknown_content_is_refused_with_what_is_known(tmp_path, backbone):
    (tmp_path / "notes.txt").write_text("some notes")
    refused(backbone, tmp_path / "notes.txt", "known are .weights.h5")


def test_missing_file_is_named(tmp_path, backbone):
    refused(backbone, tmp_path / "gone.h5", "gone.h5 cannot be read: No such file")


def test_folder_is_refused(tmp_path, backbone):
    refused(backbone, tmp_path, "it is a folder, not a file")


def test_savedmodel_is_refused(tmp_path, backbone):
    tf.saved_model.save(tf.Module(), str(tmp_path / "saved"))
    refused(backbone, tmp_path / "saved", "it is a SavedModel, a program")


def test_whole_model_in_the_legacy_file_is_refused_with_its_cure(tmp_path, backbone):
    backbone.save(tmp_path / "model.h5")
    refused(backbone, tmp_path / "model.h5", r"whole model.*save_weights\('x.weights")


def test_hdf5_of_something_else_is_refused(tmp_path, backbone):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = np.zeros(3)
    refused(backbone, tmp_path / "data.h5", "an HDF5 file, but not of Keras's weights")
