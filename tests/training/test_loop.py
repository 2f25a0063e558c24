"""One phase: order of the images, best epoch, early end, exact resuming."""

import dataclasses

import keras
import numpy as np
import pytest

from tl_keras.config import Phase
from tl_keras.errors import StorageError, TlKerasError
from tl_keras.training import loop
from tl_keras.training.examples import Cached
from tl_keras.training.history import History

PHASE = Phase(epochs=4, batch_size=8, learning_rate=0.1, ema_momentum=0.9, patience=9)


def examples(images, views=1, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    inputs = np.eye(3)[labels] + random.normal(0, 0.3, (views, images, 3))
    return Cached.of(labels, *inputs.astype(np.float16))


def new_model():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((3,))
    x = keras.layers.Dropout(0.2)(keras.layers.Dense(6, "relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def run(folder, model, phase=PHASE, train=None, validation=None, history=None):
    return loop.train(
        model,
        train or examples(30, views=2),
        validation or examples(13, seed=1),
        name="fine_tune",
        phase=phase,
        seed=0,
        history=history or History(folder),
        save_to=folder / "checkpoints" / "fine_tune.npz",
    )


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
    run(tmp_path / "second", model, train=wrong)
    for weight, expected in zip(model.get_weights(), before):
        np.testing.assert_array_equal(weight, expected)


def test_phase_ends_early_when_nothing_gets_better(tmp_path):
    wrong = Cached(examples(30).views, (np.arange(30) + 1) % 3)
    phase = Phase(epochs=50, batch_size=8, learning_rate=0.02, patience=3)
    model = new_model()
    run(tmp_path / "first", model)
    epochs = run(tmp_path / "second", model, phase, train=wrong).epochs
    assert len(epochs) == kept_epoch(epochs, images=13).epoch + 3 < 50


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
def test_killed_phase_resumes_to_the_same_weights(tmp_path, monkeypatch, after):
    whole = new_model()
    run(tmp_path / "whole", whole)

    def kill_at(keeper, step, logs=None):
        # Dies in the middle of the epoch behind `after` finished ones.
        if len(History.load(tmp_path / "killed").epochs) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop._Keeper, "on_train_batch_end", kill_at, raising=False)
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


@pytest.mark.parametrize("damage", ["cut", "other model"])
def test_checkpoint_that_does_not_fit_is_named(tmp_path, damage):
    run(tmp_path, new_model())
    path = tmp_path / "checkpoints" / "fine_tune.npz"
    model = new_model()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        inputs = keras.Input((3,))
        model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(StorageError, match="fine_tune.npz .* Delete it to repeat"):
        run(tmp_path, model)


def test_loss_that_is_not_a_number_names_the_cure(tmp_path):
    # Not the inputs: of NaN a ReLU makes 0 on some processors.
    train = dataclasses.replace(
        examples(30), labels=np.full((30, 3), np.nan, np.float32)
    )
    with pytest.raises(TlKerasError, match=r"lower fine_tune\.learning_rate"):
        run(tmp_path, new_model(), train=train)


def epoch_of(train, start, steps=3, batch_size=10):
    data = loop._epochs(train, new_model(), batch_size, steps, PHASE, 0, start)
    return [inputs.numpy() for inputs, _ in data.take(steps)]


def numbered(images, views=1):
    labels = np.arange(images) % 3
    inputs = np.arange(images)[np.newaxis, :, np.newaxis] + np.zeros((views, 1, 3))
    inputs += 0.25 * np.arange(views)[:, np.newaxis, np.newaxis]
    return Cached.of(labels, *inputs.astype(np.float32))


def test_every_epoch_takes_each_image_once():
    seen = np.concatenate(epoch_of(numbered(30), start=0))[:, 0]
    np.testing.assert_array_equal(np.sort(seen), np.arange(30))


def test_order_of_an_epoch_depends_on_its_number_alone():
    both = loop._epochs(numbered(30), new_model(), 10, 3, PHASE, 0, 0)
    second = [inputs.numpy() for inputs, _ in both.take(6)][3:]
    np.testing.assert_array_equal(epoch_of(numbered(30), start=1), second)


def test_two_epochs_have_two_orders():
    first, second = epoch_of(numbered(30), start=0), epoch_of(numbered(30), start=1)
    assert not np.array_equal(first, second)


def test_views_are_mixed_within_an_epoch():
    seen = np.concatenate(epoch_of(numbered(30, views=2), start=0))[:, 0]
    assert {0.0, 0.25} == set(seen % 1)


def test_validation_takes_the_last_partial_batch():
    images = loop.PREDICT_BATCH_SIZE + 1
    data = loop._in_order(numbered(images), new_model())
    sizes = [len(inputs) for inputs, _ in data]
    assert sizes == [loop.PREDICT_BATCH_SIZE, 1]


def test_fewer_images_than_a_batch_still_train(tmp_path):
    history = run(tmp_path, new_model(), train=examples(5))
    assert len(history.epochs) == PHASE.epochs


def nobody():
    return Cached.of(np.zeros(0, int), np.zeros((0, 3), np.float16))


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


def uneven(images=40):
    """Two classes, one of them a tenth, that lie half over each other."""
    random = np.random.default_rng(0)
    labels = (np.arange(images) % 10 == 0).astype(int)
    inputs = np.repeat(2.0 * labels[:, np.newaxis], 3, axis=1)
    inputs += random.normal(0, 2, inputs.shape)
    return Cached.of(labels, inputs.astype(np.float32))


def drawn(balance, steps=4, batch_size=10, start=0, **changes):
    phase = dataclasses.replace(PHASE, **changes)
    model = two_classes()
    data = loop._epochs(uneven(), model, batch_size, steps, phase, 0, start, balance)
    return [[part.numpy() for part in batch] for batch in data.take(steps)]


def two_classes():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


def test_nothing_is_weighed_where_nothing_is_asked_for():
    assert all(len(batch) == 2 for batch in drawn("none"))


def test_weights_of_an_epoch_are_the_same_for_both_classes():
    batches = drawn("weights")
    targets = np.concatenate([batch[1] for batch in batches])
    weights = np.concatenate([batch[2] for batch in batches])
    np.testing.assert_allclose(weights @ targets, [20, 20], rtol=1e-5)


def test_weighing_takes_each_image_once():
    inputs = np.concatenate([batch[0] for batch in drawn("weights")])
    assert len(np.unique(inputs, axis=0)) == 40


def test_sampling_draws_both_classes_equally_often():
    targets = np.concatenate([batch[1] for batch in drawn("sampling")])
    assert targets.sum(axis=0).tolist() == [20, 20]


def test_sampled_epoch_depends_on_its_number_alone():
    model = two_classes()
    both = loop._epochs(uneven(), model, 10, 4, PHASE, 0, 0, "sampling")
    second = [batch[0].numpy() for batch in both.take(8)][4:]
    again = [batch[0] for batch in drawn("sampling", start=1)]
    np.testing.assert_array_equal(again, second)


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
        patch.setattr(loop._Keeper, "on_epoch_begin", stop_at(2))
        with pytest.raises(Killed):
            fit(tmp_path / "killed")
    for weight, expected in zip(
        fit(tmp_path / "killed").get_weights(), whole.get_weights()
    ):
        np.testing.assert_array_equal(weight, expected)


def stop_at(number):
    """Returns what dies at the start of an epoch."""
    begin = loop._Keeper.on_epoch_begin

    def stop(keeper, epoch, logs=None):
        if epoch == number:
            raise Killed
        begin(keeper, epoch, logs)

    return stop
