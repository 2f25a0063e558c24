"""Which rows each replica makes: all once, none without, exact means."""

import numpy as np
import pytest

from tl_keras.training.distribution.sharing import Share

SIZES = [(8, 2), (9, 2), (7, 3), (1, 3), (2, 3), (5, 4), (64, 3)]


@pytest.mark.parametrize("batch, replicas", SIZES)
def test_every_row_is_made_once_and_every_replica_has_some(batch, replicas):
    made = []
    for first in range(replicas):
        places, weights = Share(replicas, first, 1).places(batch)
        assert places.shape == weights.shape == (1, -(-batch // replicas))
        made += places[weights > 0].tolist()
    assert sorted(made) == list(range(batch))


@pytest.mark.parametrize("batch, replicas", SIZES)
def test_mean_over_the_replicas_is_that_of_the_batch(batch, replicas):
    losses = np.random.default_rng(0).random(batch)
    means = []
    for first in range(replicas):
        places, weights = Share(replicas, first, 1).places(batch)
        means.append((losses[places] * weights).mean())
    assert np.mean(means) == pytest.approx(losses.mean())


def test_process_with_two_devices_makes_the_rows_of_both():
    places, weights = Share(4, first=2, here=2).places(8)
    assert places.tolist() == [[4, 5], [6, 7]] and (weights == 1).all()
