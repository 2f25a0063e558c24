"""Fine-tuning: from the solved head, stage by stage, at several rates, streamed."""

import time

import keras
import numpy as np
import pytest

from tl_keras.config import Head
from tl_keras.training import loop, outputs, phases, rates
from tl_keras.training.head import attach
from tl_keras.training.history import History

GRADUAL = {"gradual": True, "unfreeze": 2, "epochs": 4}


@pytest.fixture
def classifier(backbone, manifest):
    return attach(backbone, manifest.class_names, Head())


def values(classifier):
    return [weight.numpy() for weight in classifier.model.weights]


HEADS = {
    "avg": Head(),
    "max": Head(pooling="max"),
    "flatten": Head(pooling="flatten"),
    "binary": Head(outputs="binary"),
    "gem": Head(pooling="gem"),
    "conv": Head(conv_filters=6, batch_norm=True),
    "mlp": Head(hidden=(12,), batch_norm=True),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("avg", "mlp") else pytest.mark.slow)
        for name in HEADS
    ],
)
@pytest.mark.parametrize("unfreeze", [1, "all"])
def test_fine_tuning_starts_with_the_loss_that_the_head_phase_ended_with(
    backbone, manifest, config, tmp_path, monkeypatch, name, unfreeze
):
    if name == "binary":
        rows = tuple(row for row in manifest.rows if row.label != "red")
        manifest = manifest.with_rows(rows)
    classifier = attach(backbone, manifest.class_names, HEADS[name])
    config = config.override(
        cache={"dtype": "float32"},
        # The last epoch is the one that is kept.
        head_phase={"epochs": 1, "learning_rate": 0.1},
        fine_tune={"unfreeze": unfreeze},
    )
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    first = []

    def note(model, train, validation, *, kind, history, **others):
        model.compile(loss=outputs.loss(kind, 0.0))
        inputs = np.concatenate(list(validation.in_order(64))).astype(np.float32)
        targets = outputs.targets(validation.labels, model.output.shape[-1])
        first.append(model.evaluate(inputs, targets, verbose=0))
        return history

    monkeypatch.setattr(loop, "train", note)
    phases.fine_tune(classifier, manifest, config, history)
    assert first == pytest.approx([history.epochs[-1].val_loss], rel=1e-3)


def test_gradual_unfreezing_is_one_phase_in_the_history(
    classifier, manifest, config, tmp_path
):
    config = config.override(fine_tune=GRADUAL)
    head = phases.train_head(classifier, manifest, config, History(tmp_path))
    history = phases.fine_tune(classifier, manifest, config, head)
    assert [epoch.phase for epoch in history.epochs] == ["head"] + ["fine_tune"] * 4
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4, 5]
    assert History.load(tmp_path) == history
    # Each part falls to 0 by itself: its schedule is its own.
    rates = [epoch.learning_rate for epoch in history.of("fine_tune")]
    assert rates[1] == rates[3] == 0 < min(rates[0], rates[2])


def test_gradual_unfreezing_trains_the_last_stage_before_the_others(
    classifier, manifest, config, tmp_path, monkeypatch
):
    config = config.override(fine_tune={**GRADUAL, "unfreeze": "all", "epochs": 6})
    trained, train = [], loop.train

    def note(model, *examples, **options):
        kernels = [weight.path for weight in model.trainable_weights]
        trained.append({path.split("/")[-2] for path in kernels} - {"logits"})
        return train(model, *examples, **options)

    monkeypatch.setattr(loop, "train", note)
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    stages = ["block3_conv", "block2_conv", "block1_conv"]
    assert trained == [set(stages[:1]), set(stages[:2]), set(stages)]


