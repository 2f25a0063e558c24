"""One phase: best epoch, early end, exact resuming, an end in time."""

import dataclasses
import time

import keras
import numpy as np
import pytest
from small_phase import (
    PHASE,
    Killed,
    examples,
    new_model,
    nobody,
    run,
    stop_at,
    two_classes,
    uneven,
)

from tl_keras.config import Phase
from tl_keras.errors import DataError, StorageError, TlKerasError
from tl_keras.state import STATE, State
from tl_keras.training import checkpoint, loop
from tl_keras.training.examples import Cached
from tl_keras.training.history import History
from tl_keras.training.keeper import Keeper


def test_training_lowers_the_validation_loss(tmp_path):
    epochs = run(tmp_path, new_model()).epochs
    assert epochs[-1].val_loss < 0.8 * epochs[0].val_loss


def kept_epoch(epochs, images):
    """The latest epoch within two standard errors of the best on validation."""
    best = max(epoch.val_accuracy for epoch in epochs)
    enough = best - 2 * (best * (1 - best) / images) ** 0.5
    return [epoch for epoch in epochs if epoch.val_accuracy >= enough][-1]


def test_model_ends_with_the_weights_of_the_epoch_to_keep(tmp_path):
    model, validation = new_model(), examples(13, seed=1)
    epochs = run(tmp_path, model, validation=validation).epochs
    logits = model(validation.views[0][:].astype(np.float32), training=False).numpy()
    shifted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = -shifted[np.arange(13), validation.labels].mean()
    kept = kept_epoch(epochs, images=13)
    assert loss == pytest.approx(kept.val_loss, rel=1e-4)


def test_training_that_makes_the_model_worse_is_thrown_away(tmp_path):
    model, train = new_model(), examples(30)
    run(tmp_path / "first", model)
    before = model.get_weights()
    wrong = Cached(train.views, (train.labels + 1) % 3)
    # Within one epoch, that is: the first may be kept otherwise.
    phase = dataclasses.replace(PHASE, learning_rate=1.0)
    run(tmp_path / "second", model, phase, train=wrong)
    for weight, expected in zip(model.get_weights(), before):
        np.testing.assert_array_equal(weight, expected)


def test_phase_ends_early_when_nothing_gets_better(tmp_path):
    wrong = Cached(examples(30).views, (np.arange(30) + 1) % 3)
    phase = Phase(epochs=50, batch_size=8, learning_rate=0.02, patience=3)
    model = new_model()
    run(tmp_path / "first", model)
    epochs = run(tmp_path / "second", model, phase, train=wrong).epochs
    assert len(epochs) == kept_epoch(epochs, images=13).epoch + 3 < 50


@pytest.mark.parametrize("after", [1, 3])
def test_killed_phase_resumes_to_the_same_weights(tmp_path, monkeypatch, after):
    whole = new_model()
    run(tmp_path / "whole", whole)

    def kill_at(keeper, step, logs=None):
        # Dies in the middle of the epoch behind `after` finished ones.
        if len(History.load(tmp_path / "killed").epochs) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_end", kill_at, raising=False)
        with pytest.raises(Killed):
            run(tmp_path / "killed", new_model())
    resumed = new_model()
    history = run(
        tmp_path / "killed", resumed, history=History.load(tmp_path / "killed")
    )
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4]
    for weight, expected in zip(resumed.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(weight, expected)


def test_epoch_written_without_its_checkpoint_is_repeated_once(tmp_path):
    run(tmp_path, new_model(), Phase(epochs=4, batch_size=8, patience=9))
    longer = History.load(tmp_path)
    history = longer.until("fine_tune", 3)
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3]


def test_finished_phase_is_not_trained_again(tmp_path):
    model = new_model()
    history = run(tmp_path, model)
    weights = model.get_weights()
    again = new_model()
    assert len(run(tmp_path, again, history=history).epochs) == len(history.epochs)
    np.testing.assert_array_equal(again.get_weights()[0], weights[0])


def test_checkpoint_of_another_model_is_named(tmp_path):
    run(tmp_path, new_model())
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(StorageError, match="fine_tune.npz is of another model"):
        run(tmp_path, model)


