"""A batch that the memory does not hold: the same updates in several steps."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_phase import PHASE, Killed, examples, nobody, run

from tl_keras.errors import TlKerasError
from tl_keras.training import feeding
from tl_keras.training.feeding import Plan
from tl_keras.training.history import History


class Narrow(keras.Model):
    """A model whose steps hold so many images at most, from a step on."""

    holds, steps, after, seen = 1000, 0, 0, ()

    def train_step(self, data):
        def check(images):
            self.steps += 1
            self.seen += (int(images),)
            if images > self.holds and self.steps > self.after:
                # TensorFlow makes a ResourceExhaustedError of it.
                raise MemoryError
            return images

        images = tf.numpy_function(check, [tf.shape(data[0])[0]], tf.int32)
        with tf.control_dependencies([images]):
            return super().train_step(data)


def narrow(holds=1000, after=0, dropout=0.0):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(dropout)(keras.layers.Dense(6, "relu")(inputs))
    model = Narrow(inputs, keras.layers.Dense(3)(x))
    model.holds, model.after = holds, after
    return model


MIXED = dataclasses.replace(PHASE, mixup=0.3, clip_norm=0.5, weight_decay=0.05)


@pytest.mark.parametrize(
    ("holds", "after", "balance"),
    [(4, 0, "none"), (2, 2, "weights"), (5, 7, "none"), (1, 5, "sampling")],
)
def test_weights_are_those_of_the_whole_batch(tmp_path, holds, after, balance):
    whole, cut = narrow(), narrow(holds, after)
    options = dict(phase=MIXED, validation=nobody(), balance=balance)
    expected = run(tmp_path / "whole", whole, **options).epochs
    found = run(tmp_path / "cut", cut, **options).epochs
    for one, other in zip(cut.get_weights(), whole.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert [epoch.epoch for epoch in found] == [1, 2, 3, 4]
    for one, other in zip(found, expected):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.learning_rate == pytest.approx(other.learning_rate, abs=1e-7)


def test_finished_epochs_are_not_repeated(tmp_path):
    # Three updates an epoch: the second epoch breaks off at its second.
    model = narrow(holds=4, after=4)
    run(tmp_path, model, validation=nobody())
    assert model.seen == (8,) * 5 + (4,) * 3 * 3 * 2


def test_epochs_of_finished_parts_stay_where_the_memory_is_short(tmp_path):
    run(tmp_path, narrow(), validation=nobody())
    shutil.rmtree(tmp_path / "checkpoints")
    before = dataclasses.replace(History.load(tmp_path), settled=4)
    run(tmp_path, narrow(holds=4), validation=nobody(), history=before)
    assert [epoch.epoch for epoch in History.load(tmp_path).epochs] == [*range(1, 9)]


def test_step_holds_the_largest_share_that_fits(tmp_path):
    model = narrow(holds=3)
    phase = dataclasses.replace(PHASE, batch_size=12)
    run(tmp_path, model, phase)
    # A third of 12 is no whole share of a half, so 6, 3; two updates an epoch.
    assert model.seen == (12, 6) + (3,) * 4 * 2 * 4


def test_smaller_steps_are_said(tmp_path, capsys):
    run(tmp_path, narrow(holds=4))
    lines = [line for line in capsys.readouterr().err.splitlines() if "memory" in line]
    assert lines == [
        "fine_tune: 8 images a step do not fit into the memory; going on with 4, "
        "2 steps an update"
    ]


def test_memory_that_holds_not_one_image_is_named(tmp_path):
    with pytest.raises(TlKerasError, match="does not hold 1 image .* smaller"):
        run(tmp_path, narrow(holds=0))


def test_killed_phase_goes_on_with_what_was_found(tmp_path):
    whole = narrow(holds=4, dropout=0.2)
    run(tmp_path / "whole", whole)
    killed = narrow(holds=4, dropout=0.2)

    def die(self, step, logs=None):
        if len(History.load(tmp_path / "killed").epochs) == 2:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "tl_keras.training.keeper.Keeper.on_train_batch_end", die, raising=False
        )
        with pytest.raises(Killed):
            run(tmp_path / "killed", killed)
    resumed = narrow(holds=4, dropout=0.2)
    history = History.load(tmp_path / "killed")
    run(tmp_path / "killed", resumed, history=history)
    assert set(resumed.seen) == {4}
    for one, other in zip(resumed.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_pieces_of_a_batch_were_mixed_as_a_whole():
    plan = Plan(MIXED, 10, 3, 0)
    model = narrow()
    whole, cut = (
        feeding.epochs(examples(30), model, dataclasses.replace(plan, pieces=pieces), 0)
        for pieces in (1, 5)
    )
    pieces = list(cut.take(15))
    assert {len(inputs) for inputs, _ in pieces} == {2}
    for part in (0, 1):
        np.testing.assert_array_equal(
            np.concatenate([piece[part] for piece in pieces]),
            np.concatenate([batch[part] for batch in whole.take(3)]),
        )
