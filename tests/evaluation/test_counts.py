"""Averages and agreement from counts, against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tl_keras.evaluation import counts


def case(seed, classes=5, images=40):
    """Returns labels and predictions; some classes never occur, some only there."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes - 1, size=images)
    predicted = np.where(
        random.random(images) < 0.6, labels, random.integers(1, classes, size=images)
    )
    return labels, predicted


def counted(labels, predicted, classes=5):
    """Returns hits, true and predicted images of each class."""
    hits = labels[labels == predicted]
    return [np.bincount(x, minlength=classes) for x in (hits, labels, predicted)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("average", "prefix"), [("weighted", "weighted_"), ("micro", "micro_")]
)
def test_weighted_and_micro_averages_equal_scikit_learn(seed, average, prefix):
    labels, predicted = case(seed)
    expected = reference.precision_recall_fscore_support(
        labels, predicted, average=average, zero_division=0
    )[:3]
    found = counts.averages(*counted(labels, predicted))
    actual = [found[prefix + name] for name in ("precision", "recall", "f1")]
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_macro_averages_are_over_the_classes_that_occur(seed):
    labels, predicted = case(seed)
    expected = reference.precision_recall_fscore_support(
        labels, predicted, labels=np.unique(labels), average="macro", zero_division=0
    )[:3]
    found = counts.averages(*counted(labels, predicted))
    actual = [found[name] for name in ("precision", "recall", "f1")]
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("kappa", reference.cohen_kappa_score),
        ("matthews", reference.matthews_corrcoef),
        (
            "balanced_accuracy",
            lambda y, p: reference.recall_score(
                y, p, labels=np.unique(y), average="macro"
            ),
        ),
    ],
)
def test_agreement_equals_scikit_learn(seed, name, function):
    labels, predicted = case(seed)
    found = counts.agreement(*counted(labels, predicted))
    assert found[name] == pytest.approx(function(labels, predicted))


def test_one_answer_to_every_image_agrees_by_chance_alone():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 0, 0])
    found = counts.agreement(*counted(labels, predicted))
    assert (found["kappa"], found["matthews"]) == (0, 0)


def test_agreement_on_images_of_one_class_is_undefined():
    labels = np.array([2, 2, 2])
    found = counts.agreement(*counted(labels, labels))
    assert np.isnan(found["kappa"]) and np.isnan(found["matthews"])


def test_many_sets_at_once_give_what_each_gives_alone():
    both = [counted(*case(seed)) for seed in (0, 1)]
    together = counts.agreement(*(np.stack(pair) for pair in zip(*both)))
    alone = [counts.agreement(*one)["kappa"] for one in both]
    assert together["kappa"] == pytest.approx(np.array(alone))
