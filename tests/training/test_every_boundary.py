"""A training step on the cached cut is one on images: many networks, every boundary.

One network of each family, with random weights and statistics, on small images. The
cache keeps float32, nothing is augmented, and what drops at random drops nothing.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import FAMILIES

from tl_keras.backbones import catalogue
from tl_keras.config import Head
from tl_keras.datasets import batches
from tl_keras.datasets.square import Square
from tl_keras.training import outputs, products
from tl_keras.training.engines import choice
from tl_keras.training.head import attach
from tl_keras.training.inputs import Inputs

IMAGES = 8
# All but three, which are chains or built as one of these is.
CHOSEN = [name for name in FAMILIES if name not in ("lenet5", "alexnet", "resnet50")]
QUICK = "resnet20_cifar"
BOUNDARIES = {
    "a number": lambda backbone: 1,
    "a share": lambda backbone: 0.5,
    "a block": lambda backbone: backbone.blocks[-1].name,
    "a layer": lambda backbone: [
        layer.name for layer in backbone.network.layers if layer.weights
    ][-2],
}
# How a boundary is named has nothing to do with the network: these have it in all ways.
NAMED = (QUICK, "efficientnet_lite0")
CASES = [
    pytest.param(name, boundary, marks=() if name == QUICK else pytest.mark.slow)
    for name in CHOSEN
    for boundary in BOUNDARIES
    if name in NAMED or boundary in ("a number", "a share")
]
# Of the change of all weights together, and of each: what rounding may make of it.
ALL_TOGETHER, EACH = 0.01, 0.1


def few(manifest):
    """Returns some training images of every class, and no others."""
    rows = [row for row in manifest.rows if row.split == "train"]
    return manifest.with_rows(tuple(rows[:: len(rows) // IMAGES][:IMAGES]))


@pytest.fixture(scope="module")
def classifier(request, manifest):
    """A classifier that drops nothing, its statistics random."""
    keras.utils.set_random_seed(0)
    size = max(32, catalogue.CATALOGUE[request.param].minimum_size)
    backbone = catalogue.load(request.param, weights=None, image_size=size)
    for layer in backbone.network._flatten_layers():
        for rate in {"rate", "drop_path_rate"} & set(vars(layer)):
            setattr(layer, rate, 0.0)
    # Near those of a new network: ones drawn more widely let feature maps of
    # EfficientNet grow until rounding alone decides the gradient.
    random = np.random.default_rng(0)
    for layer in backbone.network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [
                    w * random.uniform(0.9, 1.1, w.shape)
                    + random.normal(0, 0.02, w.shape)
                    for w in layer.get_weights()
                ]
            )
    yield attach(backbone, manifest.class_names, Head(dropout=0.0))
    keras.backend.clear_session()


def pixels(manifest, size):
    """Returns the images as the network takes them."""
    (found,) = batches.images(few(manifest), Square(side=size), IMAGES)
    return found.numpy().astype(np.float32)


def norm(*arrays):
    """Returns the Euclidean norm of all numbers together."""
    return np.sqrt(sum(np.sum(array.astype(float) ** 2) for array in arrays))


def step(model, inputs, labels):
    """Does one step of plain gradient descent; returns the loss before it."""
    model.compile(keras.optimizers.SGD(1e-3), outputs.loss("multi_class", 0.0))
    return float(model.train_on_batch(inputs, outputs.targets(labels, 3)))


class Plain:
    """Keras itself as the engine that fills the cache.

    A faster one rounds otherwise, by some 1e-6, which a random network of a hundred
    layers makes a hundred thousand times larger; that it agrees is tested elsewhere.
    """

    name, batch_size = "plain", IMAGES

    def __init__(self, model):
        self._run = tf.function(lambda inputs: model(inputs, training=False))

    def __call__(self, inputs):
        found = self._run(tf.cast(inputs, tf.float32))
        return [part.numpy() for part in tf.nest.flatten(found)]


@pytest.mark.parametrize(("classifier", "boundary"), CASES, indirect=["classifier"])
def test_step_on_the_cached_cut_equals_one_on_images(
    classifier, manifest, config, monkeypatch, boundary
):
    backbone, whole = classifier.backbone, classifier.model
    unfreeze = BOUNDARIES[boundary](backbone)
    config = config.override(
        cache={"dtype": "float32"},
        augment={"views": 1},
        fine_tune={"unfreeze": unfreeze},
    )
    monkeypatch.setattr(choice, "choose", lambda model, *_, **others: Plain(model))
    start = whole.get_weights()
    part = classifier.trainable_part(unfreeze)
    quick = products.as_products(part)
    train, _ = Inputs(classifier, few(manifest), config).at(unfreeze)
    loss = step(quick, np.asarray(train.views[0]), train.labels)
    products.copy_weights(quick, part)
    cached = whole.get_weights()
    whole.set_weights(start)
    images = pixels(manifest, classifier.image_size)
    assert step(whole, images, train.labels) == pytest.approx(loss, rel=1e-3)
    found = whole.get_weights()
    whole.set_weights(start)

    trained = {id(weight) for weight in whole.trainable_weights}
    suffix = {id(weight) for weight in part.weights}
    assert trained and trained <= suffix
    changed = norm(*(new - old for new, old in zip(found, start)))
    missed = norm(*(one - new for one, new in zip(cached, found)))
    assert 0 < changed and missed <= ALL_TOGETHER * changed
    for weight, old, one, other in zip(whole.weights, start, cached, found):
        if id(weight) not in trained:
            # The prefix and the statistics of every batch normalization.
            np.testing.assert_array_equal(one, old, err_msg=weight.path)
        else:
            margin = EACH * norm(other - old) + 1e-6 * changed
            assert norm(one - other) <= margin, weight.path
