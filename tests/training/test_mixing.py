"""MixUp and CutMix: inputs and targets share alike, drawn from one generator."""

import numpy as np
import pytest

from tl_keras.config import Phase
from tl_keras.training import mixing

COUNT, HEIGHT, WIDTH = 64, 7, 5


def generator():
    return np.random.default_rng(0)


def numbered():
    """Maps whose every place holds the number of their image, one-hot."""
    eye = np.eye(COUNT, dtype=np.float32)
    maps = np.broadcast_to(eye[:, None, None], (COUNT, HEIGHT, WIDTH, COUNT))
    return maps, eye


def phase(**changes):
    return Phase(epochs=1, **changes)


def test_mixed_inputs_and_targets_share_alike():
    eye = np.eye(8, dtype=np.float32)
    maps = np.broadcast_to(eye[:, np.newaxis, :], (8, 5, 8))
    inputs, targets = mixing.mixup(maps, eye, 0.4, generator())
    np.testing.assert_allclose(inputs, np.repeat(targets[:, np.newaxis], 5, axis=1))


def test_mixing_keeps_the_larger_share_of_each_image():
    eye = np.eye(8, dtype=np.float32)
    _, targets = mixing.mixup(eye, eye, 1.0, generator())
    assert (targets.diagonal() >= 0.5).all() and (targets.diagonal() < 1).any()


def test_cut_targets_share_exactly_as_the_places_do():
    inputs, targets = mixing.cutmix(*numbered(), 1.0, generator())
    places = inputs.sum(axis=(1, 2), dtype=np.float64) / (HEIGHT * WIDTH)
    np.testing.assert_allclose(targets, places, rtol=0, atol=1e-7)


def test_what_is_cut_in_is_one_box_of_one_image():
    inputs, _ = mixing.cutmix(*numbered(), 1.0, generator())
    whose = inputs.argmax(axis=-1)
    for own, places in enumerate(whose):
        foreign = places != own
        assert len(np.unique(places[foreign])) <= 1
        box = np.outer(foreign.any(axis=1), foreign.any(axis=0))
        np.testing.assert_array_equal(foreign, box)


def test_every_place_of_a_cut_map_is_one_images_own():
    inputs, _ = mixing.cutmix(*numbered(), 1.0, generator())
    assert set(np.unique(inputs)) == {0.0, 1.0}


def test_boxes_come_in_all_sizes():
    _, targets = mixing.cutmix(*numbered(), 1.0, generator())
    own = targets.diagonal()
    assert own.min() < 0.2 and own.max() > 0.95


def test_shares_that_stay_follow_the_distribution():
    maps, targets = np.zeros((400, 32, 32, 1), np.float32), np.eye(400)
    narrow, wide = (
        mixing.cutmix(maps, targets, beta, generator())[1].diagonal()
        for beta in (100.0, 0.1)
    )
    # Boxes of half the area, less what stands out; or of all and nothing.
    assert narrow.min() > 0.35 and (wide < 0.35).mean() > 0.05


def test_inputs_keep_their_dtype_and_are_not_changed():
    maps, targets = numbered()
    before = maps.copy()
    inputs, mixed = mixing.cutmix(maps, targets, 1.0, generator())
    assert inputs.dtype == mixed.dtype == np.float32
    np.testing.assert_array_equal(maps, before)


def test_phase_without_mixing_draws_nothing():
    random, maps_and_targets = generator(), numbered()
    found = mixing.mix(*maps_and_targets, phase(), random)
    assert found[0] is maps_and_targets[0] and found[1] is maps_and_targets[1]
    assert random.random() == generator().random()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_phase_with_one_kind_takes_that(kind):
    found = mixing.mix(*numbered(), phase(**{kind: 0.4}), generator())
    expected = getattr(mixing, kind)(*numbered(), 0.4, generator())
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_phase_with_both_takes_one_a_batch_at_random():
    random = generator()
    both = phase(mixup=1.0, cutmix=1.0)
    batches = [mixing.mix(*numbered(), both, random)[0] for _ in range(100)]
    cut = sum(set(np.unique(inputs)) == {0.0, 1.0} for inputs in batches)
    # Four standard deviations of a fair coin.
    assert abs(cut - 50) <= 20


def test_same_generator_cuts_the_same():
    one, other = (mixing.cutmix(*numbered(), 1.0, generator()) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
