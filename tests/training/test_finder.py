"""The range test: a curve that is read rightly, a network that is left as it was."""

import math

import keras
import numpy as np
import pytest

from tl_keras.config import FineTune, HeadPhase
from tl_keras.errors import TlKerasError
from tl_keras.training import finder
from tl_keras.training.examples import Cached

RATES = np.geomspace(1e-6, 1.0, 61).tolist()


def valley(lowest, steepest):
    """Returns losses that fall around one rate, and rise behind another."""
    exponents = np.log10(RATES)
    fall = 1 / (1 + np.exp(4 * (exponents - math.log10(steepest))))
    rise = np.exp(3 * (exponents - math.log10(lowest))) / 20
    return (0.5 + fall + rise).tolist()


def judge(rates, losses, untrained=None):
    return finder.judge(rates, losses, untrained or [1.5] * len(losses))


def test_minimum_and_slope_of_a_valley_are_found():
    found = judge(RATES, valley(lowest=1e-1, steepest=1e-3))
    # Smoothing drags the curve a few steps, of a tenth of a magnitude, behind.
    assert 1e-3 <= found.steepest <= 1e-2
    assert 3e-3 <= found.tenth <= 3e-2
    assert found.suggestion == max(found.steepest, found.tenth)


def test_chance_slope_on_a_flat_stretch_is_not_suggested():
    losses = valley(lowest=1e-1, steepest=1e-3)
    losses[8] += 3.0
    found = judge(RATES, losses)
    assert found.steepest < 1e-4 < found.suggestion == found.tenth


def test_smoothed_loss_of_one_height_has_that_height_from_the_first():
    assert finder.smooth([3.0] * 5, [2.0] * 5) == pytest.approx([3.0] * 5)


def test_hard_and_easy_batches_are_told_from_what_is_learned():
    """A hundred steps teach less than batches differ."""
    hard = np.random.default_rng(0).normal(0, 5, len(RATES))
    losses = valley(lowest=1e-1, steepest=1e-3)
    even = judge(RATES, losses)
    uneven = judge(RATES, (losses + hard).tolist(), (1.5 + hard).tolist())
    assert uneven.tenth == pytest.approx(even.tenth)
    assert uneven.steepest == pytest.approx(even.steepest)


def test_lucky_first_loss_is_not_the_minimum():
    losses = valley(lowest=1e-1, steepest=1e-3)
    found = judge(RATES, [0.01, *losses[1:]])
    assert found.tenth > 1e-4


def test_exploded_point_is_shown_and_not_judged():
    losses = valley(lowest=1e-1, steepest=1e-3)[:55]
    found = judge(RATES[:56], [*losses, math.nan])
    assert len(found.losses) == 56 and math.isfinite(found.suggestion)


@pytest.mark.parametrize("losses", [[1.0, math.inf], np.linspace(1, 2, 30).tolist()])
def test_loss_that_never_falls_is_refused_with_the_cure(losses):
    with pytest.raises(TlKerasError, match="start lower than 1e-06"):
        judge(RATES[: len(losses)], losses)


@pytest.fixture
def examples():
    random = np.random.default_rng(0)
    labels = np.arange(64) % 2
    return Cached.of(labels, random.normal(size=(64, 5)) + 2 * labels[:, np.newaxis])


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


PHASE = HeadPhase(batch_size=16)


def test_test_leaves_the_weights_as_they_were(model, examples):
    before = model.get_weights()
    finder.range_test(model, examples, phase=PHASE, seed=0)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_batch_that_the_memory_does_not_hold_is_refused_with_the_cure(
    model, examples, monkeypatch
):
    before = model.get_weights()
    train, calls = model.train_on_batch, []

    def fill(*batch):
        calls.append(batch)
        if len(calls) > 3:
            raise MemoryError
        return train(*batch)

    monkeypatch.setattr(model, "train_on_batch", fill)
    with pytest.raises(TlKerasError, match="16 images a step: .* head_phase.batch_"):
        finder.range_test(model, examples, phase=PHASE, seed=0)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_rates_rise_by_one_factor_from_the_lowest_to_the_highest(model, examples):
    found = finder.range_test(
        model, examples, phase=PHASE, seed=0, lowest=1e-5, highest=1e-3, steps=40
    )
    np.testing.assert_allclose(found.rates, np.geomspace(1e-5, 1e-3, 40))


def test_separable_classes_are_learned_at_a_middle_rate(model, examples):
    found = finder.range_test(model, examples, phase=PHASE, seed=0)
    assert min(found.smoothed) < 0.7 * found.smoothed[0]
    assert 1e-4 < found.suggestion < 1.0


def test_test_stops_where_the_loss_explodes(model, examples):
    found = finder.range_test(model, examples, phase=PHASE, seed=0, highest=1e9)
    assert len(found.rates) < 40 and found.rates[-1] < 1e9


def test_few_images_are_not_learned_by_heart(model, examples):
    few = Cached.of(examples.labels[:16], np.asarray(examples.views[0])[:16])
    found = finder.range_test(model, few, phase=PHASE, seed=0, highest=1e-2)
    assert len(found.rates) == finder.FEWEST_STEPS


def test_each_loss_is_of_its_own_batch(model, examples):
    """Keras's running mean over all steps would hide where the loss turns."""
    found = finder.range_test(
        model, examples, phase=PHASE, seed=0, lowest=1e-7, highest=1e-6
    )
    # Nothing moves: every epoch has the same mean loss, and its batches differ.
    epochs = np.reshape(found.losses, (-1, 4))
    np.testing.assert_allclose(epochs.mean(axis=1), epochs.mean(), rtol=1e-4)
    assert epochs.std(axis=1).min() > 1e-3


def test_settings_of_the_phase_are_those_of_the_test(model, examples, monkeypatch):
    noted = {}
    compile_as_it_is = keras.Model.compile

    def note(self, optimizer, loss):
        noted.update(optimizer=optimizer, loss=loss)
        compile_as_it_is(self, optimizer, loss)

    monkeypatch.setattr(keras.Model, "compile", note)
    chosen = dict(weight_decay=0.3, clip_norm=0.5, label_smoothing=0.2, mixup=0.3)
    phase = FineTune(epochs=16, **chosen)
    finder.range_test(model, examples, phase=phase, seed=0)
    optimizer = noted["optimizer"]
    assert optimizer.weight_decay == 0.3 and optimizer.global_clipnorm == 0.5
    assert noted["loss"].label_smoothing == 0.2


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_unequal_classes_are_balanced_as_in_training(model, examples, balance):
    kept = np.r_[0:64:2, 1:9:2]
    examples = Cached.of(examples.labels[kept], np.asarray(examples.views[0])[kept])
    options = {"phase": HeadPhase(batch_size=12), "seed": 0, "highest": 1e-2}
    plain = finder.range_test(model, examples, **options)
    balanced = finder.range_test(model, examples, balance=balance, **options)
    assert balanced.losses != plain.losses
