"""Both phases on a small network: what moves, what does not, cached equals uncached."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from tl_keras.backbones.freezing import freeze_batch_normalization
from tl_keras.datasets import batches
from tl_keras.training import cache, loop, phases
from tl_keras.training.examples import Cached
from tl_keras.training.head import attach
from tl_keras.training.history import History


@pytest.fixture
def classifier(backbone, manifest):
    return attach(backbone, manifest.class_names, dropout=0.2)


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


@pytest.mark.parametrize("solver", ["lbfgs", "gradient"])
def test_head_phase_learns_the_colours(classifier, manifest, config, tmp_path, solver):
    config = config.override(
        head_phase={"solver": solver, "epochs": 30, "learning_rate": 0.3}
    )
    history = phases.train_head(classifier, manifest, config, History(tmp_path))
    assert history.epochs[-1].val_accuracy == 1.0


@pytest.mark.parametrize("unfreeze", [1, 2])
def test_fine_tuning_moves_the_last_stages_only(
    classifier, manifest, config, tmp_path, unfreeze
):
    config = config.override(fine_tune={"unfreeze": unfreeze, "patience": 2})
    before = weights_of(classifier.backbone.network)
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    after = weights_of(classifier.backbone.network)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    expected = {f"block{stage}_conv/kernel" for stage in range(3, 3 - unfreeze, -1)}
    assert moved == expected


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
    monkeypatch.setitem(cache.DTYPES, "cut", np.dtype(np.float32))
    start = [weight.numpy() for weight in classifier.model.weights]
    config = config.override(
        augment={"views": 1}, fine_tune={"epochs": 3, "ema_momentum": 0.0, "mixup": 0.0}
    )
    classifier = dataclasses.replace(classifier, dropout=0.0)
    phases.fine_tune(classifier, manifest, config, History(tmp_path / "cached"))
    cached = [weight.numpy() for weight in classifier.model.weights]
    classifier.model.set_weights(start)

    def images(split):
        chosen = manifest.split(split)
        data = batches.images(chosen, 32, 64)
        pixels = np.concatenate([batch.numpy() for batch in data])
        return Cached((pixels,), np.array(chosen.labels()))

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
    pixels = np.concatenate(list(batches.images(chosen, 32, 64).as_numpy_iterator()))
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
