"""Both phases on a small network: what moves, what does not, cached equals uncached."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from tl_keras.backbones.freezing import freeze_batch_normalization
from tl_keras.config import Head
from tl_keras.datasets import batches
from tl_keras.datasets.square import Square
from tl_keras.training import loop, phases
from tl_keras.training.cache import prefix
from tl_keras.training.examples import Cached
from tl_keras.training.head import attach
from tl_keras.training.history import History

SQUARE = Square(side=32)


@pytest.fixture
def classifier(backbone, manifest):
    return attach(backbone, manifest.class_names, Head())


def weights_of(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def assert_equal(before, after, names):
    for name in names:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


@pytest.mark.parametrize("solver", ["lbfgs", "gradient"])
def test_head_phase_leaves_the_backbone_unchanged(
    classifier, manifest, config, tmp_path, solver
):
    config = config.override(head_phase={"solver": solver, "epochs": 2})
    before = weights_of(classifier.backbone.network)
    phases.train_head(classifier, manifest, config, History(tmp_path))
    assert_equal(before, weights_of(classifier.backbone.network), before)


@pytest.mark.parametrize(
    "solver", ["lbfgs", pytest.param("gradient", marks=pytest.mark.slow)]
)
def test_head_phase_learns_the_colours(classifier, manifest, config, tmp_path, solver):
    chosen = {"solver": solver, "epochs": 30, "learning_rate": 0.3, "patience": 30}
    config = config.override(head_phase=chosen)
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    assert history.epochs[-1].val_accuracy == 1.0


HEADS = {
    "max": Head(pooling="max"),
    "gem": Head(pooling="gem", outputs="multi_label"),
    "conv": Head(conv_filters=6, conv_kernel_size=3, batch_norm=True, dropout=0.0),
    "mlp": Head(hidden=(12,), batch_norm=True, dropout=0.0),
}


@pytest.mark.parametrize(
    "name",
    [
        "mlp",
        pytest.param("gem", marks=pytest.mark.slow),
        pytest.param("max", marks=pytest.mark.slow),
        pytest.param("conv", marks=pytest.mark.slow),
    ],
)
def test_fine_tuning_starts_from_what_the_head_phase_trained(
    backbone, manifest, config, tmp_path, name
):
    classifier = attach(backbone, manifest.class_names, HEADS[name])
    config = config.override(
        head_phase={"epochs": 2, "learning_rate": 0.1},
        # So slow that nothing moves.
        fine_tune={"epochs": 1, "learning_rate": 1e-12},
    )
    weights = classifier.head.trainable_weights
    new = [weight.numpy() for weight in weights]
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    trained = [weight.numpy() for weight in weights]
    phases.fine_tune(classifier, manifest, config, history)
    for weight, before, at_first in zip(weights, trained, new):
        assert not np.array_equal(before, at_first), weight.path
        np.testing.assert_allclose(weight, before, atol=1e-6)


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_binary_head_is_solved_like_the_logistic_regression(
    backbone, manifest, config, tmp_path, solver
):
    rows = tuple(row for row in manifest.rows if row.label != "red")
    manifest = dataclasses.replace(manifest, rows=rows)
    classifier = attach(backbone, manifest.class_names, Head(outputs="binary"))
    config = config.override(head_phase={"solver": solver})
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    assert len(history.epochs) == 1 and history.epochs[0].val_accuracy == 1.0
    chosen = manifest.split("validation")
    (pixels,) = batches.images(chosen, SQUARE, 64)
    logits = classifier.model(np.asarray(pixels, np.float32), training=False)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = float(loss(np.array(chosen.labels())[:, np.newaxis], logits))
    assert expected == pytest.approx(history.epochs[0].val_loss, rel=1e-3)


def test_flattened_feature_map_is_solved_too(backbone, manifest, config, tmp_path):
    classifier = attach(backbone, manifest.class_names, Head(pooling="flatten"))
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    assert len(history.epochs) == 1 and history.epochs[0].accuracy == 1.0


def test_penalty_left_open_is_chosen_and_said(
    classifier, manifest, config, tmp_path, capsys
):
    config = config.override(head_phase={"l2": None})
    phases.train_head(classifier, manifest, config, History(tmp_path))
    assert "by cross-validation on" in capsys.readouterr().err


def test_both_phases_know_what_the_logits_stand_for(
    backbone, manifest, config, tmp_path, monkeypatch
):
    noted = []

    def note(model, *examples, kind, history, **others):
        noted.append(kind)
        return history

    monkeypatch.setattr(loop, "train", note)
    classifier = attach(backbone, manifest.class_names, HEADS["gem"])
    phases.train_head(classifier, manifest, config, History(tmp_path))
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    assert noted == ["multi_label"] * 2


@pytest.mark.slow
def test_batch_normalization_of_the_head_trains_in_fine_tuning_too(
    backbone, manifest, config, tmp_path
):
    classifier = attach(backbone, manifest.class_names, HEADS["mlp"])
    norm = classifier.head.get_layer("hidden1_bn")
    before = [weight.numpy() for weight in norm.weights]
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    for old, new in zip(before, norm.weights):
        assert not np.array_equal(old, new), new.path


@pytest.mark.parametrize(
    ("unfreeze", "stages"),
    [
        (1, {3}),
        ("all", {1, 2, 3}),
        pytest.param(2, {2, 3}, marks=pytest.mark.slow),
        pytest.param("block2", {2, 3}, marks=pytest.mark.slow),
        pytest.param(0.3, {3}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_fine_tuning_moves_what_is_unfrozen_only(
    classifier, manifest, config, tmp_path, unfreeze, stages
):
    config = config.override(fine_tune={"unfreeze": unfreeze, "patience": 2})
    before = weights_of(classifier.backbone.network)
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    after = weights_of(classifier.backbone.network)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {f"block{stage}_conv/kernel" for stage in stages}


@pytest.mark.slow
@pytest.mark.parametrize("unfreeze", [1, "all"])
def test_batch_normalization_trains_where_the_config_says_so(
    classifier, manifest, config, tmp_path, unfreeze
):
    config = config.override(
        fine_tune={"unfreeze": unfreeze, "train_batch_norm": True, "ema_momentum": 0}
    )
    before = weights_of(classifier.backbone.network)
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    after = weights_of(classifier.backbone.network)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    stages = {1, 2, 3} if unfreeze == "all" else {3}
    parts = ("conv/kernel", *(f"bn/{part}" for part in ("gamma", "beta")))
    parts += ("bn/moving_mean", "bn/moving_variance")
    assert moved == {f"block{stage}_{part}" for stage in stages for part in parts}


def test_nothing_is_cached_at_a_cut_where_all_trains(
    classifier, manifest, config, tmp_path, monkeypatch
):
    config = config.override(fine_tune={"unfreeze": "all"})
    asked = []
    read = prefix.PrefixCache.read

    def noted(self, manifest, wanted, **options):
        asked.extend(name for _, name in wanted)
        return read(self, manifest, wanted, **options)

    monkeypatch.setattr(prefix.PrefixCache, "read", noted)
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    phases.fine_tune(classifier, manifest, config, history)
    assert set(asked) == {"avg"}


def test_fine_tuning_keeps_batch_normalization_bit_equal(
    classifier, manifest, config, tmp_path
):
    norms = [
        layer
        for layer in classifier.backbone.network.layers
        if isinstance(layer, layers.BatchNormalization)
    ]
    before = [weight.numpy() for norm in norms for weight in norm.weights]
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    after = [weight.numpy() for norm in norms for weight in norm.weights]
    for old, new in zip(before, after):
        np.testing.assert_array_equal(old, new)


def whole_model(classifier):
    """Returns the classifier from images to logits with its prefix frozen."""
    model = classifier.model
    network = classifier.backbone.network
    for layer in network.layers:
        layer.trainable = layer.name.startswith("block3")
    freeze_batch_normalization(network)
    return model


@pytest.mark.slow
def test_training_on_the_cached_cut_equals_training_on_images(
    classifier, manifest, config, tmp_path, monkeypatch
):
    """Same seed, no augmentation, no mixing; float32 in the cache, as in the images."""
    classifier = attach(classifier.backbone, manifest.class_names, Head(dropout=0.0))
    start = [weight.numpy() for weight in classifier.model.weights]
    config = config.override(
        cache={"dtype": "float32"},
        augment={"views": 1},
        fine_tune={"epochs": 3, "ema_momentum": 0.0, "mixup": 0.0},
    )
    phases.fine_tune(classifier, manifest, config, History(tmp_path / "cached"))
    cached = [weight.numpy() for weight in classifier.model.weights]
    classifier.model.set_weights(start)

    def images(split):
        chosen = manifest.split(split)
        data = batches.images(chosen, SQUARE, 64)
        pixels = np.concatenate([batch.numpy() for batch in data])
        return Cached.of(np.array(chosen.labels()), pixels)

    loop.train(
        whole_model(classifier),
        images("train"),
        images("validation"),
        name="fine_tune",
        phase=config.fine_tune,
        seed=config.seed,
        history=History(tmp_path / "images"),
        save_to=tmp_path / "images.npz",
    )
    uncached = [weight.numpy() for weight in classifier.model.weights]
    assert any(not np.array_equal(a, b) for a, b in zip(uncached, start))
    for one, other in zip(cached, uncached):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_solved_head_equals_the_same_head_on_the_whole_network(
    classifier, manifest, config, tmp_path
):
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    chosen = manifest.split("validation")
    pixels = np.concatenate(
        list(batches.images(chosen, SQUARE, 64).as_numpy_iterator())
    )
    classifier.model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    loss = classifier.model.evaluate(
        pixels.astype(np.float32), np.array(chosen.labels()), verbose=0
    )
    assert loss == pytest.approx(history.epochs[0].val_loss, rel=1e-3)


def test_both_phases_run_without_validation_images(
    classifier, manifest, config, tmp_path
):
    rows = [row for row in manifest.rows if row.split != "validation"]
    manifest = dataclasses.replace(manifest, rows=tuple(rows))
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    history = phases.fine_tune(classifier, manifest, config, history)
    assert [epoch.validated for epoch in history.epochs] == [False] * 3


@pytest.mark.parametrize(
    ("imbalance", "balanced"), [("none", False), ("weights", True), ("sampling", True)]
)
def test_solved_head_weighs_its_classes_where_they_are_to_be_balanced(
    classifier, manifest, config, tmp_path, monkeypatch, imbalance, balanced
):
    noted = []
    kept = phases.regression.solve

    def note(*arguments, **options):
        noted.append(options["balanced"])
        return kept(*arguments, **options)

    monkeypatch.setattr(phases.regression, "solve", note)
    config = config.override(data={"imbalance": imbalance})
    phases.train_head(classifier, manifest, config, History(tmp_path))
    assert noted == [balanced]


def test_solved_head_says_that_it_weighs_instead_of_sampling(
    classifier, manifest, config, tmp_path, capsys
):
    config = config.override(data={"imbalance": "sampling"})
    phases.train_head(classifier, manifest, config, History(tmp_path))
    assert "every class weighs the same instead" in capsys.readouterr().err


def test_every_phase_knows_what_is_done_about_imbalance(
    classifier, manifest, config, tmp_path, monkeypatch
):
    noted = []

    def note(model, *examples, balance, history, **others):
        noted.append(balance)
        return history

    monkeypatch.setattr(loop, "train", note)
    monkeypatch.setattr(phases.Inputs, "at", lambda *arguments: (None, None))
    config = config.override(
        data={"imbalance": "sampling"}, head_phase={"solver": "gradient"}
    )
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    phases.fine_tune(classifier, manifest, config, history)
    assert noted == ["sampling", "sampling"]


def test_repeated_part_leaves_the_epochs_of_the_parts_behind_it(
    classifier, manifest, config, tmp_path
):
    gradual = {"unfreeze": 3, "gradual": True, "epochs": 3}
    config = config.override(fine_tune=gradual, cache={"engine": "graph"})
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    begun = classifier.model.get_weights()
    phases.fine_tune(classifier, manifest, config, history)
    expected = classifier.model.get_weights()
    path = tmp_path / "checkpoints" / "fine_tune_1.npz"
    path.write_bytes(path.read_bytes()[:100])
    classifier.model.set_weights(begun)
    again = phases.fine_tune(classifier, manifest, config, History.load(tmp_path))
    assert len(again.epochs) == len(History.load(tmp_path).epochs) == 4
    for weight, one in zip(classifier.model.get_weights(), expected):
        np.testing.assert_allclose(weight, one, rtol=1e-4, atol=1e-6)
