"""What both phases ask of the cache: all at once, and the same again when resumed."""

import dataclasses

import numpy as np
import pytest

from tl_keras.config import Head
from tl_keras.training.cache.prefix import PrefixCache
from tl_keras.training.examples import Cached
from tl_keras.training.head import attach
from tl_keras.training.images import Images
from tl_keras.training.inputs import Inputs
from tl_keras.training.streamed import Streamed


@pytest.fixture
def classifier(backbone, manifest):
    return attach(backbone, manifest.class_names, Head())


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the cache: split and wanted pairs of each call."""
    calls, read = [], PrefixCache.read

    def note(self, manifest, wanted, *, what):
        calls.append((what, list(wanted)))
        return read(self, manifest, wanted, what=what)

    monkeypatch.setattr(PrefixCache, "read", note)
    return calls


@pytest.fixture
def fits(monkeypatch):
    """What the cache is asked whether it fits, and what it answers."""
    noted, answers = [], {}

    def answer(self, manifest, wanted):
        noted.append((manifest.rows[0].split, list(wanted)))
        return answers[manifest.rows[0].split]

    monkeypatch.setattr(PrefixCache, "fits", answer, raising=False)
    return noted, answers


CUT = [(0, "avg"), (0, "cut7"), (1, "cut7")]


def test_all_that_both_phases_want_of_a_split_is_one_request(
    classifier, manifest, config, asked
):
    config = config.override(augment={"views": 2})
    Inputs(classifier, manifest, config).of_head()
    assert asked == [("train", CUT), ("validation", CUT[:2])]


def test_a_resumed_phase_asks_for_the_same(classifier, manifest, config, asked):
    Inputs(classifier, manifest, config).of_head()
    Inputs(classifier, manifest, config).at(1)
    assert len(asked) == 4 and asked[:2] == asked[2:]


def test_gradual_unfreezing_wants_every_cut_at_once(
    classifier, manifest, config, asked
):
    chosen = {"gradual": True, "unfreeze": "all", "epochs": 3}
    config = config.override(augment={"views": 2}, fine_tune=chosen)
    read = Inputs(classifier, manifest, config)
    read.of_head(), read.at(1), read.at(2)
    wanted = [*CUT, (0, "cut4"), (1, "cut4")]
    plain = [one for one in wanted if one[0] == 0]
    assert asked == [("train", wanted), ("validation", plain)]


@pytest.mark.parametrize(
    "chosen", [{"unfreeze": "all"}, {"unfreeze": 0}, {"epochs": 0}]
)
def test_only_features_are_computed_where_there_is_no_cut(
    classifier, manifest, config, asked, chosen
):
    config = config.override(fine_tune=chosen)
    Inputs(classifier, manifest, config).of_head()
    assert [wanted for _, wanted in asked] == [[(0, "avg")]] * 2


def test_images_are_read_where_nothing_is_frozen(classifier, manifest, config, asked):
    config = config.override(fine_tune={"unfreeze": "all"})
    train, validation = Inputs(classifier, manifest, config).at("all")
    assert isinstance(train, Images) and isinstance(validation, Images)
    assert not asked


def test_every_phase_gets_its_own_output_in_all_its_views(classifier, manifest, config):
    chosen = {"gradual": True, "unfreeze": 2}
    config = config.override(augment={"views": 2}, fine_tune=chosen)
    read = Inputs(classifier, manifest, config)
    shapes = {"head": (8,), 1: (8, 8, 6), 2: (16, 16, 4)}
    pairs = {"head": read.of_head(), 1: read.at(1), 2: read.at(2)}
    for name, (train, validation) in pairs.items():
        assert len(train.views) == (1 if name == "head" else 2)
        assert len(validation.views) == 1
        for examples in (train, validation):
            assert {view.shape[1:] for view in examples.views} == {shapes[name]}
            assert {len(view) for view in examples.views} == {len(examples.labels)}
        if name != "head":
            assert not np.array_equal(train.views[0], train.views[1])
    train, _ = pairs[1]
    views = train.draw(np.arange(4), 0, np.random.default_rng(0))
    expected = next(Cached((train.views[0],), train.labels).in_order(4))
    np.testing.assert_array_equal(next(train.in_order(4)), expected)
    assert next(train.drawn(np.arange(4), 0, views, 4)).shape == (4, 8, 8, 6)


def test_labels_are_those_of_the_split(classifier, manifest, config):
    for examples, split in zip(
        Inputs(classifier, manifest, config).of_head(), ("train", "validation")
    ):
        assert examples.labels.tolist() == manifest.split(split).labels()


def test_split_without_images_is_not_asked_for(classifier, manifest, config, asked):
    rows = tuple(row for row in manifest.rows if row.split != "validation")
    manifest = dataclasses.replace(manifest, rows=rows)
    _, validation = Inputs(classifier, manifest, config).at(1)
    assert [what for what, _ in asked] == ["train"]
    assert len(validation.labels) == 0


def test_nothing_is_kept_where_the_config_says_so(
    classifier, manifest, config, asked, tmp_path, capsys
):
    config = config.override(cache={"store": "none"})
    read = Inputs(classifier, manifest, config)
    for train, _ in (read.of_head(), read.at(1)):
        next(train.in_order(8))
    assert isinstance(read.at(1)[0], Streamed)
    assert not asked
    assert not (tmp_path / "cache" / "prefix").exists()
    assert "anew in every epoch: cache.store is none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("train", "validation"), [(True, True), (False, True), (True, False)]
)
def test_what_does_not_fit_on_the_disk_is_streamed_where_the_config_lets_it(
    classifier, manifest, config, fits, capsys, train, validation
):
    noted, answers = fits
    answers.update(train=train, validation=validation)
    config = config.override(cache={"store": "auto"}, augment={"views": 2})
    found, _ = Inputs(classifier, manifest, config).at(1)
    kind = Cached if train and validation else Streamed
    assert isinstance(found, kind)
    expected = [("train", CUT), ("validation", CUT[:2])]
    assert noted == expected[: len(noted)] and noted
    said = "do not fit on the disk of" in capsys.readouterr().err
    assert said == (kind is Streamed)


def test_disk_that_is_too_small_is_the_caches_business_otherwise(
    classifier, manifest, config, fits
):
    noted, _ = fits
    Inputs(classifier, manifest, config).at(1)
    assert not noted


def test_splits_take_their_rows_of_all_images_computed_at_once(
    classifier, manifest, config, asked
):
    config = config.override(augment={"views": 2})
    alone = Inputs(classifier, manifest, config)
    whole = Inputs(classifier, manifest, config, whole=manifest)
    asked.clear()
    pairs = zip((*whole.of_head(), *whole.at(1)), (*alone.of_head(), *alone.at(1)))
    assert {what for what, _ in asked[:2]} == {"all images"}
    for found, expected in pairs:
        assert len(found.views) == len(expected.views)
        np.testing.assert_array_equal(found.labels, expected.labels)
        for one, other in zip(found.views, expected.views):
            np.testing.assert_allclose(one, other, atol=2e-3)


def test_test_images_are_held_out_as_the_part_that_trains_takes_them(
    classifier, manifest, config
):
    read = Inputs(classifier, manifest, config, whole=manifest)
    test = manifest.split("test")
    for unfreeze, shape in ((0, (8,)), (1, (8, 8, 6))):
        found = read.held_out(unfreeze)
        assert found.labels.tolist() == test.labels()
        assert found.views[0].shape == (len(test.rows), *shape)
    assert read.held_out("all") is None


def test_nothing_is_held_out_where_nothing_is_kept(classifier, manifest, config):
    config = config.override(cache={"store": "none"})
    assert Inputs(classifier, manifest, config, whole=manifest).held_out(0) is None
