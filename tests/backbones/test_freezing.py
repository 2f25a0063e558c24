"""Which weights move in training."""

import keras
import numpy as np
import pytest
from families import FAMILIES
from keras import layers

from tl_keras.backbones import catalogue
from tl_keras.backbones.freezing import freeze, freeze_batch_normalization


def values(model, kind):
    """Returns copies of the weights of one kind of layer."""
    found = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    return [weight.numpy() for layer in found for weight in layer.weights]


def train(model, steps=2):
    """Takes real steps of `fit`, which runs layers in training mode."""
    random = np.random.default_rng(0)
    inputs = random.normal(2, 3, (4 * steps, *model.input_shape[1:]))
    targets = random.normal(0, 1, (4 * steps, *model.output_shape[1:]))
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    model.fit(inputs, targets, batch_size=4, verbose=0)


@pytest.fixture(scope="module")
def suffix():
    """Lite0's last stage, before it is trained."""
    backbone = catalogue.load("efficientnet_lite0", weights=None, image_size=32)
    return backbone.split(1)[1]


@pytest.fixture(scope="module")
def trained(suffix):
    """Values before and after two steps with frozen batch normalization, by kind."""
    freeze_batch_normalization(suffix)
    kinds = (layers.BatchNormalization, layers.Conv2D)
    before = {kind: values(suffix, kind) for kind in kinds}
    train(suffix)
    return {kind: (before[kind], values(suffix, kind)) for kind in kinds}


def test_batch_normalization_stays_bit_equal_in_training(trained):
    before, after = trained[layers.BatchNormalization]
    assert all(np.array_equal(old, new) for old, new in zip(before, after))


def test_kernels_move_in_training(trained):
    before, after = trained[layers.Conv2D]
    assert all((old != new).any() for old, new in zip(before, after))


def test_batch_normalization_would_move_if_it_were_not_frozen():
    # Shows that the steps above are steps in which statistics move.
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, layers.BatchNormalization()(inputs))
    before = values(model, layers.BatchNormalization)
    train(model)
    after = values(model, layers.BatchNormalization)
    assert all((old != new).any() for old, new in zip(before, after))


def test_batch_normalization_inside_a_nested_model_is_frozen():
    inner_inputs = keras.Input((4, 4, 3))
    x = layers.BatchNormalization()(inner_inputs)
    inner = keras.Model(inner_inputs, layers.Conv2D(2, 1)(x))
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, inner(inputs))
    freeze_batch_normalization(model)
    before = values(model, layers.BatchNormalization)
    train(model)
    after = values(model, layers.BatchNormalization)
    assert all(np.array_equal(old, new) for old, new in zip(before, after))


def test_only_batch_normalization_is_frozen(suffix, trained):
    kept = {type(layer) for layer in suffix.layers if not layer.trainable}
    assert kept == {layers.BatchNormalization}


QUICK = ("lenet5",)
# Each has layers that the others lack. Of all families, the flags are looked at.
TRAINED = (
    "lenet5",
    "resnet20_cifar",
    "efficientnet_lite0",
    "mobilenet_v3_small",
    "efficientnet_b0",
)
KINDS = {
    "head": (0, False),
    "last stage": (1, False),
    "all": ("all", False),
    "all, batch normalization too": ("all", True),
}


def classifier_of(name):
    """Returns a backbone for small images, and a classifier on it."""
    entry = catalogue.CATALOGUE[name]
    size = max(32, entry.minimum_size)
    backbone = catalogue.load(name, weights=None, image_size=size)
    x = layers.GlobalAveragePooling2D()(backbone.model.output)
    outputs = layers.Dense(3, name="logits")(x)
    return backbone, keras.Model(backbone.model.input, outputs)


def calibrate(model):
    """Gives every batch normalization statistics of images.

    With the ones it is built with, a deep random network's features are nearly 0, and
    so is every gradient.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.1
    for _ in range(3):
        model(noise(model), training=True)


def noise(model, images=4):
    """Returns random pixels in [0, 255]."""
    random = np.random.default_rng(0)
    return random.uniform(0, 255, (images, *model.input_shape[1:])).astype(np.float32)


def marked(names):
    """Returns names as parameters, slow unless they are built quickly."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=() if name in QUICK else slow) for name in names]


def statistics(model):
    """Returns the statistics of every batch normalization, as weights."""
    return [
        weight
        for layer in model._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
        for weight in (layer.moving_mean, layer.moving_variance)
    ]


def never_trained(model):
    """Returns ids of weights that no training changes: statistics of images."""
    constants = [
        weight
        for layer in model._flatten_layers()
        if isinstance(layer, layers.Normalization)
        for weight in layer.weights
    ]
    return {id(weight) for weight in (*statistics(model), *constants)}


def weights_of(part, *, train_batch_norm):
    """Returns the weights of what is unfrozen that are to train, by their id."""
    kept = {
        id(weight)
        for layer in part._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
        for weight in layer.weights
    }
    found = {id(weight): weight for weight in part.weights}
    return {
        key: weight
        for key, weight in found.items()
        if train_batch_norm or key not in kept
    }


@pytest.fixture(scope="module", params=marked(FAMILIES))
def built(request):
    yield classifier_of(request.param)
    keras.backend.clear_session()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_behind_the_boundary_are_trainable(built, kind):
    backbone, model = built
    unfreeze, train_batch_norm = KINDS[kind]
    freeze(backbone.network, unfreeze, train_batch_norm=train_batch_norm)
    _, suffix = backbone.split(unfreeze)
    chosen = weights_of(suffix, train_batch_norm=train_batch_norm)
    head = {id(weight) for weight in model.get_layer("logits").weights}
    found = {id(weight) for weight in model.trainable_weights}
    assert found == (set(chosen) - never_trained(model)) | head


@pytest.fixture(scope="module", params=marked(TRAINED))
def family(request):
    keras.utils.set_random_seed(0)
    backbone, model = classifier_of(request.param)
    calibrate(model)
    yield backbone, model, model.get_weights()
    keras.backend.clear_session()


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_weights_stay_and_the_others_move(family, kind):
    backbone, model, at_first = family
    model.set_weights(at_first)
    unfreeze, train_batch_norm = KINDS[kind]
    freeze(backbone.network, unfreeze, train_batch_norm=train_batch_norm)
    _, suffix = backbone.split(unfreeze)
    trained = weights_of(suffix, train_batch_norm=train_batch_norm)
    before = [(weight, weight.numpy()) for weight in model.weights]
    moved_statistics = [(weight, weight.numpy()) for weight in statistics(model)]
    random = np.random.default_rng(0)
    model.compile(keras.optimizers.Adam(1e-3), "mse", run_eagerly=True)
    for _ in range(2):
        model.train_on_batch(noise(model), random.normal(0, 5, (4, 3)))
    for weight, old in before:
        head = weight.path.startswith("logits")
        if not head and id(weight) not in trained:
            assert np.array_equal(weight.numpy(), old), weight.path
    # Some gradients are 0: of dead units, of biases in front of a normalization.
    kernels = [
        (weight, old)
        for weight, old in before
        if id(weight) in trained and len(weight.shape) > 1
    ]
    moved = sum((weight.numpy() != old).any() for weight, old in kernels)
    assert moved >= 0.9 * len(kernels)
    assert bool(kernels) == bool(unfreeze)
    assert (model.get_layer("logits").kernel.numpy() != before[-2][1]).any()
    changed = [(weight.numpy() != old).any() for weight, old in moved_statistics]
    assert all(changed) if train_batch_norm else not any(changed)