def test_each_part_starts_from_the_weights_that_the_one_before_kept(
    classifier, manifest, config, tmp_path, monkeypatch
):
    config = config.override(fine_tune=GRADUAL)
    train, between = loop.train, []

    def note(model, *examples, **options):
        between.append(values(classifier))
        history = train(model, *examples, **options)
        kept = dict(zip((w.path for w in model.weights), model.get_weights()))
        between.append(kept)
        return history

    monkeypatch.setattr(loop, "train", note)
    start = values(classifier)
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    at_first, kept, second, _ = between
    for one, other in zip(at_first, start):
        np.testing.assert_array_equal(one, other)
    moved = [not np.array_equal(a, b) for a, b in zip(second, start)]
    assert any(moved)
    named = dict(zip((weight.path for weight in classifier.model.weights), second))
    logits = next(path for path in kept if path.endswith("logits/kernel"))
    np.testing.assert_array_equal(kept[logits], named[logits])


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_gradual_unfreezing_resumes_to_the_same_weights(
    classifier, manifest, config, tmp_path, monkeypatch, epochs
):
    """Killed when so many epochs are written down, before the checkpoint is.

    1 is in the first of two parts, 2 at its end, 3 in the second before it has a
    checkpoint, 4 at its end.
    """
    config = config.override(fine_tune=GRADUAL)
    start = values(classifier)
    whole = phases.fine_tune(classifier, manifest, config, History(tmp_path / "whole"))
    expected = values(classifier)
    add = History.add

    def add_and_die(self, epoch):
        longer = add(self, epoch)
        if len(longer.epochs) == epochs:
            raise Killed
        return longer

    classifier.model.set_weights(start)
    # A new process has drawn other numbers by now.
    keras.utils.set_random_seed(99)
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(History, "add", add_and_die)
        phases.fine_tune(classifier, manifest, config, History(folder))
    assert len(History.load(folder).epochs) == epochs
    classifier.model.set_weights(start)
    keras.utils.set_random_seed(98)
    added = []
    with monkeypatch.context() as patch:
        patch.setattr(
            History, "add", lambda self, epoch: added.append(epoch) or add(self, epoch)
        )
        history = phases.fine_tune(classifier, manifest, config, History.load(folder))
    # Only the epoch that had no checkpoint is trained again.
    assert len(added) == 4 - epochs + 1
    assert [epoch.epoch for epoch in History.load(folder).epochs] == [1, 2, 3, 4]
    found = [epoch.val_loss for epoch in history.epochs]
    assert found == pytest.approx([epoch.val_loss for epoch in whole.epochs], rel=1e-4)
    for one, other in zip(values(classifier), expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_parts_that_there_is_no_time_for_are_left_out(
    classifier, manifest, config, tmp_path, capsys
):
    config = config.override(fine_tune=GRADUAL)
    deadline = time.monotonic()
    history = phases.fine_tune(
        classifier, manifest, config, History(tmp_path), deadline=deadline
    )
    assert len(history.of("fine_tune")) == 1
    said = capsys.readouterr().err
    assert "fine_tune: no time for parts that train more, from unfreeze 2 on" in said


def test_finished_gradual_unfreezing_is_not_trained_again(
    classifier, manifest, config, tmp_path, monkeypatch
):
    config = config.override(fine_tune=GRADUAL)
    start = values(classifier)
    history = phases.fine_tune(classifier, manifest, config, History(tmp_path))
    expected = values(classifier)
    classifier.model.set_weights(start)
    monkeypatch.setattr(keras.Model, "fit", None)
    again = phases.fine_tune(classifier, manifest, config, History.load(tmp_path))
    assert again == history
    for one, other in zip(values(classifier), expected):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_each_part_learns_at_the_rates_of_its_own_layers(
    classifier, manifest, config, tmp_path, monkeypatch, decay
):
    noted = []

    def note(model, *examples, history, **options):
        noted.append(options["multipliers"])
        return history

    monkeypatch.setattr(loop, "train", note)
    config = config.override(fine_tune={**GRADUAL, "layer_decay": decay})
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    assert noted == [
        rates.by_block(classifier.backbone, stages, decay) for stages in (1, 2)
    ]
    assert noted[1]["block2_conv"] == decay


@pytest.mark.parametrize(
    ("head", "chosen"),
    [
        (Head(), {"unfreeze": 1}),
        pytest.param(Head(), GRADUAL, marks=pytest.mark.slow),
        # Its dropout would go on drawing where the first of both runs ended.
        pytest.param(
            Head(pooling="gem", dropout=0.0), {"unfreeze": 2}, marks=pytest.mark.slow
        ),
    ],
    ids=["one stage", "gradual", "head that is not solved"],
)
def test_streamed_training_comes_to_what_cached_training_comes_to(
    backbone, manifest, config, tmp_path, head, chosen
):
    classifier = attach(backbone, manifest.class_names, head)
    start = values(classifier)
    config = config.override(
        augment={"views": 3}, head_phase={"epochs": 2}, fine_tune=chosen
    )
    found = []
    for cache in ({"store": "disk", "dtype": "float32"}, {"store": "none"}):
        classifier.model.set_weights(start)
        keras.utils.set_random_seed(3)
        changed = config.override(cache=cache)
        history = History(tmp_path / cache["store"])
        history = phases.train_head(classifier, manifest, changed, history)
        keras.utils.set_random_seed(3)
        phases.fine_tune(classifier, manifest, changed, history)
        found.append(values(classifier))
    assert any(not np.array_equal(a, b) for a, b in zip(found[0], start))
    for cached, streamed in zip(*found):
        np.testing.assert_allclose(streamed, cached, rtol=1e-3, atol=1e-5)
