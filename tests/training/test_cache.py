"""The prefix cache: right numbers, computed once, never stale."""

import dataclasses
import shutil

import numpy as np
import pytest

from tl_keras.config import Augment
from tl_keras.datasets import batches
from tl_keras.datasets.square import Square
from tl_keras.errors import StorageError
from tl_keras.training import cache as cache_module
from tl_keras.training import heads
from tl_keras.training.cache import PrefixCache

BOTH = ("cut", "avg")
SQUARE = Square(side=32)


@pytest.fixture
def cache(backbone, tmp_path):
    return PrefixCache(backbone, 1, tmp_path / "prefix", SQUARE)


@pytest.fixture
def no_computing(monkeypatch):
    def refuse(model):
        raise AssertionError("the frozen part was run again")

    monkeypatch.setattr(cache_module, "constant_graph", refuse)


def pixels(manifest):
    data = batches.images(manifest, SQUARE, 64)
    return np.concatenate([batch.numpy() for batch in data]).astype(np.float32)


def test_cut_is_what_the_prefix_computes(cache, manifest):
    prefix, _ = cache.backbone.split(1)
    found = cache.read(manifest, BOTH, what="all")["cut"]
    expected = prefix(pixels(manifest), training=False)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("feature_map", lambda maps: maps),
        ("avg", lambda maps: maps.mean(axis=(1, 2))),
        ("max", lambda maps: maps.max(axis=(1, 2))),
        ("flatten", lambda maps: maps.reshape(len(maps), -1)),
    ],
)
def test_features_are_made_of_the_last_feature_map(cache, manifest, name, expected):
    found = cache.read(manifest, ("cut", name), what="all")[name]
    feature_map = cache.backbone.model(pixels(manifest), training=False).numpy()
    precision = {"rtol": 1e-4} if found.dtype == np.float32 else {"atol": 2e-3}
    np.testing.assert_allclose(found, expected(feature_map), **precision)


def test_every_output_has_a_precision():
    assert set(cache_module.DTYPES) == {"cut", *heads.FEATURES}


def test_second_read_computes_nothing(cache, manifest, request):
    first = cache.read(manifest, BOTH, what="all")["cut"]
    request.getfixturevalue("no_computing")
    np.testing.assert_array_equal(cache.read(manifest, BOTH, what="all")["cut"], first)


def key(cache, manifest, view=0, seed=0, policy="none", outputs=BOTH):
    return cache._key(manifest, outputs, policy, view, seed)


def test_key_depends_on_the_weights(cache, manifest):
    before = key(cache, manifest)
    kernel = cache.backbone.network.get_layer("block1_conv").kernel
    kernel.assign(kernel.numpy() + 1e-3)
    assert key(cache, manifest) != before


def test_other_weights_give_other_numbers(cache, manifest):
    before = np.array(cache.read(manifest, ("cut",), what="before")["cut"])
    kernel = cache.backbone.network.get_layer("block1_conv").kernel
    kernel.assign(2 * kernel)
    after = cache.read(manifest, ("cut",), what="after")["cut"]
    assert not np.array_equal(before, after)


def test_key_depends_on_batch_normalization_statistics(cache, manifest):
    before = key(cache, manifest)
    layer = cache.backbone.network.get_layer("block1_bn")
    layer.moving_mean.assign(layer.moving_mean.numpy() + 1e-3)
    assert key(cache, manifest) != before


def test_key_depends_on_the_cut(cache, manifest):
    other = dataclasses.replace(cache, unfreeze=2)
    assert key(other, manifest) != key(cache, manifest)


@pytest.mark.parametrize(
    "change",
    [{"side": 40}, {"resize": "pad"}, {"background": (255, 255, 254)}],
    ids=str,
)
def test_key_depends_on_how_images_become_squares(cache, manifest, change):
    other = dataclasses.replace(cache, square=dataclasses.replace(SQUARE, **change))
    assert key(other, manifest) != key(cache, manifest)


@pytest.mark.parametrize(
    "change",
    [
        {"view": 2},
        {"seed": 1},
        {"policy": "other"},
        {"outputs": ("cut",)},
        {"outputs": ("cut", "max")},
    ],
    ids=str,
)
def test_key_depends_on_view_seed_policy_and_outputs(cache, manifest, change):
    usual = {"view": 1, "policy": "light"}
    assert key(cache, manifest, **{**usual, **change}) != key(cache, manifest, **usual)


def test_key_depends_on_the_images_and_their_order(cache, manifest):
    keys = {
        key(cache, dataclasses.replace(manifest, rows=rows))
        for rows in (manifest.rows, manifest.rows[::-1], manifest.rows[1:])
    }
    assert len(keys) == 3


@pytest.mark.parametrize("library", ["tf", "keras"])
def test_key_depends_on_library_versions(cache, manifest, monkeypatch, library):
    before = key(cache, manifest)
    monkeypatch.setattr(f"tl_keras.training.cache.{library}.__version__", "0.0")
    assert key(cache, manifest) != before


def test_augmented_view_differs_from_the_plain_one(cache, manifest):
    plain = cache.read(manifest, ("cut",), what="plain")["cut"]
    view = cache.read(manifest, ("cut",), what="view", augment=Augment(), view=1)
    assert np.abs(plain - view["cut"]).max() > 0.1


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00garbage", None])
def test_damaged_file_is_computed_anew(cache, manifest, damage):
    whole = np.array(cache.read(manifest, BOTH, what="all")["cut"])
    (path,) = cache.folder.rglob("cut.npy")
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    found = cache.read(manifest, BOTH, what="all")["cut"]
    np.testing.assert_array_equal(found, whole)


def test_interrupted_computing_leaves_nothing(cache, manifest, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.read(manifest, BOTH, what="all")
    assert not any(cache.folder.iterdir())


def test_full_disk_is_named_before_anything_is_computed(
    cache, manifest, monkeypatch, no_computing
):
    usage = shutil.disk_usage(cache.folder.parent)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match="needs .* GB .* free some space"):
        cache.read(manifest, BOTH, what="all")


def test_all_frozen_cache_needs_no_cut(backbone, manifest, tmp_path):
    cache = PrefixCache(backbone, 0, tmp_path / "prefix", SQUARE)
    found = cache.read(manifest, ("avg",), what="all")
    assert found["avg"].shape == (len(manifest.rows), 8)


def test_key_tells_unmirrored_views_of_a_policy_that_mirrors(cache, manifest):
    mirrored, other = (
        cache._key(manifest, BOTH, "light", 1, 0, flip) for flip in (True, False)
    )
    assert mirrored != other


@pytest.mark.parametrize(("policy", "view"), [("no_flip", 1), ("light", 0)])
def test_key_is_the_same_where_nothing_is_mirrored_anyway(
    cache, manifest, policy, view
):
    keys = {cache._key(manifest, BOTH, policy, view, 0, flip) for flip in (True, False)}
    assert len(keys) == 1


def test_unmirrored_view_is_what_is_read(cache, manifest):
    (images,) = batches.images(
        manifest, SQUARE, 64, policy="light", view=1, seed=0, flip=False
    )
    augment = Augment(policy="light", flip=False)
    found = cache.read(manifest, ("cut",), what="view", augment=augment, view=1)["cut"]
    prefix, _ = cache.backbone.split(1)
    expected = prefix(np.asarray(images, np.float32), training=False)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)
