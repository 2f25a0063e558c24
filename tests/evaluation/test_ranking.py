"""Areas, average precisions and label ranking, against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tl_keras.evaluation import ranking


def case(seed, decimals=8):
    """Returns truth and scores of 50 images and 4 classes; few decimals make ties."""
    random = np.random.default_rng(seed)
    truth = random.random((50, 4)) < 0.4
    scores = np.round(0.3 * truth + 0.7 * random.random((50, 4)), decimals)
    return truth, scores


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
    ],
)
def test_ranks_equal_scikit_learn(seed, decimals, name, function):
    truth, scores = case(seed, decimals)
    expected = function(truth, scores, average=None)
    found = ranking.Ranking(truth, scores).once[name][0]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("roc_auc", reference.roc_auc_score),
        ("average_precision", reference.average_precision_score),
    ],
)
def test_weights_count_images_several_times_or_never(name, function):
    truth, scores = case(0, decimals=1)
    weights = np.random.default_rng(1).integers(3, size=(2, 50))
    found = ranking.Ranking(truth, scores).per_class(weights)[name]
    for row, times in zip(found, weights):
        repeated = np.repeat(np.arange(50), times)
        expected = function(truth[repeated], scores[repeated], average=None)
        assert row == pytest.approx(expected)


def test_class_that_no_image_or_every_image_has_is_not_judged():
    truth, scores = case(0)
    truth[:, 1], truth[:, 2] = True, False
    assert ranking.Ranking(truth, scores).judged.tolist() == [0, 3]


def test_resample_without_a_class_leaves_it_out_of_the_mean():
    truth = np.array([[1, 0], [0, 1], [0, 0]], bool)
    scores = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.2]])
    found = ranking.Ranking(truth, scores).macro(np.array([[1, 0, 2]]))
    assert found["roc_auc"].tolist() == [1.0]


def test_no_class_that_can_be_ranked_gives_no_number():
    found = ranking.Ranking(np.ones((3, 1), bool), np.ones((3, 1)))
    assert np.isnan(found.macro(np.ones((2, 3)))["roc_auc"]).all()


@pytest.mark.parametrize("decimals", [1, 8])
def test_label_ranking_precision_equals_scikit_learn(decimals):
    truth, scores = case(3, decimals)
    truth[0], truth[1] = True, False
    expected = reference.label_ranking_average_precision_score(truth, scores)
    assert ranking.label_precision(truth, scores).mean() == pytest.approx(expected)
