"""Every head: pooling, convolution, hidden layers and outputs, alone and trained."""

import itertools
from typing import get_args, get_type_hints

import keras
import numpy as np
import pytest
import tensorflow as tf

from tl_keras.config import Config, Head, Phase
from tl_keras.errors import UsageError
from tl_keras.training import heads, loop, outputs
from tl_keras.training.examples import Cached
from tl_keras.training.history import History
from tl_keras.training.products import as_products

SHAPE = (3, 3, 4)
POOLINGS = ("avg", "max", "gem", "flatten")
KINDS = ("multi_class", "binary", "multi_label")
LAYERS = {
    "linear": {},
    "mlp": {"hidden": (16, 8), "batch_norm": True},
    "conv 1x1": {"conv_filters": 6},
    "conv 3x3": {"conv_filters": 6, "conv_kernel_size": 3, "batch_norm": True},
}
EVERY = list(itertools.product(POOLINGS, LAYERS, KINDS))
# Each pooling, each row of layers and each kind at least once.
SOME = [
    ("avg", "linear", "multi_class"),
    ("max", "mlp", "binary"),
    ("gem", "conv 1x1", "multi_label"),
    ("flatten", "conv 3x3", "multi_class"),
]
SLOW = [pytest.param(*row, marks=pytest.mark.slow) for row in EVERY if row not in SOME]


def build(pooling="avg", layers="linear", kind="multi_class", **changes):
    keras.utils.set_random_seed(2)
    fields = {"pooling": pooling, "outputs": kind, **LAYERS[layers], **changes}
    config = Config().override(head=fields).head
    return heads.build(config, SHAPE, 2 if kind == "binary" else 3)


def examples(kind, images=48, seed=0):
    """Feature maps whose channels show their classes, here and there."""
    random = np.random.default_rng(seed)
    classes = 2 if kind == "binary" else 3
    labels = np.arange(images) % classes
    hot = np.eye(classes)[labels]
    if kind == "multi_label":
        labels = hot = random.integers(2, size=(images, 3))
    maps = random.uniform(0, 1, (images, *SHAPE))
    maps[..., :classes] += 2 * hot[:, np.newaxis, np.newaxis]
    return Cached.of(labels, maps.astype(np.float16))


def train(head, kind, folder, data=None, **changes):
    fields = dict(epochs=8, batch_size=8, learning_rate=0.05, patience=9)
    return loop.train(
        head,
        data or examples(kind),
        examples(kind, seed=1),
        name="head",
        phase=Phase(**{**fields, **changes}),
        seed=0,
        history=History(folder),
        save_to=folder / "head.npz",
        kind=kind,
    )


def test_config_names_the_poolings_that_there_are():
    assert get_args(get_type_hints(Head)["pooling"]) == tuple(heads.POOLINGS)


@pytest.mark.parametrize(("pooling", "layers", "kind"), EVERY)
def test_every_head_gives_probabilities_of_each_class(pooling, layers, kind):
    head = build(pooling, layers, kind)
    maps = examples(kind).views[0][:].astype(np.float32)
    logits = head(maps, training=False)
    found = np.asarray(outputs.probabilities(logits, kind))
    assert found.shape == (48, 2 if kind == "binary" else 3)
    assert (found >= 0).all() and (found <= 1).all()
    if kind != "multi_label":
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("pooling", "layers", "kind"), [*SOME, *SLOW])
def test_every_head_trains_in_all_its_weights(pooling, layers, kind, tmp_path):
    head = build(pooling, layers, kind)
    before = head.get_weights()
    epochs = train(head, kind, tmp_path).epochs
    assert epochs[-1].loss < 0.8 * epochs[0].loss
    for weight, old in zip(head.weights, before):
        assert not np.array_equal(weight, old), weight.path


@pytest.mark.parametrize("kind", KINDS)
def test_smoothed_mixed_and_averaged_training_learns_each_kind(kind, tmp_path):
    more = {"label_smoothing": 0.1, "mixup": 0.3, "ema_momentum": 0.5}
    head = build(kind=kind)
    epochs = train(head, kind, tmp_path, learning_rate=0.2, **more).epochs
    assert epochs[-1].val_accuracy > 0.9 and epochs[-1].accuracy > 0.75


def test_averaged_weights_are_evaluated_with_trained_statistics(tmp_path):
    head = build("avg", "mlp", dropout=0.0)
    epochs = train(head, "multi_class", tmp_path, ema_momentum=0.8, epochs=3).epochs
    held_out = examples("multi_class", seed=1)
    logits = head(held_out.views[0][:].astype(np.float32), training=False)
    targets = outputs.targets(held_out.labels, 3)
    loss = float(outputs.loss("multi_class", 0.0)(targets, logits))
    assert loss in [pytest.approx(epoch.val_loss, rel=1e-3) for epoch in epochs]


