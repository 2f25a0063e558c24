"""The optimizer: schedules, shares of the rate, clipping, updates in pieces."""

import dataclasses

import keras
import numpy as np
import pytest

from tl_keras.config import Phase
from tl_keras.training import optimizers

PHASE = Phase(
    epochs=5, learning_rate=0.02, warmup_epochs=1, weight_decay=0.1, ema_momentum=0.9
)
STEPS = 4
random = np.random.default_rng(0)
INPUTS = random.normal(size=(8, 3)).astype(np.float32)
TARGETS = random.normal(size=(8, 2)).astype(np.float32)


def new_model():
    keras.utils.set_random_seed(7)
    inputs = keras.Input((3,))
    inner_input = keras.Input((5,))
    inner = keras.layers.Dense(4, "relu", name="within")(inner_input)
    inner = keras.Model(inner_input, inner, name="inner")
    x = inner(keras.layers.Dense(5, "relu", name="first")(inputs))
    return keras.Model(inputs, keras.layers.Dense(2, name="last")(x))


def trained(phase=PHASE, updates=6, pieces=1, optimizer=None, **options):
    """Returns a model after some updates with all inputs each."""
    model = new_model()
    optimizer = optimizer or optimizers.build(
        model, phase, STEPS, pieces=pieces, **options
    )
    model.compile(optimizer, "mse")
    size = len(INPUTS) // pieces
    data = [(INPUTS[n : n + size], TARGETS[n : n + size]) for n in range(0, 8, size)]
    for _ in range(updates):
        for inputs, targets in data:
            model.train_on_batch(inputs, targets)
    return model


def numbers(model):
    """Weights and all that the optimizer has to know."""
    return model.get_weights() + model.optimizer.state()


def assert_same(one, other):
    for part, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(part, expected)


def at(schedule, *steps):
    return [float(schedule(step)) for step in steps]


def test_cosine_rises_in_the_warmup_and_falls_to_zero():
    found = at(optimizers.rate(PHASE, STEPS), 0, 2, 4, 12, 20)
    np.testing.assert_allclose(found, [0, 0.01, 0.02, 0.01, 0], atol=1e-8)


ONE_CYCLE = dataclasses.replace(PHASE, schedule="one_cycle")


def test_one_cycle_rises_for_three_tenths_and_falls_far_lower():
    found = at(optimizers.rate(ONE_CYCLE, STEPS), 0, 3, 6, 13, 20)
    middle = [(0.02 + 0.02 / 25) / 2, 0.02, (0.02 + 0.02e-5) / 2]
    np.testing.assert_allclose(found, [0.02 / 25, *middle, 0.02e-5], rtol=1e-4)


def test_momentum_of_one_cycle_goes_the_other_way_round():
    found = at(optimizers.momentum(ONE_CYCLE, STEPS), 0, 3, 6, 13, 20)
    np.testing.assert_allclose(found, [0.95, 0.9, 0.85, 0.9, 0.95], rtol=1e-5)


def test_momentum_of_cosine_stays():
    model = trained(updates=3)
    assert model.optimizer.beta_1 == 0.9


def test_momentum_follows_the_updates():
    model = trained(ONE_CYCLE, updates=6)
    assert float(model.optimizer.beta_1) == pytest.approx(0.85)


def test_one_cycle_updates_with_its_momentum():
    model, quick = (trained(ONE_CYCLE, updates=n) for n in (1, 0))
    quick.optimizer.beta_1 = 0.5
    quick.train_on_batch(INPUTS, TARGETS)
    first = [each.optimizer._momentums[0].numpy() for each in (model, quick)]
    np.testing.assert_allclose(first[0] / 0.05, first[1] / 0.5, rtol=1e-5)


def kerass_own(phase):
    optimizer = keras.optimizers.AdamW(
        optimizers.rate(phase, STEPS),
        weight_decay=phase.weight_decay,
        use_ema=True,
        ema_momentum=phase.ema_momentum,
        global_clipnorm=phase.clip_norm or None,
    )
    optimizer.exclude_from_weight_decay(None, ["bias", "gamma", "beta"])
    return optimizer


