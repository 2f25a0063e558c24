"""Grad-CAM on networks whose class hangs on a bright square: it points there."""

import keras
import numpy as np
import planted
import pytest
import tensorflow as tf

from tl_keras.config import Config
from tl_keras.errors import UsageError
from tl_keras.evaluation.explanation import gradcam
from tl_keras.training import outputs, scratch
from tl_keras.training.scratch import Network

PLAIN, SQUARE = 0, 1


def of(classifier, chosen, layer=None):
    """Returns the heat maps of a class on planted squares, and where those are."""
    pixels, corners = planted.images()
    explain = gradcam.of_batch(classifier, layer)
    return explain(pixels, np.full(len(pixels), chosen)), corners


@pytest.mark.parametrize("layer", [None, "block1", "block1_relu", "block2_conv"])
@pytest.mark.parametrize("pooling", ["avg", "flatten"])
def test_peak_lies_in_the_square_at_every_cut(layer, pooling):
    maps, corners = of(planted.classifier(pooling=pooling), SQUARE, layer)
    assert all(planted.inside(maps, corners))


def test_map_is_what_the_paper_s_equations_give():
    classifier = planted.classifier()
    pixels, _ = planted.images()
    before, _ = gradcam.cut(classifier)
    # Behind average pooling a channel's mean gradient is its weight, divided by 64.
    kernel = classifier.head.get_layer("logits").kernel[:, SQUARE]
    maps = np.maximum(before(pixels) @ tf.reshape(kernel, (2, 1)), 0)
    maps = tf.image.resize(maps, (planted.SIDE, planted.SIDE)).numpy()[..., 0]
    expected = maps / maps.max(axis=(1, 2), keepdims=True)
    found, _ = of(classifier, SQUARE)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_peak_of_the_other_class_lies_outside():
    maps, corners = of(planted.classifier(), PLAIN)
    assert not any(planted.inside(maps, corners, slack=0))


@pytest.mark.parametrize("kind", [outputs.BINARY, outputs.MULTI_LABEL])
def test_every_kind_of_output_is_explained(kind):
    classifier = planted.classifier(kind)
    square, corners = of(classifier, SQUARE)
    plain, _ = of(classifier, PLAIN)
    assert all(planted.inside(square, corners))
    assert not any(planted.inside(plain, corners, slack=0))


@pytest.mark.parametrize("layer", [None, "block1"])
def test_network_trained_from_scratch_is_explained(layer):
    maps, corners = of(planted.architecture(), SQUARE, layer)
    assert all(planted.inside(maps, corners))


@pytest.mark.parametrize("kind", [outputs.MULTI_CLASS, outputs.BINARY])
def test_without_a_class_the_most_probable_one_is_explained(kind):
    classifier = planted.classifier(kind)
    pixels, _ = planted.images()
    pixels[0] = 30
    explain = gradcam.of_batch(classifier)
    np.testing.assert_array_equal(
        explain(pixels), explain(pixels, np.array([PLAIN] + 5 * [SQUARE]))
    )


def test_maps_are_as_large_as_the_images_and_end_at_1():
    maps, _ = of(planted.classifier(), SQUARE)
    assert maps.shape == (6, planted.SIDE, planted.SIDE)
    assert maps.dtype == np.float32 and maps.min() >= 0
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1)


def test_map_is_empty_where_nothing_speaks_for_the_class():
    white = np.full((1, planted.SIDE, planted.SIDE, 3), 255)
    found = gradcam.of_batch(planted.classifier())(white, np.array([PLAIN]))
    assert not found.any()


def test_each_image_is_explained_by_itself():
    pixels, _ = planted.images()
    explain = gradcam.of_batch(planted.classifier())
    together = explain(pixels)
    alone = np.concatenate([explain(pixels[i : i + 1]) for i in range(len(pixels))])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("unfreeze", [0, 1, "all"])
def test_what_is_frozen_does_not_matter(unfreeze):
    expected, _ = of(planted.classifier(), SQUARE)
    classifier = planted.classifier()
    # As after training: some layers frozen, normalization that would train.
    classifier.trainable_part(unfreeze, train_batch_norm=True)
    found, _ = of(classifier, SQUARE)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("layer", [None, "block1"])
def test_classifier_is_left_as_it_was(layer):
    classifier = planted.classifier()
    classifier.trainable_part(1)
    layers = classifier.model._flatten_layers
    before = classifier.model.get_weights()
    flags = [part.trainable for part in layers()]
    assert not all(flags)
    of(classifier, SQUARE, layer)
    for old, new in zip(before, classifier.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [part.trainable for part in layers()] == flags


def test_unknown_layer_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match="'blok1'.*'block1'.*Known: block1, block2"):
        gradcam.of_batch(planted.classifier(), "blok1")


def test_layer_without_places_is_no_feature_map():
    with pytest.raises(UsageError, match="Unknown layer 'logits'"):
        gradcam.of_batch(planted.architecture(), "logits")


def test_network_without_a_feature_map_is_refused_in_one_line():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    inner = keras.Model(inputs, keras.layers.Dense(2)(x), name="dense")
    outside = keras.Input((8, 8, 3))
    scaled = keras.layers.Rescaling(1 / 255, name="preprocessing")(outside)
    network = Network(keras.Model(outside, inner(scaled)), 8, ("a", "b"))
    with pytest.raises(UsageError, match="dense has no feature map.*'occlusion'"):
        gradcam.of_batch(network)


def test_last_map_of_a_known_architecture_is_found():
    config = Config().override(scratch="lenet5", backbone={"image_size": 32})
    network = scratch.build(config, ("a", "b"))
    before, after = gradcam.cut(network)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    # C5, the last of the convolutions, leaves one place.
    assert before.output.shape[1:] == (5, 5, 16)
    np.testing.assert_allclose(
        after(before(pixels)), network.model(pixels), rtol=1e-4, atol=1e-5
    )
