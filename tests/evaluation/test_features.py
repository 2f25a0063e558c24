import keras
import numpy as np
import pytest

from tl_keras.config import Config, Head
from tl_keras.errors import UsageError
from tl_keras.evaluation import features
from tl_keras.training import outputs, scratch
from tl_keras.training.head import attach

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_last_layer_makes_logits_of_a_classifiers_features(backbone, hidden):
    classifier = attach(backbone, ("a", "b", "c"), Head(hidden=hidden))
    found = features.of_batch(classifier)(IMAGES)
    logits = classifier.head.get_layer("logits")(found)
    expected = classifier.model(IMAGES, training=False)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    assert found.shape == (3, hidden[0] if hidden else 8)


def test_last_layer_makes_logits_of_an_architectures_features():
    config = Config().override(scratch="lenet5", backbone={"image_size": 32})
    network = scratch.build(config, ("a", "b", "c"))
    found = features.of_batch(network)(IMAGES)
    dense = network.model.layers[-1].layers[-1]
    expected = network.model(IMAGES, training=False)
    np.testing.assert_allclose(dense(found), expected, rtol=1e-4, atol=1e-5)
    assert network.outputs == outputs.MULTI_CLASS


def test_network_without_a_dense_layer_has_no_features():
    inputs = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.layers.Conv2D(2, 8), keras.layers.Flatten()])
    model = keras.Model(inputs, inner(inputs))
    with pytest.raises(UsageError, match="ends in no dense layer"):
        features.network(scratch.Network(model, 8, ("a", "b")))