@pytest.mark.parametrize("lost", ["", ".before"])
def test_damaged_checkpoint_costs_an_epoch_and_no_more(tmp_path, capsys, lost):
    whole = new_model()
    run(tmp_path, whole)
    path = tmp_path / "checkpoints" / f"fine_tune{lost}.npz"
    path.write_bytes(path.read_bytes()[:200])
    again = new_model()
    history = run(tmp_path, again, history=History.load(tmp_path))
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4]
    repeated = capsys.readouterr().err.count("fine-tune epoch 4") - 1
    assert repeated == (0 if lost else 1)
    for weight, expected in zip(again.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(weight, expected)


def test_dropout_does_not_depend_on_what_was_drawn_before(tmp_path):
    first, second = new_model(), new_model()
    for _ in range(3):
        second(np.zeros((2, 3), np.float32), training=True)
    run(tmp_path / "first", first)
    run(tmp_path / "second", second)
    for weight, expected in zip(second.get_weights(), first.get_weights()):
        np.testing.assert_array_equal(weight, expected)


def test_state_of_the_run_tells_epoch_and_best(tmp_path):
    State(source="a", root="b").during("fine_tune").save(tmp_path / STATE)
    epochs = run(tmp_path, new_model()).epochs
    state = State.load(tmp_path / STATE)
    assert (state.phase, state.epoch) == ("fine_tune", 4)
    best = max(epoch.val_accuracy for epoch in epochs)
    assert state.best == {
        "epoch": kept_epoch(epochs, images=13).epoch,
        "val_accuracy": pytest.approx(best),
    }


def test_error_of_the_examples_comes_through_as_it_is(tmp_path):
    class Lost(Cached):
        def drawn(self, *args):
            raise DataError("cat.jpg was removed")

    train = examples(30)
    with pytest.raises(DataError, match="^cat.jpg was removed$"):
        run(tmp_path, new_model(), train=Lost(train.views, train.labels))


def test_loss_that_is_not_a_number_names_the_cure(tmp_path):
    # Not the inputs: of NaN a ReLU makes 0 on some processors.
    train = dataclasses.replace(
        examples(30), labels=np.full((30, 3), np.nan, np.float32)
    )
    with pytest.raises(TlKerasError, match=r"lower fine_tune\.learning_rate"):
        run(tmp_path, new_model(), train=train)


def test_fewer_images_than_a_batch_still_train(tmp_path):
    history = run(tmp_path, new_model(), train=examples(5))
    assert len(history.epochs) == PHASE.epochs


def test_without_validation_every_epoch_runs_and_the_last_is_kept(tmp_path):
    model = new_model()
    phase = Phase(epochs=5, batch_size=8, learning_rate=0.1, patience=1)
    epochs = run(tmp_path, model, phase, validation=nobody()).epochs
    assert len(epochs) == 5 and not any(epoch.validated for epoch in epochs)
    # Without averaging the kept weights are those that the optimizer left.
    with np.load(tmp_path / "checkpoints" / "fine_tune.npz") as file:
        for index, variable in enumerate(model.variables):
            if any(variable is weight for weight in model.weights):
                np.testing.assert_array_equal(variable, file[f"model_{index}"])


def test_without_validation_the_averaged_weights_are_kept(tmp_path):
    model = new_model()
    run(tmp_path, model, validation=nobody())
    with np.load(tmp_path / "checkpoints" / "fine_tune.npz") as file:
        assert not np.array_equal(file["model_0"], model.get_weights()[0])
    averaged = [v.numpy() for v in model.optimizer.variables if "average" in v.path]
    for weight, expected in zip(model.get_weights(), averaged, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_history_without_validation_is_read_as_it_was_written(tmp_path):
    written = run(tmp_path, new_model(), validation=nobody())
    read = History.load(tmp_path)
    assert [e.loss for e in read.epochs] == [e.loss for e in written.epochs]
    assert not read.epochs[0].validated


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balanced_training_finds_more_of_the_small_class(tmp_path, balance):
    shares = {}
    for chosen in ("none", balance):
        model = two_classes()
        loop.train(
            model,
            uneven(400),
            nobody(),
            name="fine_tune",
            phase=Phase(epochs=12, batch_size=20, learning_rate=0.05),
            seed=0,
            history=History(tmp_path / chosen),
            save_to=tmp_path / chosen / "fine_tune.npz",
            balance=chosen,
        )
        inputs = uneven(400).views[0][:]
        found = np.asarray(model(inputs)).argmax(axis=1)
        shares[chosen] = found.mean()
    assert shares[balance] > 2 * shares["none"]


def test_phase_that_cuts_and_samples_resumes_to_the_same_weights(tmp_path):
    labels = np.arange(30) % 3
    maps = np.random.default_rng(0).normal(
        labels[:, None, None, None], 1, (30, 4, 4, 2)
    )
    train = Cached.of(labels, maps.astype(np.float16))
    phase = dataclasses.replace(PHASE, mixup=0.3, cutmix=1.0)

    def network():
        keras.utils.set_random_seed(5)
        inputs = keras.Input((4, 4, 2))
        return keras.Model(
            inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
        )

    def fit(folder):
        model = network()
        loop.train(
            model,
            train,
            train,
            name="fine_tune",
            phase=phase,
            seed=0,
            history=History.load(folder),
            save_to=folder / "fine_tune.npz",
            balance="sampling",
        )
        return model

    whole = fit(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "on_epoch_begin", stop_at(2))
        with pytest.raises(Killed):
            fit(tmp_path / "killed")
    for weight, expected in zip(
        fit(tmp_path / "killed").get_weights(), whole.get_weights()
    ):
        np.testing.assert_array_equal(weight, expected)


def test_phase_with_all_that_follows_the_step_resumes_to_the_same_weights(tmp_path):
    phase = dataclasses.replace(
        PHASE, schedule="one_cycle", clip_norm=0.1, weight_decay=0.1
    )

    def fit(folder):
        model = two_classes()
        name = model.layers[-1].name
        history = History.load(folder)
        shares = {name: 0.5}
        run(
            folder,
            model,
            phase,
            uneven(),
            uneven(),
            history=history,
            multipliers=shares,
        )
        return model

    whole = fit(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "on_epoch_begin", stop_at(2))
        with pytest.raises(Killed):
            fit(tmp_path / "killed")
    for weight, expected in zip(
        fit(tmp_path / "killed").get_weights(), whole.get_weights()
    ):
        np.testing.assert_array_equal(weight, expected)


def test_multipliers_are_shares_of_the_rate(tmp_path):
    model = two_classes()
    before = model.get_weights()
    multipliers = {model.layers[-1].name: 1e-9}
    run(tmp_path, model, train=uneven(), validation=nobody(), multipliers=multipliers)
    for weight, expected in zip(model.get_weights(), before):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes ten seconds on whenever an epoch begins."""
    now = [0]
    begin = Keeper.on_epoch_begin

    def tick(keeper, epoch, logs=None):
        begin(keeper, epoch, logs)
        now[0] += 10

    monkeypatch.setattr("tl_keras.training.keeper.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Keeper, "on_epoch_begin", tick)


@pytest.mark.parametrize(
    ("deadline", "epochs"), [(1, 1), (19, 1), (20, 2), (35, 3), (1000, 4)]
)
def test_no_epoch_starts_that_would_end_behind_the_deadline(
    tmp_path, clock, deadline, epochs
):
    history = run(tmp_path, new_model(), deadline=deadline)
    assert len(history.epochs) == epochs


def test_phase_that_ended_for_lack_of_time_is_not_trained_again(tmp_path, clock):
    history = run(tmp_path, new_model(), deadline=20)
    again = run(tmp_path, new_model(), history=history, deadline=1000)
    assert again == history == History.load(tmp_path)


def test_end_for_lack_of_time_is_said(tmp_path, clock, capsys):
    run(tmp_path, new_model(), deadline=25, validation=nobody())
    said = "fine_tune: no time for another epoch of 10.0 s, 2 left out; epoch 2 is kept"
    assert said in capsys.readouterr().err


def test_phase_that_ends_by_itself_says_nothing_of_the_deadline(
    tmp_path, clock, capsys
):
    run(tmp_path, new_model(), deadline=40)
    assert "no time" not in capsys.readouterr().err


def test_checkpoint_that_cannot_be_written_stops_the_phase(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(StorageError, match="checkpoints/fine_tune.npz: a part of"):
        run(tmp_path, new_model())
    assert len(History.load(tmp_path).epochs) < 3


def test_checkpoint_is_whole_when_the_phase_has_ended(tmp_path, monkeypatch):
    save = checkpoint.save

    def slowly(path, state):
        time.sleep(0.3)
        save(path, state)

    monkeypatch.setattr(checkpoint, "save", slowly)
    run(tmp_path, new_model())
    assert checkpoint.load(tmp_path / "checkpoints" / "fine_tune.npz").epoch == 4
