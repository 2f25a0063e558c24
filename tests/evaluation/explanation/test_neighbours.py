"""The nearest training images, and what they say of a label."""

import numpy as np
import pytest
import sklearn

from tl_keras.evaluation.explanation import neighbours
from tl_keras.evaluation.explanation.losses import Judged
from tl_keras.evaluation.explanation.neighbours import Neighbour, Wrong

RANDOM = np.random.default_rng(0)
TRAINING = RANDOM.normal(size=(50, 7)).astype(np.float32)
QUERIES = RANDOM.normal(size=(9, 7)).astype(np.float32)


def wrong(*labels, predicted="dog", sure=True):
    """Returns a cat that is predicted as something else, and its neighbours."""
    judged = Judged(
        row=0, path="a", true="cat", predicted=predicted, probability=0.9, loss=2.3
    )
    near = tuple(
        Neighbour(path="b", label=label, distance=0.1, thumbnail=b"")
        for label in labels
    )
    return Wrong(judged=judged, thumbnail=b"", neighbours=near, sure=sure)


def test_nearest_are_those_of_the_smallest_angle():
    places, distances = neighbours.nearest(QUERIES, TRAINING, 5)
    lengths = np.linalg.norm(QUERIES, axis=1)[:, None] * np.linalg.norm(
        TRAINING, axis=1
    )
    expected = 1 - QUERIES @ TRAINING.T / lengths
    np.testing.assert_array_equal(places, expected.argsort(axis=1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(expected)[:, :5], atol=1e-5)


def test_length_of_the_features_does_not_matter():
    scales = RANDOM.uniform(1, 100, (50, 1)).astype(np.float32)
    plain, _ = neighbours.nearest(QUERIES, TRAINING)
    scaled, _ = neighbours.nearest(QUERIES * 7, TRAINING * scales)
    np.testing.assert_array_equal(plain, scaled)


def test_there_are_no_more_neighbours_than_training_images():
    places, _ = neighbours.nearest(QUERIES, TRAINING[:3], 5)
    assert places.shape == (9, 3)


def test_distances_are_computed_in_blocks(monkeypatch):
    seen = []
    whole = sklearn.metrics.pairwise.cosine_distances

    def noted(*arrays):
        seen.append(len(arrays[0]))
        return whole(*arrays)

    monkeypatch.setattr(neighbours, "MEMORY", 1)
    table = sklearn.metrics.pairwise.PAIRWISE_DISTANCE_FUNCTIONS
    monkeypatch.setitem(table, "cosine", noted)
    training = RANDOM.normal(size=(20_000, 2))
    neighbours.nearest(RANDOM.normal(size=(20, 2)), training)
    # 8 bytes a distance: 1 MiB holds those of six images.
    assert max(seen) <= 7 and sum(seen) == 20


@pytest.mark.parametrize(
    "labels, votes, suspected",
    [
        (("dog", "dog", "dog", "cat", "cat"), 3, True),
        (("dog", "dog", "cat", "cat", "cat"), 2, False),
        (("dog", "cat"), 1, False),
        (("eel", "eel", "eel"), 0, False),
    ],
)
def test_label_is_doubted_where_most_neighbours_agree(labels, votes, suspected):
    found = wrong(*labels)
    assert (found.votes, found.suspected) == (votes, suspected)
    assert found.statement.endswith("label error?") == suspected
    assert found.statement.startswith(f"{votes} of the {len(labels)} nearest")


def test_label_is_not_doubted_by_an_unsure_prediction():
    found = wrong("dog", "dog", "dog", sure=False)
    assert found.votes == 3 and not found.suspected


def test_prediction_is_sure_that_reaches_its_class_s_usual_probability():
    labels = np.array([0, 0, 1, 1])
    predicted = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    # Of class 0 it is 0.65 on average, of class 1 0.7.
    found = neighbours.sure(labels, predicted)
    assert found.tolist() == [True, False, False, True]


def test_prediction_of_a_class_without_images_is_not_sure():
    assert not neighbours.sure(np.array([0]), np.array([[0.1, 0.9]])).any()


def test_each_of_several_predicted_labels_has_to_be_sure():
    targets = np.array([[1, 1], [1, 0], [0, 1]])
    predicted = np.array([[0.9, 0.6], [0.7, 0.2], [0.9, 0.9]])
    # The first label is 0.8 on average where it is true, the second 0.75.
    assert neighbours.sure(targets, predicted).tolist() == [False, False, True]


def test_order_of_several_labels_does_not_matter():
    assert wrong("dog|eel", "eel|dog", "cat", predicted="dog|eel").votes == 2
