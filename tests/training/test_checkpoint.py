"""Which epoch is kept, and what is kept of it on the disk."""

import errno
import random

import keras
import numpy as np
import pytest

from tl_keras.errors import StorageError
from tl_keras.training import checkpoint
from tl_keras.training.checkpoint import Best, Damaged, State


@pytest.mark.parametrize(
    ("accuracy", "kept"),
    # Two standard errors of 0.8 on 100 images are 0.08.
    [(0.9, True), (0.8, True), (0.73, True), (0.71, False)],
)
def test_later_epoch_is_kept_within_two_standard_errors_of_the_best(accuracy, kept):
    assert Best(0.8, 1, []).keeps(accuracy, images=100) is kept


def test_more_images_tell_smaller_differences():
    assert not Best(0.8, 1, []).keeps(0.77, images=10_000)


def test_first_epoch_is_always_kept():
    assert Best.none_yet().keeps(0.0, images=5)


def test_nothing_but_as_good_is_kept_where_all_images_are_right():
    assert not Best(1.0, 1, []).keeps(0.99, images=100)


def state(epoch):
    """A state of some epoch, with numbers of its own."""
    values = [np.arange(6, dtype=np.float32).reshape(2, 3) + epoch]
    return State(epoch, 1, Best(0.5, epoch, values), False, values, [np.array(epoch)])


@pytest.fixture
def path(tmp_path):
    """Checkpoints of two epochs."""
    for epoch in (1, 2):
        checkpoint.save(tmp_path / "fine_tune.npz", state(epoch))
    return tmp_path / "fine_tune.npz"


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def test_two_checkpoints_are_kept(path):
    checkpoint.save(path, state(3))
    assert checkpoint.load(path).epoch == 3
    assert checkpoint.load(checkpoint.before(path)).epoch == 2
    assert len([*path.parent.iterdir()]) == 2


def test_damaged_checkpoint_gives_way_to_the_one_before(path, capsys):
    cut(path)
    assert checkpoint.latest(path).epoch == 1
    said = capsys.readouterr().err
    assert "fine_tune.npz is damaged" in said and "going on from the one" in said


def test_damaged_checkpoint_never_takes_the_place_of_a_whole_one(path):
    cut(path)
    checkpoint.latest(path)
    checkpoint.save(path, state(2))
    cut(path)
    assert checkpoint.latest(path).epoch == 1


def test_phase_without_a_whole_checkpoint_starts_anew(path, capsys):
    cut(path)
    cut(checkpoint.before(path))
    assert checkpoint.latest(path) is None
    assert "its phase starts anew" in capsys.readouterr().err


def test_kill_between_the_two_renames_costs_one_epoch(path):
    path.rename(checkpoint.before(path))
    assert checkpoint.exists(path) and checkpoint.latest(path).epoch == 2


def test_no_flipped_bit_goes_unnoticed(path):
    whole, draw = path.read_bytes(), random.Random(0)
    expected = state(2)
    for _ in range(400):
        place = draw.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        try:
            found = checkpoint.load(path)
        except Damaged:
            continue
        # Times, versions and the like are read by nobody.
        assert (found.epoch, found.best.epoch, found.best.accuracy) == (2, 2, 0.5)
        for ours, theirs in zip(
            [*found.model, *found.optimizer, *found.best.weights],
            [*expected.model, *expected.optimizer, *expected.best.weights],
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_disk_that_does_not_give_the_file_is_no_damage(path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(StorageError, match="cannot be read: .*Input/output error"):
        checkpoint.latest(path)
    assert path.exists()


def test_damaged_weights_are_one_line(tmp_path):
    path = tmp_path / "model.weights.h5"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StorageError, match="model.weights.h5 is damaged") as caught:
        checkpoint.load_weights(model, path)
    assert "\n" not in str(caught.value)
