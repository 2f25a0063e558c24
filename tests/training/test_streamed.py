"""Streaming: the same examples as from the cache, with nothing kept."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tl_keras.datasets.square import Square
from tl_keras.sections import Augment, Cache
from tl_keras.training import streamed
from tl_keras.training.cache.prefix import PrefixCache
from tl_keras.training.engines import choice
from tl_keras.training.examples import Cached
from tl_keras.training.images import of_splits
from tl_keras.training.streamed import Streaming, run

SQUARE = Square(side=32)
VIEWS = 3


@pytest.fixture(params=["in memory", "from files"])
def streaming(backbone, manifest, config, request):
    """Both splits' images, decoded once or anew in every epoch."""
    config = config.override(augment={"views": VIEWS})
    memory = 1 << 30 if request.param == "in memory" else 0
    both = of_splits(manifest, 32, manifest.class_names, config)
    both = (dataclasses.replace(images, memory=memory) for images in both)
    return Streaming(backbone, *both, config, "it is a test")


@pytest.fixture
def cached(backbone, manifest, tmp_path):
    """From an output's name to what the cache gives of the training images."""
    folder, settings = tmp_path / "kept", Cache(dtype="float32")
    augment = Augment(views=VIEWS)
    cache = PrefixCache(backbone, folder, SQUARE, augment, 0, settings)
    chosen = manifest.split("train")

    def read(output, views):
        wanted = [(view, output) for view in range(views)]
        found = cache.read(chosen, wanted, what="train")
        labels = chosen.targets(manifest.class_names)
        return Cached(tuple(found[one] for one in wanted), labels)

    return read


def drawn(examples, places, batch=5):
    """Returns the batches of an epoch of any examples."""
    random = np.random.default_rng(7)
    places = np.array(places)
    views = examples.draw(places, 0, random)
    return list(examples.drawn(places, 0, views, batch))


def test_streamed_epoch_shows_the_views_that_the_cache_shows(streaming, cached):
    train, _ = streaming.pair("cut7")
    # Some places twice, as where classes are balanced by sampling.
    places = [3, 8, 3, 1, 0, 12, 5, 3, 19, 2, 11, 7, 6, 9, 4]
    expected = drawn(cached("cut7", VIEWS), places)
    found = drawn(train, places)
    assert [len(batch) for batch in found] == [5, 5, 5]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_streamed_epoch_may_hold_plain_images_alone(streaming, cached):
    config = streaming.config.override(augment={"views": 1})
    train, _ = dataclasses.replace(streaming, config=config).pair("cut7")
    (found,), (expected,) = (
        drawn(examples, [4, 0, 2], batch=3) for examples in (train, cached("cut7", 1))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_streamed_images_in_order_are_the_plain_ones(streaming, cached):
    train, _ = streaming.pair("cut7")
    found = list(train.in_order(8))
    assert len(found[0]) == 8
    expected = np.asarray(cached("cut7", 1).views[0])
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5, atol=1e-5)


def test_streamed_examples_know_their_classes(streaming, cached):
    train, validation = streaming.pair("cut7")
    np.testing.assert_array_equal(train.labels, cached("cut7", 1).labels)
    np.testing.assert_array_equal(validation.labels, streaming.validation.labels)


def test_validation_streams_the_plain_images(streaming):
    _, validation = streaming.pair("cut7")
    places = np.arange(len(validation.labels))
    found = np.concatenate(drawn(validation, places, batch=len(places)))
    expected = np.concatenate(list(validation.in_order(4)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_head_alone_streams_the_plain_feature_maps(streaming, cached):
    train, _ = streaming.pair("feature_map")
    (found,), (expected,) = (
        drawn(examples, [4, 0, 2], batch=3)
        for examples in (train, cached("feature_map", 1))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("output", sorted(streamed.POOLED))
def test_pooled_features_are_computed_once_and_kept(streaming, cached, output):
    train, validation = streaming.pair(output)
    assert isinstance(train, Cached) and len(train.views) == 1
    found, expected = train.views[0], cached(output, 1).views[0]
    assert found.dtype == np.float32
    # The cache keeps those of `flatten` in the precision of feature maps.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert len(validation.views[0]) == len(validation.labels)


@pytest.mark.parametrize("output", ["avg", "cut7"])
def test_split_without_images_has_no_examples(streaming, output):
    images = streaming.validation
    none = dataclasses.replace(
        images, manifest=images.manifest.with_rows(()), labels=np.zeros(0, int)
    )
    _, validation = dataclasses.replace(streaming, validation=none).pair(output)
    assert len(validation.labels) == 0


def test_streaming_says_why(streaming, capsys):
    streaming.pair("cut7")
    message = capsys.readouterr().err
    assert message.startswith("Images run through the frozen part of tiny anew")
    assert "it is a test" in message


def test_engine_is_chosen_once_for_all_images_of_all_epochs(streaming, monkeypatch):
    noted, choose = [], choice.choose

    def note(model, sample, **options):
        noted.append((len(sample), sample.dtype, options))
        return choose(model, sample, **options)

    monkeypatch.setattr(choice, "choose", note)
    chosen = {"cache": {"engine": "graph"}, "fine_tune": {"epochs": 7}}
    config = streaming.config.override(**chosen)
    train, validation = dataclasses.replace(streaming, config=config).pair("cut7")
    assert train.engine is validation.engine
    ((images, dtype, options),) = noted
    assert (images, dtype) == (16, np.uint8)
    assert options["name"] == "graph"
    assert options["folder"] == Path(config.data.cache_dir) / "engines"
    assert options["total"] == 7 * (len(train.labels) + len(validation.labels))


def test_engine_runs_in_the_size_that_it_likes():
    sizes = []

    def engine(inputs):
        sizes.append(len(inputs))
        return [inputs * 2]

    engine.batch_size = 4
    inputs = np.arange(10)
    np.testing.assert_array_equal(run(engine, inputs), inputs * 2)
    assert sizes == [4, 4, 2]
