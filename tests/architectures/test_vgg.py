"""VGG against its paper and against keras.applications."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from tl_keras.architectures import vgg as module
from tl_keras.architectures.vgg import vgg
from tl_keras.errors import UsageError

# Table 2 of the paper in millions, counted exactly: 1000 classes at 224 pixels.
PARAMETERS = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
# Table 1, 3x3 convolutions only: kernels and biases.
BACKBONE_PARAMETERS = {
    "vgg11": 9_220_480,
    "vgg13": 9_404_992,
    "vgg16": 14_714_688,
    "vgg19": 20_024_384,
}
# Table 1: convolutions and fully connected layers.
WEIGHT_LAYERS = {"vgg11": 11, "vgg13": 13, "vgg16": 16, "vgg19": 19}
REFERENCES = {
    "vgg16": keras.applications.VGG16,
    "vgg19": keras.applications.VGG19,
}
SHAPES = {
    "block1_pool": (112, 112, 64),
    "block2_pool": (56, 56, 128),
    "block3_pool": (28, 28, 256),
    "block4_pool": (14, 14, 512),
    "block5_pool": (7, 7, 512),
}


@pytest.fixture(scope="module")
def small():
    """VGG-11, its hidden layers narrow, for the smallest images and 5 classes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HIDDEN_UNITS", 16)
        return vgg(variant="vgg11", num_classes=5, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def backbone():
    """VGG-16 up to its last pooling, at the native size."""
    return vgg(num_classes=None)


def fill(network, seed=0):
    """Gives a network random weights, biases too, that keep the scale of its input."""
    random = np.random.default_rng(seed)
    for layer in network.layers:
        if layer.weights:
            kernel, bias = (tuple(weight.shape) for weight in layer.weights)
            values = random.standard_normal(kernel, "float32")
            values *= np.sqrt(2 / np.prod(kernel[:-1]))
            layer.set_weights([values, random.normal(0, 0.1, bias)])
    return network


def copy(source, target):
    """Copies weights by layer name, and demands that every name is there."""
    for layer in source.layers:
        if layer.weights:
            target.get_layer(layer.name).set_weights(layer.get_weights())


def error(ours, theirs, size):
    """Returns the largest difference of outputs, relative to their scale."""
    pixels = np.random.default_rng(1).normal(size=(1, *size, 3)).astype("float32")
    expected = theirs(pixels).numpy()
    return np.abs(ours(pixels).numpy() - expected).max() / np.abs(expected).max()


def write(network, path):
    """Writes weights in the layout of the files that keras.applications downloads."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "count"), BACKBONE_PARAMETERS.items())
def test_backbone_has_the_papers_number_of_parameters(variant, count):
    network = vgg(variant=variant, num_classes=None, input_shape=(32, 32, 3))
    assert network.count_params() == count


def test_vgg16_has_14714688_parameters_without_its_top(backbone):
    assert backbone.count_params() == 14_714_688


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "count"), PARAMETERS.items())
def test_network_has_the_papers_number_of_parameters(variant, count):
    assert vgg(variant=variant).count_params() == count


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "count"), WEIGHT_LAYERS.items())
def test_network_has_as_many_weight_layers_as_its_name_says(variant, count):
    network = vgg(variant=variant, input_shape=(32, 32, 3))
    assert sum(bool(layer.weights) for layer in network.layers) == count


@pytest.mark.parametrize(("layer", "shape"), SHAPES.items())
def test_block_has_the_papers_shape(backbone, layer, shape):
    assert backbone.get_layer(layer).output.shape == (None, *shape)


def test_backbone_ends_at_the_last_pooling(backbone):
    assert backbone.output is backbone.get_layer("block5_pool").output


def test_network_with_top_gives_one_logit_a_class(small):
    assert small.output_shape == (None, 5)


def test_logits_are_no_probabilities(small):
    assert small.get_layer("predictions").activation is keras.activations.linear


def test_hidden_layers_drop_half_as_in_the_paper(small):
    kind = keras.layers.Dropout
    found = {x.name: x.rate for x in small.layers if isinstance(x, kind)}
    assert found == {"fc1_dropout": 0.5, "fc2_dropout": 0.5}


@pytest.mark.parametrize("layer", ["block1_conv2", "block3_conv1"])
def test_weights_start_with_hes_deviation(backbone, layer):
    kernel = np.asarray(backbone.get_layer(layer).kernel)
    expected = np.sqrt(2 / np.prod(kernel.shape[:-1]))
    assert kernel.std() == pytest.approx(expected, rel=0.03)


def test_layers_have_the_names_shapes_and_types_of_keras_applications(backbone):
    reference = keras.applications.VGG16(
        weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    theirs = [(x.name, x.output.shape, type(x)) for x in reference.layers[1:]]
    ours = [(x.name, x.output.shape, type(x)) for x in backbone.layers[1:]]
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("size", [(224, 224), (67, 50)])
@pytest.mark.parametrize("variant", REFERENCES)
def test_logits_equal_those_of_keras_applications(variant, size):
    classes = 1000 if size == (224, 224) else 7
    theirs = REFERENCES[variant](
        weights=None,
        input_shape=(*size, 3),
        classes=classes,
        classifier_activation=None,
    )
    ours = vgg(variant=variant, input_shape=(*size, 3), num_classes=classes)
    copy(fill(theirs), ours)
    assert error(ours, theirs, size) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("variant", REFERENCES)
def test_weights_file_of_keras_applications_loads(variant, by_name, tmp_path):
    options = {"weights": None, "classes": 7, "classifier_activation": None}
    theirs = fill(REFERENCES[variant](input_shape=(32, 32, 3), **options))
    write(theirs, tmp_path / "weights.h5")
    ours = vgg(variant=variant, input_shape=(32, 32, 3), num_classes=7)
    # Without `by_name`, Keras takes the layers in their order.
    ours.load_weights(tmp_path / "weights.h5", **({"by_name": True} if by_name else {}))
    assert error(ours, theirs, (32, 32)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("variant", REFERENCES)
def test_weights_file_without_the_top_loads(variant, by_name, tmp_path):
    options = {"weights": None, "include_top": False, "input_shape": (32, 32, 3)}
    theirs = fill(REFERENCES[variant](**options))
    write(theirs, tmp_path / "weights_notop.h5")
    ours = vgg(variant=variant, input_shape=(32, 32, 3), num_classes=None)
    path = tmp_path / "weights_notop.h5"
    ours.load_weights(path, **({"by_name": True} if by_name else {}))
    assert error(ours, theirs, (32, 32)) < 1e-5


@pytest.mark.parametrize("shape", [(31, 32, 3), (32, 31, 3)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(UsageError, match="must be at least 32x32 for vgg16"):
        vgg(input_shape=shape)


def test_smallest_image_gives_one_place(small):
    assert small.get_layer("block5_pool").output.shape == (None, 1, 1, 512)


def test_unknown_variant_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="Did you mean 'vgg16'"):
        vgg(variant="vgg_16")


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_that_is_no_part_is_refused(dropout):
    with pytest.raises(UsageError, match="`dropout` must be at least 0 and below 1"):
        vgg(dropout=dropout)


def test_no_class_is_refused():
    with pytest.raises(UsageError, match="`num_classes` must be at least 1"):
        vgg(num_classes=0)
