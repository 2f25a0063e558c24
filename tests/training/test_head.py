"""How a head is attached: one head in every model that is made of it."""

import numpy as np
import pytest

from tl_keras.config import Head
from tl_keras.training import heads
from tl_keras.training.head import attach

HEADS = {
    "linear": Head(dropout=0.5),
    "max": Head(pooling="max"),
    "flatten": Head(pooling="flatten", hidden=(4,)),
    "gem": Head(pooling="gem"),
    "conv": Head(conv_filters=5, conv_kernel_size=3, batch_norm=True),
    "mlp": Head(hidden=(6, 4), batch_norm=True, outputs="multi_label"),
}


@pytest.fixture(params=HEADS)
def classifier(backbone, request):
    attached = attach(backbone, ("a", "b", "c"), HEADS[request.param])
    random = np.random.default_rng(0)
    # Fresh statistics would hide where batch normalization stands.
    attached.head.set_weights(
        [random.uniform(0.5, 1.5, weight.shape) for weight in attached.head.weights]
    )
    return attached


def images():
    return np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))


def test_classifier_computes_what_its_trainable_part_computes(classifier):
    prefix, _ = classifier.backbone.split(1)
    part = classifier.trainable_part(1)
    np.testing.assert_allclose(
        part(prefix(images()), training=False),
        classifier.model(images(), training=False),
        rtol=1e-4,
    )


def test_head_alone_takes_what_the_cache_keeps(classifier):
    feature_map = classifier.backbone.model(images(), training=False)
    cached = heads.FEATURES[classifier.features](feature_map)
    np.testing.assert_allclose(
        classifier.trainable_part(0)(cached, training=False),
        classifier.model(images(), training=False),
        rtol=1e-4,
        atol=1e-5,
    )


def test_weights_of_the_head_are_the_same_in_every_part(classifier):
    parts = [
        classifier.head,
        classifier.model,
        classifier.trainable_part(0),
        classifier.trainable_part(1),
    ]
    for part in parts:
        assert {id(w) for w in classifier.head.weights} <= {id(w) for w in part.weights}


def test_whole_head_trains_in_both_phases(classifier):
    for unfreeze in (0, 1):
        trained = classifier.trainable_part(unfreeze).trainable_weights
        wanted = [w for w in classifier.head.weights if "moving" not in w.path]
        assert {id(w) for w in wanted} <= {id(w) for w in trained}