@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_without_shares_it_is_kerass_own_bit_for_bit(clip_norm):
    phase = dataclasses.replace(PHASE, clip_norm=clip_norm)
    ours, theirs = trained(phase), trained(optimizer=kerass_own(phase))
    others = [variable.numpy() for variable in theirs.optimizer.variables]
    assert_same(numbers(ours), theirs.get_weights() + others)


def test_shares_of_one_change_no_bit():
    shares = {"first": 1.0, "inner": 1.0, "last": 1.0}
    assert_same(numbers(trained(multipliers=shares)), numbers(trained()))


def moved(model):
    """How far each layer's kernel went."""
    pairs = zip(model.get_weights()[::2], new_model().get_weights()[::2])
    return [np.abs(after - before).max() for after, before in pairs]


@pytest.mark.parametrize("name", ["within", "inner"])
def test_layer_of_a_model_inside_learns_at_its_share(name):
    phase = dataclasses.replace(PHASE, warmup_epochs=0)
    whole = moved(trained(phase, updates=1))
    shared = moved(trained(phase, updates=1, multipliers={name: 0.25}))
    np.testing.assert_allclose(shared, whole * np.array([1, 0.25, 1]), rtol=1e-3)


def test_name_of_a_layer_goes_before_that_of_the_model_around_it():
    phase = dataclasses.replace(PHASE, warmup_epochs=0)
    both = {"within": 0.5, "inner": 0.25}
    whole, shared = (
        moved(trained(phase, updates=1, multipliers=given)) for given in ({}, both)
    )
    assert shared[1] == pytest.approx(0.5 * whole[1], rel=1e-3)


def test_decay_of_the_weights_goes_with_the_layers_rate():
    # A gradient of zero leaves the decay alone.
    model = new_model()
    phase = dataclasses.replace(PHASE, warmup_epochs=0)
    optimizer = optimizers.build(model, phase, STEPS, multipliers={"first": 0.5})
    before = model.get_weights()
    optimizer.apply([np.zeros(weight.shape, np.float32) for weight in before])
    kept = [after / old for after, old in zip(model.get_weights()[::2], before[::2])]
    for found, share in zip(kept, [0.5, 1, 1]):
        np.testing.assert_allclose(1 - found, share * 0.02 * 0.1, rtol=1e-3)


def test_norm_of_all_gradients_together_is_clipped():
    phase = dataclasses.replace(PHASE, clip_norm=0.01)
    model = trained(phase, updates=1, multipliers={"first": 0.1})
    squares = [
        np.square(part.numpy() / 0.1).sum() for part in model.optimizer._momentums
    ]
    assert np.sqrt(sum(squares)) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("phase", [PHASE, ONE_CYCLE], ids=["cosine", "one_cycle"])
@pytest.mark.parametrize("pieces", [2, 4])
def test_update_in_pieces_is_the_same_update(phase, pieces):
    phase = dataclasses.replace(phase, clip_norm=0.5)
    shares = {"first": 0.3}
    whole = numbers(trained(phase, multipliers=shares))
    cut = numbers(trained(phase, multipliers=shares, pieces=pieces))
    for one, other in zip(cut, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_rate_of_an_update_in_pieces_is_that_of_the_update():
    whole, cut = trained(), trained(pieces=4)
    expected = float(whole.optimizer.learning_rate)
    assert float(cut.optimizer.learning_rate) == pytest.approx(expected)


def test_state_goes_from_whole_updates_to_updates_in_pieces():
    whole, cut = trained(), trained(updates=0, pieces=2)
    cut.optimizer.set_state(whole.optimizer.state())
    assert cut.optimizer.shapes() == whole.optimizer.shapes()
    assert_same(cut.optimizer.state(), whole.optimizer.state())
    assert int(cut.optimizer.iterations) == 6
