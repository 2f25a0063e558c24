"""MixUp and CutMix: inputs and targets share alike, drawn from one generator."""

import numpy as np
import pytest

from tl_keras.config import Phase
from tl_keras.training import mixing

COUNT, HEIGHT, WIDTH = 64, 7, 5
SHAPE = (HEIGHT, WIDTH, COUNT)


def generator():
    return np.random.default_rng(0)


def numbered():
    """Maps whose every place holds the number of their image, one-hot."""
    eye = np.eye(COUNT, dtype=np.float32)
    maps = np.broadcast_to(eye[:, None, None], (COUNT, HEIGHT, WIDTH, COUNT))
    return maps, eye


def mixed(mixture, inputs, targets):
    """Returns a whole batch as it is mixed."""
    others = inputs[mixture.other]
    return mixture.inputs(inputs, others, slice(None)), mixture.targets(targets)


def cut(inputs, targets, beta=1.0, random=None):
    drawn = mixing.cutmix(len(inputs), inputs.shape[1:], beta, random or generator())
    return mixed(drawn, inputs, targets)


def phase(**changes):
    return Phase(epochs=1, **changes)


def test_mixed_inputs_and_targets_share_alike():
    eye = np.eye(8, dtype=np.float32)
    maps = np.broadcast_to(eye[:, np.newaxis, :], (8, 5, 8))
    inputs, targets = mixed(mixing.mixup(8, 0.4, generator()), maps, eye)
    np.testing.assert_allclose(inputs, np.repeat(targets[:, np.newaxis], 5, axis=1))


def test_mixing_keeps_the_larger_share_of_each_image():
    eye = np.eye(8, dtype=np.float32)
    _, targets = mixed(mixing.mixup(8, 1.0, generator()), eye, eye)
    assert (targets.diagonal() >= 0.5).all() and (targets.diagonal() < 1).any()


def test_cut_targets_share_exactly_as_the_places_do():
    inputs, targets = cut(*numbered())
    places = inputs.sum(axis=(1, 2), dtype=np.float64) / (HEIGHT * WIDTH)
    np.testing.assert_allclose(targets, places, rtol=0, atol=1e-7)


def test_what_is_cut_in_is_one_box_of_one_image():
    inputs, _ = cut(*numbered())
    whose = inputs.argmax(axis=-1)
    for own, places in enumerate(whose):
        foreign = places != own
        assert len(np.unique(places[foreign])) <= 1
        box = np.outer(foreign.any(axis=1), foreign.any(axis=0))
        np.testing.assert_array_equal(foreign, box)


def test_every_place_of_a_cut_map_is_one_images_own():
    inputs, _ = cut(*numbered())
    assert set(np.unique(inputs)) == {0.0, 1.0}


def test_boxes_come_in_all_sizes():
    _, targets = cut(*numbered())
    own = targets.diagonal()
    assert own.min() < 0.2 and own.max() > 0.95


def test_shares_that_stay_follow_the_distribution():
    maps, targets = np.zeros((400, 32, 32, 1), np.float32), np.eye(400)
    narrow, wide = (cut(maps, targets, beta)[1].diagonal() for beta in (100.0, 0.1))
    # Boxes of half the area, less what stands out; or of all and nothing.
    assert narrow.min() > 0.35 and (wide < 0.35).mean() > 0.05


def test_inputs_keep_their_dtype_and_are_not_changed():
    maps, targets = numbered()
    before = maps.copy()
    inputs, shared = cut(maps, targets)
    assert inputs.dtype == shared.dtype == np.float32
    np.testing.assert_array_equal(maps, before)


def test_phase_without_mixing_draws_nothing():
    random = generator()
    assert mixing.draw(COUNT, SHAPE, phase(), random) is None
    assert random.random() == generator().random()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_phase_with_one_kind_takes_that(kind):
    found = mixing.draw(COUNT, SHAPE, phase(**{kind: 0.4}), generator())
    shape = [] if kind == "mixup" else [SHAPE]
    expected = getattr(mixing, kind)(COUNT, *shape, 0.4, generator())
    np.testing.assert_array_equal(found.share, expected.share)
    np.testing.assert_array_equal(found.other, expected.other)
    assert (found.boxes is None) == (kind == "mixup")


def test_phase_with_both_takes_one_a_batch_at_random():
    random = generator()
    both = phase(mixup=1.0, cutmix=1.0)
    drawn = [mixing.draw(COUNT, SHAPE, both, random) for _ in range(100)]
    boxes = sum(mixture.boxes is not None for mixture in drawn)
    # Four standard deviations of a fair coin.
    assert abs(boxes - 50) <= 20


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_rows_that_are_mixed_alone_are_those_of_the_whole_batch(kind):
    mixture = mixing.draw(COUNT, SHAPE, phase(**{kind: 0.4}), generator())
    maps, eye = numbered()
    whole, _ = mixed(mixture, maps, eye)
    places = np.array([5, 0, 60])
    found = mixture.inputs(maps[places], maps[mixture.other[places]], places)
    np.testing.assert_array_equal(found, whole[places])


def test_same_generator_cuts_the_same():
    one, other = (cut(*numbered()) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
