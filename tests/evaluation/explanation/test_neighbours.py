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


def wrong(*labels, predicted="dog"):
    """Returns a cat that is predicted as something else, and its neighbours."""
    judged = Judged(
        row=0, path="a", true="cat", predicted=predicted, probability=0.9, loss=2.3
    )
    near = tuple(
        Neighbour(path="b", label=label, distance=0.1, thumbnail=b"")
        for label in labels
    )
    return Wrong(judged=judged, thumbnail=b"", neighbours=near)


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


def test_order_of_several_labels_does_not_matter():
    assert wrong("dog|eel", "eel|dog", "cat", predicted="dog|eel").votes == 2
