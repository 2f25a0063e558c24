"""The prefix cache: right numbers, engines once, never stale."""

import contextlib
import dataclasses
import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.backbones import catalogue
from tl_keras.datasets import batches
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError, StorageError, UsageError
from tl_keras.sections import Augment, Cache
from tl_keras.training import heads
from tl_keras.training.cache import entry as entries
from tl_keras.training.cache import inputs, passes, prefix, together
from tl_keras.training.cache.prefix import PrefixCache
from tl_keras.training.engines import choice

SQUARE = Square(side=32)
EXACT = Cache(dtype="float32")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Makes nine shards of the 36 images."""
    monkeypatch.setattr(entries, "SHARD", 4)


@pytest.fixture
def cache(backbone, tmp_path):
    return PrefixCache(backbone, tmp_path / "prefix", SQUARE)


class Engines:
    """Engines that note what they are run on.

    Attributes:
        batch_sizes: Of those that are made from now on, in turns.
        counts: Inputs that each was run on.
        shapes: Of an input of each.
    """

    def __init__(self):
        self.batch_sizes = (4,)
        self.counts, self.shapes = [], []
        self._choose = choice.choose

    def choose(self, *args, **options):
        """Returns what the true choice would, under watch."""
        engine = self._choose(*args, **options)
        turn = len(self.counts) % len(self.batch_sizes)
        engine.batch_size = self.batch_sizes[turn]
        return Watched(engine, self)

    def forget(self):
        """Starts anew."""
        self.counts.clear(), self.shapes.clear()


class Watched:
    """An engine that notes what it is run on."""

    def __init__(self, engine, log):
        self.batch_size, self._engine, self._log = engine.batch_size, engine, log
        self._place = len(log.counts)
        log.counts.append(0), log.shapes.append(None)

    def __call__(self, inputs):
        assert len(inputs) <= self.batch_size
        self._log.counts[self._place] += len(inputs)
        self._log.shapes[self._place] = inputs.shape[1:]
        return self._engine(inputs)


@pytest.fixture
def engines(monkeypatch):
    """The engines that are made in a test."""
    log = Engines()
    monkeypatch.setattr(choice, "choose", log.choose)
    return log


@pytest.fixture
def decoded(monkeypatch):
    """Lists the names of the images that are decoded, those of samples left out."""
    names, real = [], batches.all_views

    def note(manifest, square, batch_size, **options):
        if batch_size != inputs.SAMPLE:
            names.extend(row.path for row in manifest.rows)
        return real(manifest, square, batch_size, **options)

    monkeypatch.setattr(batches, "all_views", note)
    return names


def pixels(manifest, **view):
    data = batches.images(manifest, SQUARE, 64, **view)
    return np.concatenate([batch.numpy() for batch in data]).astype(np.float32)


def cut_of(cache, unfreeze=1):
    return 0, cache.cut(unfreeze)


def read(cache, manifest, *wanted):
    """Reads outputs; one alone comes as its rows."""
    found = cache.read(manifest, wanted, what="all")
    return found[wanted[0]] if len(wanted) == 1 else found


def key(cache, manifest, view=1, output="avg"):
    (found,) = cache.entries(manifest, [(view, output)]).values()
    return found.path.name


def changed(cache, **changes):
    return dataclasses.replace(cache, **changes)


@pytest.mark.parametrize("unfreeze", [1, 2, 0, "all"])
def test_cut_is_what_the_prefix_computes(cache, manifest, unfreeze):
    model, _ = cache.backbone.split(unfreeze)
    found = read(cache, manifest, cut_of(cache, unfreeze))
    expected = model(pixels(manifest), training=False)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)


FEATURES = {
    "feature_map": lambda maps: maps,
    "avg": lambda maps: maps.mean(axis=(1, 2)),
    "max": lambda maps: maps.max(axis=(1, 2)),
    "flatten": lambda maps: maps.reshape(len(maps), -1),
}


def test_every_feature_is_tested():
    assert set(FEATURES) == set(heads.FEATURES)


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_made_of_the_last_feature_map(cache, manifest, name):
    found = read(cache, manifest, cut_of(cache), (0, name))[0, name]
    feature_map = cache.backbone.model(pixels(manifest), training=False).numpy()
    precision = {"rtol": 1e-4} if found.dtype == np.float32 else {"atol": 2e-3}
    np.testing.assert_allclose(found, FEATURES[name](feature_map), **precision)


def test_views_are_those_of_the_seed_the_policy_and_the_number(cache, manifest):
    augment = Augment(policy="standard", flip=False)
    other = changed(cache, seed=3, augment=augment)
    wanted = [(view, other.cut(1)) for view in (0, 1, 2)]
    found = read(other, manifest, *wanted)
    model, _ = cache.backbone.split(1)
    for view, output in wanted:
        drawn = {"policy": "standard", "view": view, "seed": 3, "flip": False}
        expected = model(pixels(manifest, **drawn), training=False)
        np.testing.assert_allclose(found[view, output], expected, rtol=2e-3, atol=1e-3)


def test_numbers_are_the_same_whatever_is_asked_for_together(
    backbone, manifest, tmp_path
):
    alone, together = (
        PrefixCache(backbone, tmp_path / name, SQUARE) for name in ("alone", "together")
    )
    wanted = [
        (view, name)
        for view in (0, 1)
        for name in (alone.cut(1), alone.cut(2), "avg", "max")
    ]
    at_once = read(together, manifest, *wanted)
    for one in wanted:
        found = np.asarray(read(alone, manifest, one))
        np.testing.assert_allclose(found, at_once[one], rtol=1e-3, err_msg=one)


def test_each_image_is_decoded_once_for_all_views_and_outputs(
    cache, manifest, decoded, engines
):
    cut = cache.cut(1)
    read(cache, manifest, (0, cut), (0, "avg"), (1, cut), (2, cut))
    assert sorted(decoded) == sorted(row.path for row in manifest.rows)
    # One network for the plain view, one for both of the others.
    assert engines.counts == [36, 72]


def test_second_read_computes_nothing(cache, manifest, engines):
    wanted = cut_of(cache), (0, "avg")
    first = read(cache, manifest, *wanted)
    engines.forget()
    second = read(cache, manifest, *wanted)
    assert not engines.counts
    for one in wanted:
        np.testing.assert_array_equal(first[one], second[one])


def test_only_what_is_missing_is_computed(cache, manifest, engines):
    read(cache, manifest, (1, "avg"))
    engines.forget()
    read(cache, manifest, (0, "avg"), (1, "avg"))
    assert engines.counts == [36]


def test_no_images_have_no_rows(cache, manifest):
    found = read(cache, manifest.with_rows(()), (0, "avg"))
    assert found.shape == (0, 8) and not cache.folder.exists()


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_numbers_do_not_depend_on_the_engines_batch(
    cache, manifest, tmp_path, engines, batch
):
    expected = read(cache, manifest, cut_of(cache))
    engines.batch_sizes = (batch,)
    other = changed(cache, folder=tmp_path / "b")
    found = read(other, manifest, cut_of(cache))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert not other.entries(manifest, [cut_of(cache)])[cut_of(cache)].needed()


def test_networks_of_one_pass_may_have_different_batches(
    cache, manifest, tmp_path, engines
):
    wanted = (0, "avg"), (1, "max")
    expected = read(cache, manifest, *wanted)
    engines.batch_sizes = (2, 4)
    found = read(changed(cache, folder=tmp_path / "other"), manifest, *wanted)
    for one in wanted:
        np.testing.assert_allclose(found[one], expected[one], rtol=1e-5)


def test_numbers_that_half_precision_cannot_hold_are_refused(cache, manifest):
    kernel = cache.backbone.network.get_layer("block1_conv").kernel
    kernel.assign(kernel * 1e7)
    with pytest.raises(UsageError, match="too large for float16: set `--cache.dtype f"):
        read(cache, manifest, cut_of(cache))
    exact = changed(cache, settings=EXACT)
    assert np.isfinite(np.asarray(read(exact, manifest, cut_of(cache)))).all()


@pytest.mark.parametrize(
    ("layer", "weight"), [("block1_conv", "kernel"), ("block1_bn", "moving_mean")]
)
def test_key_depends_on_weights_and_statistics(cache, manifest, layer, weight):
    before = key(cache, manifest)
    variable = getattr(cache.backbone.network.get_layer(layer), weight)
    variable.assign(variable.numpy() + 1e-3)
    assert key(cache, manifest) != before


@pytest.mark.parametrize("layer", ["block1_bn", "block2_conv", "block3_conv"])
def test_key_of_a_cut_depends_on_the_weights_before_it_alone(cache, manifest, layer):
    def keys():
        outputs = cache.cut(2), cache.cut(1), "feature_map", "avg"
        return [key(cache, manifest, output=name) for name in outputs]

    before = keys()
    for variable in cache.backbone.network.get_layer(layer).weights:
        variable.assign(variable.numpy() + 1e-3)
    same = [old == new for old, new in zip(before, keys())]
    behind = {"block1_bn": 0, "block2_conv": 1, "block3_conv": 2}[layer]
    assert same == [True] * behind + [False] * (4 - behind)


def test_key_depends_on_the_preprocessing_and_the_backbones_name(cache, manifest):
    backbone = cache.backbone
    other = catalogue.CATALOGUE["resnet50"].preprocess
    changes = {"name": "other"}, {"preprocess": other}
    keys = {
        key(changed(cache, backbone=dataclasses.replace(backbone, **change)), manifest)
        for change in ({}, *changes)
    }
    assert len(keys) == 3


def test_other_weights_give_other_numbers(cache, manifest):
    before = np.array(read(cache, manifest, cut_of(cache)))
    kernel = cache.backbone.network.get_layer("block1_conv").kernel
    kernel.assign(2 * kernel)
    after = read(cache, manifest, cut_of(cache))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    "change",
    [{"side": 40}, {"resize": "pad"}, {"background": (255, 255, 254)}],
    ids=str,
)
def test_key_depends_on_how_images_become_squares(cache, manifest, change):
    other = changed(cache, square=dataclasses.replace(SQUARE, **change))
    assert key(other, manifest) != key(cache, manifest)


def test_key_depends_on_output_cut_and_view(cache, manifest):
    outputs = cache.cut(1), cache.cut(2), *heads.FEATURES
    keys = {key(cache, manifest, view, name) for view in (0, 1, 2) for name in outputs}
    assert len(keys) == 3 * len(outputs)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"augment": Augment(policy="standard")},
        {"augment": Augment(flip=False)},
    ],
    ids=str,
)
def test_key_of_a_view_depends_on_how_it_is_drawn_and_that_of_the_plain_one_does_not(
    cache, manifest, change
):
    other = changed(cache, **change)
    assert key(other, manifest, view=1) != key(cache, manifest, view=1)
    assert key(other, manifest, view=0) == key(cache, manifest, view=0)


def test_key_is_the_same_where_nothing_is_mirrored_anyway(cache, manifest):
    keys = {
        key(changed(cache, augment=Augment(policy="no_flip", flip=flip)), manifest)
        for flip in (True, False)
    }
    assert len(keys) == 1


def test_key_of_feature_maps_depends_on_their_precision(cache, manifest):
    exact = changed(cache, settings=EXACT)
    cut = cache.cut(1)
    assert key(exact, manifest, output=cut) != key(cache, manifest, output=cut)
    assert key(exact, manifest, output="avg") == key(cache, manifest, output="avg")


def test_key_depends_on_the_images_and_their_order(cache, manifest):
    first, *others = manifest.rows
    rewritten = dataclasses.replace(first, sha256="0" * 64)
    keys = {
        key(cache, dataclasses.replace(manifest, rows=tuple(rows)))
        for rows in (manifest.rows, manifest.rows[::-1], others, [rewritten, *others])
    }
    assert len(keys) == 4


@pytest.mark.parametrize("library", ["tf", "keras"])
def test_key_depends_on_library_versions(cache, manifest, monkeypatch, library):
    before = key(cache, manifest)
    monkeypatch.setattr(f"{prefix.__name__}.{library}.__version__", "0.0")
    assert key(cache, manifest) != before


def test_key_does_not_depend_on_the_engine_nor_on_what_the_images_are_called(
    cache, manifest
):
    # All engines compute what Keras does, to a tolerance: their choice is free.
    other = changed(cache, settings=Cache(engine="onnx", store="auto"))
    (found,) = other.entries(manifest, [(1, "avg")], what="test").values()
    assert found.path.name == key(cache, manifest)


def test_full_disk_is_named_before_anything_is_computed(
    cache, manifest, monkeypatch, engines
):
    usage = shutil.disk_usage(cache.folder.parent)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    cures = "cache prune --max-size .*--cache.store none.*data.cache_dir"
    with pytest.raises(
        StorageError, match=f"need 1.15 kB .* 100 B are free: .*{cures}"
    ):
        read(cache, manifest, (0, "avg"))
    assert not engines.counts


def test_what_is_there_needs_no_room(cache, manifest, monkeypatch):
    read(cache, manifest, (0, "avg"))
    usage = shutil.disk_usage(cache.folder.parent)._replace(free=1151)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert cache.fits(manifest, [(0, "avg")])
    assert not cache.fits(manifest, [(0, "avg"), (0, "max")])
    assert cache.fits(manifest.with_rows(manifest.rows[:35]), [(0, "max")])


def test_folder_that_cannot_be_made_is_named(cache, manifest):
    cache.folder.parent.mkdir(exist_ok=True)
    cache.folder.write_text("a file")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        read(cache, manifest, (0, "avg"))


def test_later_output_is_computed_of_an_exact_cut_without_the_images(
    cache, manifest, decoded, engines, tmp_path
):
    cache = changed(cache, settings=EXACT)
    early, late = cache.cut(2), cache.cut(1)
    wanted = [(view, name) for view in (0, 1) for name in (late, "avg")]
    read(cache, manifest, (0, early), (1, early))
    decoded.clear(), engines.forget()
    found = read(cache, manifest, *wanted)
    assert not decoded
    assert engines.counts == [72]
    direct = changed(cache, folder=tmp_path / "direct")
    expected = read(direct, manifest, *wanted)
    for one in wanted:
        np.testing.assert_allclose(found[one], expected[one], rtol=1e-5, atol=1e-6)


def test_the_last_exact_cut_that_is_whole_is_gone_on_from(
    cache, manifest, decoded, engines
):
    cache = changed(cache, settings=EXACT)
    maps = read(cache, manifest, *(cut_of(cache, part) for part in (2, 1)))
    last = cache.entries(manifest, [cut_of(cache)])[cut_of(cache)]
    (last.path / "00003.sha256").unlink()
    decoded.clear(), engines.forget()
    read(cache, manifest, (0, "avg"))
    assert not decoded
    assert engines.shapes == [maps[cut_of(cache, 2)].shape[1:]]


def test_rounded_cut_is_not_gone_on_from(cache, manifest, decoded):
    read(cache, manifest, cut_of(cache, 2))
    decoded.clear()
    read(cache, manifest, (0, "avg"))
    assert len(decoded) == 36


def test_cut_of_another_view_is_not_gone_on_from(cache, manifest, decoded):
    cache = changed(cache, settings=EXACT)
    read(cache, manifest, cut_of(cache, 2))
    decoded.clear()
    read(cache, manifest, (1, "avg"))
    assert len(decoded) == 36


def damage(cache, manifest, *shards):
    """Changes a byte of some shards of the cut; returns the file."""
    found = cache.entries(manifest, [cut_of(cache)])[cut_of(cache)]
    path = found.path / "rows.bin"
    content = bytearray(path.read_bytes())
    for shard in shards:
        content[found.facts.stretch(shard)[0] + 3] ^= 64
    path.write_bytes(content)
    return path


def test_damaged_shards_are_said_and_computed_anew_and_no_other(
    cache, manifest, engines, decoded, capsys
):
    whole = np.array(read(cache, manifest, cut_of(cache), (0, "avg"))[cut_of(cache)])
    decoded.clear(), engines.forget()
    damage(cache, manifest, 2, 7)
    found = read(cache, manifest, cut_of(cache), (0, "avg"))[cut_of(cache)]
    np.testing.assert_array_equal(found, whole)
    assert engines.counts == [8]
    rows = *manifest.rows[8:12], *manifest.rows[28:32]
    assert decoded == [row.path for row in rows]
    name = cache.entries(manifest, [cut_of(cache)])[cut_of(cache)].path.name
    said = f"2 of 9 parts of the cache entry {name} (cut7, view 0) are damaged"
    assert said in capsys.readouterr().err


def test_interrupted_computing_goes_on_behind_the_last_whole_shard(
    cache, manifest, engines, monkeypatch
):
    def stop(watched, inputs):
        if watched._log.counts[0] == 20:
            raise KeyboardInterrupt
        return call(watched, inputs)

    expected = np.array(read(cache, manifest, cut_of(cache)))
    shutil.rmtree(cache.folder)
    engines.forget()
    call = Watched.__call__
    engines.batch_sizes = (2,)
    monkeypatch.setattr(Watched, "__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        read(cache, manifest, cut_of(cache))
    monkeypatch.setattr(Watched, "__call__", call)
    np.testing.assert_allclose(read(cache, manifest, cut_of(cache)), expected, 1e-3)
    assert engines.counts == [20, 16]


def test_part_that_another_output_lacks_is_not_written_to_the_whole_one(
    cache, manifest, engines
):
    wanted = cut_of(cache), (0, "avg")
    read(cache, manifest, *wanted)
    engines.forget()
    path = damage(cache, manifest, 2)
    stamps = cache.entries(manifest, [(0, "avg")])[0, "avg"].path / "rows.bin"
    before = stamps.stat().st_mtime_ns
    read(cache, manifest, *wanted)
    assert stamps.stat().st_mtime_ns == before < path.stat().st_mtime_ns


def test_view_keeps_its_whole_shards_when_another_view_lacks_them(
    cache, manifest, engines
):
    cut = cache.cut(1)
    read(cache, manifest, (1, cut))
    other = cache.entries(manifest, [(1, cut)])[1, cut].path
    (other / "00001.sha256").unlink()
    before = (other / "00000.sha256").stat().st_mtime_ns
    read(cache, manifest, (1, cut), (2, cut))
    assert (other / "00000.sha256").stat().st_mtime_ns == before
    assert (other / "00001.sha256").exists()


def test_what_another_process_computed_meanwhile_is_read(
    cache, manifest, engines, monkeypatch
):
    @contextlib.contextmanager
    def late(lacking):
        monkeypatch.undo()
        read(cache, manifest, (0, "avg"))
        monkeypatch.setattr(choice, "choose", None)
        yield

    monkeypatch.setattr(together, "locked", late)
    assert len(read(cache, manifest, (0, "avg"))) == 36


def test_next_images_are_decoded_while_the_network_runs(cache, manifest, monkeypatch):
    def note(content, square, only=""):
        noted = tf.py_function(lambda: decoded.release() or 0, [], tf.int32)
        with tf.control_dependencies([noted]):
            return decode_and_resize(content, square, only)

    def choose(*args, **options):
        # A batch waits for images of the next one, decoded meanwhile.
        engine = real(*args, **options)
        while decoded.acquire(timeout=0.5):
            "Those of the sample."
        return Waiting(engine)

    class Waiting:
        batch_size = 4

        def __init__(self, engine):
            self.engine, self.done = engine, 0

        def __call__(self, inputs):
            self.done += len(inputs)
            ahead = min(self.done + 1, 36) - sum(met)
            met.append(sum(decoded.acquire(timeout=20) for _ in range(ahead)))
            return self.engine(inputs)

    decoded, met, real = threading.Semaphore(0), [], choice.choose
    monkeypatch.setattr(batches, "decode_and_resize", note)
    monkeypatch.setattr(choice, "choose", choose)
    batches._loader_of_all.cache_clear()
    read(cache, manifest, (0, "avg"))
    batches._loader_of_all.cache_clear()
    assert np.cumsum(met).tolist() == [5, 9, 13, 17, 21, 25, 29, 33, 36]


@pytest.fixture
def exact(backbone, tmp_path):
    return PrefixCache(backbone, tmp_path / "prefix", SQUARE, exact=True)


def test_exact_numbers_have_names_of_their_own(exact, cache, manifest):
    assert key(exact, manifest) != key(cache, manifest)


def test_exact_numbers_depend_on_what_is_asked_for_beside(exact, manifest):
    alone = exact.entries(manifest, [(0, "avg")])[0, "avg"]
    beside = exact.entries(manifest, [(0, "avg"), cut_of(exact)])[0, "avg"]
    other_view = exact.entries(manifest, [(0, "avg"), (1, "max")])[0, "avg"]
    assert beside.path != alone.path == other_view.path


def test_exact_numbers_are_computed_beside_all_that_was_asked_for(
    exact, manifest, monkeypatch
):
    wanted = [(0, "avg"), cut_of(exact)]
    exact.read(manifest, wanted, what="all")
    entry = exact.entries(manifest, wanted)[0, "avg"]
    entry.forget([3])
    built, build = [], prefix.networks.build

    def note(backbone, outputs, *rest):
        built.append(tuple(outputs))
        return build(backbone, outputs, *rest)

    monkeypatch.setattr(prefix.networks, "build", note)
    before = (entry.path / "rows.bin").read_bytes()
    exact.read(manifest, wanted, what="all")
    assert built == [tuple(sorted(output for _, output in wanted))]
    assert (entry.path / "rows.bin").read_bytes() == before


def test_exact_numbers_never_come_from_an_earlier_cut(backbone, tmp_path, manifest):
    found = PrefixCache(
        backbone, tmp_path / "prefix", SQUARE, settings=EXACT, exact=True
    )
    found.read(manifest, [cut_of(found)], what="all")
    known = found._known(manifest, "all")
    entry = found.entries(manifest, [(0, "avg")])[0, "avg"]
    job = passes.Job(0, "avg", entry, frozenset([0]))
    assert found._source(known, job) == ""


def test_what_was_computed_of_a_changed_image_is_taken_back(
    cache, manifest, tmp_path, monkeypatch
):
    shutil.copytree(manifest.root, tmp_path / "squares")
    copied = dataclasses.replace(manifest, root=tmp_path / "squares")
    path, whole = copied.paths[5], open(copied.paths[5], "rb").read()
    shutil.copy(copied.paths[20], path)
    with pytest.raises(DataError, match=rf"{copied.rows[5].path} \(changed\)"):
        read(cache, copied, (0, "avg"))
    with open(path, "wb") as file:
        file.write(whole)
    fresh = PrefixCache(cache.backbone, tmp_path / "fresh" / "prefix", SQUARE)
    found = read(cache, copied, (0, "avg"))
    np.testing.assert_allclose(found[:], read(fresh, copied, (0, "avg"))[:], rtol=1e-5)
