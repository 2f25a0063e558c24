"""The solved head, and how a head is attached."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tl_keras.training.head import attach, solve


def examples(classes, images=90, features=6):
    random = np.random.default_rng(3)
    labels = np.arange(images) % classes
    centres = random.normal(0, 2, (classes, features))
    scale = np.linspace(0.5, 2, features)
    return (centres[labels] + random.normal(0, 1, (images, features))) * scale, labels


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_solved_head_gives_the_probabilities_of_the_logistic_regression(classes):
    features, labels = examples(classes)
    kernel, bias = solve(features, labels, l2=10.0)
    scaled = StandardScaler().fit_transform(features)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit(scaled, labels)
    found = softmax(features @ kernel + bias)
    np.testing.assert_allclose(found, reference.predict_proba(scaled), atol=1e-4)


def test_solved_head_has_one_column_a_class():
    kernel, bias = solve(*examples(2), l2=1.0)
    assert (kernel.shape, bias.shape) == ((6, 2), (2,))


def test_feature_that_hardly_varies_gets_no_giant_weight():
    features, labels = examples(3)
    features[:, 0] = 1e-9 * labels
    kernel, _ = solve(features, labels, l2=1.0)
    assert np.abs(kernel[0]).max() < 10 * np.abs(kernel[1:]).max()


def test_constant_features_give_finite_weights():
    kernel, bias = solve(np.ones((9, 4)), np.arange(9) % 3, l2=1.0)
    assert np.isfinite(kernel).all() and np.isfinite(bias).all()


def test_classifier_computes_what_its_trainable_part_computes(backbone):
    classifier = attach(backbone, ("a", "b", "c"), dropout=0.5)
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
    prefix, _ = backbone.split(1)
    part = classifier.trainable_part(1)
    np.testing.assert_allclose(
        part(prefix(images), training=False),
        classifier.model(images, training=False),
        rtol=1e-5,
    )


def test_head_alone_takes_pooled_features(backbone):
    classifier = attach(backbone, ("a", "b", "c"), dropout=0.5)
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
    pooled = backbone.model(images, training=False).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(
        classifier.trainable_part(0)(pooled, training=False),
        classifier.model(images, training=False),
        rtol=1e-4,
        atol=1e-5,
    )