@pytest.mark.parametrize("layers", LAYERS)
def test_copy_with_products_computes_what_the_head_computes(layers):
    head = build("gem", layers)
    maps = examples("multi_class").views[0][:].astype(np.float32)
    inputs = keras.Input(SHAPE)
    whole = keras.Model(inputs, head(keras.layers.ReLU()(inputs)))
    np.testing.assert_allclose(as_products(whole)(maps), head(maps), rtol=1e-5)


def test_head_is_saved_without_classes_of_ours(tmp_path):
    head = build("gem", "mlp")
    head.save(tmp_path / "head.keras")
    loaded = keras.models.load_model(tmp_path / "head.keras", safe_mode=True)
    maps = examples("multi_class").views[0][:].astype(np.float32)
    np.testing.assert_array_equal(loaded(maps), head(maps))


def pooled(head, maps):
    """Returns what the head's pooling gives."""
    return keras.Model(head.input, head.get_layer(heads.POOL).output)(maps).numpy()


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("avg", lambda maps: maps.mean(axis=(1, 2))),
        ("max", lambda maps: maps.max(axis=(1, 2))),
        ("gem", lambda maps: (maps**3).mean(axis=(1, 2)) ** (1 / 3)),
        ("flatten", lambda maps: maps.reshape(len(maps), -1)),
    ],
)
def test_pooling_computes_what_its_name_says(pooling, expected):
    maps = np.random.default_rng(0).uniform(0.1, 5, (6, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(pooled(build(pooling), maps), expected(maps), rtol=1e-5)


@pytest.mark.parametrize(
    ("power", "expected"), [(1.0, np.mean), (90.0, np.max)], ids=["mean", "maximum"]
)
def test_generalised_mean_lies_between_mean_and_maximum(power, expected):
    head = build("gem")
    head.get_layer(heads.GEM_POWER).set_weights([np.array([[power]])])
    maps = np.random.default_rng(0).uniform(0.1, 5, (6, *SHAPE)).astype(np.float32)
    found = pooled(head, maps)
    np.testing.assert_allclose(found, expected(maps, axis=(1, 2)), rtol=0.03)


@pytest.mark.parametrize("value", [-1.0, 0.0, 6e4])
def test_generalised_mean_has_a_gradient_whatever_the_feature_map_is(value):
    head = build("gem")
    maps = np.full((2, *SHAPE), value, np.float32)
    maps[0, 0, 0] += 1.0
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head(maps))
    gradients = tape.gradient(loss, head.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_weight_decay_leaves_the_power_of_the_generalised_mean(tmp_path):
    head, flat = build("gem"), examples("multi_class")
    # On maps that are the same everywhere the power has no gradient.
    maps = flat.views[0][:]
    maps[:] = maps[:, :1, :1]
    flat = Cached.of(flat.labels, maps)
    train(head, "multi_class", tmp_path, data=flat, weight_decay=0.9, epochs=2)
    (power,) = head.get_layer(heads.GEM_POWER).get_weights()
    assert power == pytest.approx(3.0, abs=1e-4)


def test_power_of_the_generalised_mean_does_not_fall_below_1():
    head = build("gem")
    (power,) = head.get_layer(heads.GEM_POWER).weights
    assert float(power.constraint([[0.2]])[0, 0]) == pytest.approx(1.0)


@pytest.fixture
def half_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layers", LAYERS)
def test_logits_are_float32_under_mixed_precision(half_precision, pooling, layers):
    head = build(pooling, layers)
    maps = examples("multi_class").views[0][:].astype(np.float32)
    assert head(maps).dtype == head.output.dtype == "float32"
    assert "bfloat16" in {layer.compute_dtype for layer in head.layers}


@pytest.mark.parametrize("classes", [3, 9])
def test_binary_outputs_for_more_classes_are_refused(classes):
    with pytest.raises(UsageError, match=f"multi_label for {classes} classes: binary"):
        heads.build(Head(outputs="binary"), SHAPE, classes)


def test_unknown_pooling_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="Known: avg, flatten, gem, max"):
        heads.build(Head(pooling="mean"), SHAPE, 3)


@pytest.mark.parametrize(
    ("changes", "features"),
    [
        ({}, "avg"),
        ({"pooling": "max", "hidden": (4,)}, "max"),
        ({"pooling": "flatten"}, "flatten"),
        ({"pooling": "gem"}, "feature_map"),
        ({"conv_filters": 4}, "feature_map"),
    ],
    ids=str,
)
def test_head_is_trained_on_what_stands_before_its_first_weights(changes, features):
    assert heads.features(Head(**changes)) == features


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layers", ["linear", "conv 1x1"])
def test_config_knows_which_heads_pool_before_all_weights(pooling, layers):
    config = Config().override(head={"pooling": pooling, **LAYERS[layers]}).head
    assert config.pools_first == (heads.features(config) != heads.FEATURE_MAP)
