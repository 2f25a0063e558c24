"""Progressive image size: when images grow, what is shared, resuming, refusals."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from tl_keras import pipeline
from tl_keras.backbones import catalogue
from tl_keras.config import Head
from tl_keras.datasets import batches
from tl_keras.datasets.square import Square
from tl_keras.errors import UsageError
from tl_keras.training import loop, phases, progressive
from tl_keras.training.head import attach
from tl_keras.training.history import History
from tl_keras.training.images import Images

GROWING = {"unfreeze": "all", "start_size": 8, "epochs": 3, "patience": 1}


@pytest.fixture
def config(config):
    return config.override(fine_tune=GROWING)


@pytest.fixture
def classifier(backbone, manifest):
    return attach(backbone, manifest.class_names, Head())


@pytest.mark.parametrize(
    ("start", "final", "epochs", "expected"),
    [
        (128, 224, 16, [128] * 6 + [192] * 5 + [224] * 5),
        (160, 224, 6, [160, 160, 192, 192, 224, 224]),
        (8, 32, 3, [8, 16, 32]),
        (130, 260, 3, [130, 196, 260]),
        (160, 224, 2, [160, 224]),
        (160, 224, 1, [224]),
    ],
)
def test_images_grow_in_equal_stages_to_their_final_size(
    start, final, epochs, expected
):
    assert list(progressive.sides(start, final, epochs)) == expected


@pytest.mark.parametrize("start", [32, 64])
def test_images_that_would_not_grow_are_refused(start):
    with pytest.raises(UsageError, match=f"smaller than the image size, 32.*{start}"):
        progressive.sides(start, 32, 5)


def images_of(manifest, side):
    train = manifest.split("train")
    return Images(train, Square(side=side), np.array(train.labels()), "light", seed=0)


def noted_sides(monkeypatch, method):
    """Notes the side of the images whenever they are asked for batches."""
    noted, asked = [], getattr(Images, method)

    def note(self, *arguments):
        epoch = arguments[1] if method == "drawn" else None
        noted.append((epoch, self.square.side))
        return asked(self, *arguments)

    monkeypatch.setattr(Images, method, note)
    return noted


def test_every_epoch_trains_at_its_size(
    classifier, manifest, config, tmp_path, monkeypatch
):
    noted = noted_sides(monkeypatch, "drawn")
    history = phases.fine_tune(classifier, manifest, config, History(tmp_path))
    assert len(history.epochs) == 3
    assert noted[:3] == [(0, 8), (1, 16), (2, 32)]


def test_validation_sees_the_final_size_in_every_epoch(
    classifier, manifest, config, tmp_path, monkeypatch
):
    noted = noted_sides(monkeypatch, "in_order")
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    assert {side for _, side in noted} == {32}


def test_batches_have_the_size_of_their_epoch(manifest):
    growing = progressive.Growing(images_of(manifest, 32), (8, 16, 32))
    places, random = np.arange(4), np.random.default_rng(0)
    # The data set asks for epochs ahead, behind the last one, too.
    for epoch, side in [(0, 8), (1, 16), (2, 32), (3, 32)]:
        views = growing.draw(places, epoch, random)
        (batch,) = growing.drawn(places, epoch, views, 4)
        assert batch.shape == (4, side, side, 3)


def test_growing_images_in_order_are_plain_and_full_size(manifest):
    large = images_of(manifest, 32)
    growing = progressive.Growing(large, (8, 16, 32))
    pairs = zip(growing.in_order(7), large.in_order(7), strict=True)
    for found, expected in pairs:
        np.testing.assert_array_equal(found, expected)


def test_small_images_are_made_of_the_files_and_show_the_same_views(manifest):
    large = images_of(manifest, 32)
    growing = progressive.Growing(large, (16, 32))
    places = np.array([3, 1, 2])
    random = np.random.default_rng(0)
    (found,) = growing.drawn(places, 0, growing.draw(places, 0, random), 3)
    chosen = manifest.with_rows([large.manifest.rows[place] for place in places])
    view = {"policy": "light", "view": np.ones(3, int)}
    (expected,) = batches.images(chosen, Square(side=16), 3, **view)
    np.testing.assert_array_equal(found, expected)


def test_images_of_a_size_are_decoded_once_and_let_go_for_the_next(manifest):
    growing = progressive.Growing(images_of(manifest, 32), (8, 8, 16, 32))
    small = growing._at(8)
    assert growing._at(8) is small
    growing._at(16)
    assert growing._at(8) is not small


def test_network_of_any_size_shares_its_weights(classifier):
    flexible = progressive.at_any_size(classifier.model)
    assert flexible.input.shape == (None, None, None, 3)
    pairs = zip(flexible.weights, classifier.model.weights, strict=True)
    assert all(one is other for one, other in pairs)


def assert_same_at(name, start, final):
    """Compares with the network that is built for the smaller size."""
    keras.utils.set_random_seed(2)
    large = catalogue.load(name, weights=None, image_size=final)
    small = catalogue.load(name, weights=None, image_size=start)
    small.network.set_weights(large.network.get_weights())
    pixels = np.random.default_rng(0).uniform(0, 255, (2, start, start, 3))
    flexible = progressive.at_any_size(large.model)
    found = flexible(pixels.astype(np.float32), training=False)
    expected = small.model(pixels.astype(np.float32), training=False)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_network_of_any_size_computes_what_one_built_for_that_size_does():
    assert_same_at("tiny", 16, 32)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_lite0",
        "resnet18",
        "inception_v3",
        "mobilenet_v3_small",
        "densenet121",
        "nasnet_mobile",
        "efficientnet_v2_b0",
        "convnext_tiny",
    ],
)
def test_networks_of_the_catalogue_take_other_sizes(name):
    assert_same_at(name, 96, 160)


def test_batch_normalization_stays_as_it_is(classifier, manifest, config, tmp_path):
    norms = [
        layer
        for layer in classifier.backbone.network.layers
        if isinstance(layer, layers.BatchNormalization)
    ]
    before = [weight.numpy() for norm in norms for weight in norm.weights]
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    after = [weight.numpy() for norm in norms for weight in norm.weights]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_classifier_ends_with_the_weights_that_validation_saw(
    classifier, manifest, config, tmp_path
):
    config = config.override(fine_tune={"label_smoothing": 0.0, "learning_rate": 0.02})
    before = classifier.model.get_weights()
    history = phases.fine_tune(classifier, manifest, config, History(tmp_path))
    after = classifier.model.get_weights()
    assert any(not np.array_equal(old, new) for old, new in zip(before, after))
    chosen = manifest.split("validation")
    (pixels,) = batches.images(chosen, Square(side=32), 64)
    logits = classifier.model(np.asarray(pixels, np.float32), training=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = float(loss(np.array(chosen.labels()), logits))
    validated = [epoch.val_loss for epoch in history.epochs]
    assert any(found == pytest.approx(value, rel=1e-4) for value in validated)


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_phase_killed_within_a_size_resumes_to_the_same_weights(
    manifest, config, tmp_path, monkeypatch, backbone, after
):
    """The second epoch is of the first size, the fourth of the second."""
    config = config.override(fine_tune={"epochs": 6, "start_size": 8})
    start = backbone.network.get_weights()

    def fine_tune(folder):
        backbone.network.set_weights(start)
        keras.utils.set_random_seed(3)
        fresh = attach(backbone, manifest.class_names, Head())
        phases.fine_tune(fresh, manifest, config, History.load(folder))
        return fresh.model.get_weights()

    whole = fine_tune(tmp_path / "whole")

    def kill(callbacks, step, logs=None):
        if len(History.load(tmp_path / "killed").epochs) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.CallbackList, "on_train_batch_end", kill)
        with pytest.raises(Killed):
            fine_tune(tmp_path / "killed")
    assert len(History.load(tmp_path / "killed").epochs) == after
    for one, other in zip(fine_tune(tmp_path / "killed"), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_phase_does_not_end_before_the_final_size_had_its_patience(
    classifier, manifest, config, tmp_path, monkeypatch
):
    given = []

    def note(model, *examples, phase, history, **others):
        given.append(phase)
        return history

    monkeypatch.setattr(loop, "train", note)
    config = config.override(fine_tune={"epochs": 9, "patience": 4})
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    # Three epochs of each size; four more of patience at the last one.
    assert [phase.patience for phase in given] == [3 + 3 + 4]


def test_what_grows_is_said(
    classifier, manifest, config, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(loop, "train", lambda *arguments, history, **others: history)
    phases.fine_tune(classifier, manifest, config, History(tmp_path))
    expected = "8 pixels from epoch 1, 16 from epoch 2, 32 from epoch 3"
    assert expected in capsys.readouterr().err


def of_one_size():
    """Builds a network whose weights fit images of 32 pixels alone."""
    inputs = keras.Input((32, 32, 3))
    x = layers.Flatten()(layers.Conv2D(2, 3, 4)(inputs))
    return keras.Model(inputs, layers.Dense(3)(x), name="old_one")


def test_network_of_one_size_is_refused(manifest, config):
    train = images_of(manifest, 32)
    phase = config.fine_tune
    with pytest.raises(UsageError, match="old_one does not run on 8x8 pixels"):
        progressive.train(of_one_size(), train, train, phase=phase)


REFUSED = {
    "head": ({"head": {"pooling": "flatten"}}, "head.pooling = flatten"),
    "minimum": ({"fine_tune": {"start_size": 4}}, "at least 8 for tiny. Received: 4"),
    "no growth": ({"fine_tune": {"start_size": 32}}, "smaller than the image size, 32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_size_that_cannot_be_is_refused_before_training(
    squares, config, tmp_path, name
):
    changes, message = REFUSED[name]
    with pytest.raises(UsageError, match=message):
        pipeline.train(
            squares, config=config, name="run", runs=tmp_path / "runs", **changes
        )
    assert not (tmp_path / "runs" / "run").exists()


def test_backbone_of_one_size_is_refused_before_training(backbone, config):
    network = of_one_size()
    whole = layers.Reshape((1, 1, 3))(network.output)
    fixed = dataclasses.replace(
        backbone, network=keras.Model(network.input, whole, name="fixed")
    )
    with pytest.raises(UsageError, match="does not run on 8x8 pixels"):
        progressive.require(fixed, config)


def test_nothing_is_refused_where_images_do_not_grow(backbone, config):
    config = config.override(
        head={"pooling": "flatten"}, fine_tune={"start_size": None}
    )
    progressive.require(backbone, config)
