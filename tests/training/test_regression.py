"""The solved head: scikit-learn's probabilities, and the choice of the penalty."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from tl_keras.training import outputs, regression
from tl_keras.training.regression import choose_l2, solve


def examples(classes, images=90, features=6, noise=1.0):
    random = np.random.default_rng(3)
    labels = np.arange(images) % classes
    centres = random.normal(0, 2, (classes, features))
    scale = np.linspace(0.5, 2, features)
    spread = random.normal(0, noise, (images, features))
    return (centres[labels] + spread) * scale, labels


@pytest.mark.parametrize(
    ("classes", "kind"),
    [(2, "multi_class"), (3, "multi_class"), (7, "multi_class"), (2, "binary")],
)
def test_solved_head_gives_the_probabilities_of_the_logistic_regression(classes, kind):
    features, labels = examples(classes)
    kernel, bias = solve(features, labels, 10.0, kind)
    scaled = StandardScaler().fit_transform(features)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit(scaled, labels)
    found = outputs.probabilities(features @ kernel + bias, kind)
    np.testing.assert_allclose(found, reference.predict_proba(scaled), atol=1e-4)


@pytest.mark.parametrize(("kind", "logits"), [("multi_class", 2), ("binary", 1)])
def test_solved_head_has_as_many_columns_as_logits(kind, logits):
    kernel, bias = solve(*examples(2), 1.0, kind)
    assert (kernel.shape, bias.shape) == ((6, logits), (logits,))


def test_feature_that_hardly_varies_gets_no_giant_weight():
    features, labels = examples(3)
    features[:, 0] = 1e-9 * labels
    kernel, _ = solve(features, labels, 1.0, "multi_class")
    assert np.abs(kernel[0]).max() < 10 * np.abs(kernel[1:]).max()


def test_constant_features_give_finite_weights():
    kernel, bias = solve(np.ones((9, 4)), np.arange(9) % 3, 1.0, "multi_class")
    assert np.isfinite(kernel).all() and np.isfinite(bias).all()


def test_noisier_features_get_a_stronger_penalty():
    clean, noisy = (choose_l2(*examples(3, noise=noise)) for noise in (0.1, 30.0))
    assert clean < noisy


def test_chosen_penalty_is_the_best_of_the_held_out_images(monkeypatch):
    features, labels = examples(3, images=60, noise=4.0)
    chosen = choose_l2(features, labels)
    fresh, truth = examples(3, images=3000, noise=4.0)

    def loss(l2):
        kernel, bias = solve(features, labels, l2, "multi_class")
        found = np.asarray(outputs.probabilities(fresh @ kernel + bias, "multi_class"))
        return -np.log(found[np.arange(3000), truth]).mean()

    assert chosen == min(regression.STRENGTHS, key=loss)


def test_chosen_penalty_is_said(capsys):
    chosen = choose_l2(*examples(3))
    assert f"head_phase.l2 is {chosen:g}, by cross-val" in capsys.readouterr().err


def test_too_few_images_a_class_for_folds_take_the_usual_penalty(capsys):
    features, labels = examples(3, images=9)
    labels[labels == 2] = 0
    labels[:2] = 2
    assert choose_l2(features, labels) == 100.0
    assert "a class has 2 images to train on" in capsys.readouterr().err


def uneven(images=200):
    """Two classes that lie half over each other, one of them a tenth."""
    random = np.random.default_rng(1)
    labels = (np.arange(images) % 10 == 0).astype(int)
    return random.normal(labels[:, np.newaxis], 1.0, (images, 2)), labels


@pytest.mark.parametrize("kind", ["multi_class", "binary"])
def test_balanced_head_finds_more_of_the_small_class(kind):
    features, labels = uneven()

    def share(balanced):
        kernel, bias = solve(features, labels, 1.0, kind, balanced=balanced)
        found = np.asarray(outputs.probabilities(features @ kernel + bias, kind))
        return found[labels == 1].argmax(axis=1).mean()

    assert share(balanced=True) > 0.9 > 0.7 > share(balanced=False)


def test_balanced_head_is_that_of_a_set_in_which_the_small_class_is_repeated():
    features, labels = uneven()
    kernel, bias = solve(features, labels, 1.0, "binary", balanced=True)
    mean, deviation = regression._scale(features)
    scaled = (features - mean) / deviation
    # Weights of 5/9 and 5: nine copies of a tenth, and all of it over 9 / 5.
    places = np.concatenate(
        [np.flatnonzero(labels == 0)] + 9 * [np.flatnonzero(labels)]
    )
    reference = LogisticRegression(C=5 / 9, max_iter=1000)
    reference.fit(scaled[places], labels[places])
    found = np.asarray(outputs.probabilities(features @ kernel + bias, "binary"))
    np.testing.assert_allclose(found, reference.predict_proba(scaled), atol=2e-3)


def test_penalty_of_a_balanced_head_is_the_best_of_balanced_held_out_images(
    monkeypatch,
):
    seen = []

    def note(truth, found, sample_weight):
        seen.append(np.bincount(truth, weights=sample_weight))
        return 1.0

    monkeypatch.setattr(regression, "log_loss", note)
    choose_l2(*uneven(), balanced=True)
    for classes in seen:
        assert classes[0] == pytest.approx(classes[1])


@pytest.mark.parametrize(
    "work",
    [lambda *data: solve(*data, 1.0, outputs.MULTI_CLASS), choose_l2],
    ids=["solve", "choose_l2"],
)
def test_regression_keeps_two_libraries_from_fighting_for_the_cores(monkeypatch, work):
    fit, noted = LogisticRegression.fit, []

    def note(*arguments, **options):
        pools = threadpool_info()
        noted.extend(x["num_threads"] for x in pools if x["user_api"] == "blas")
        return fit(*arguments, **options)

    monkeypatch.setattr(LogisticRegression, "fit", note)
    with threadpool_limits(2, user_api="blas"):
        work(*examples(3))
    assert noted and set(noted) == {1}
