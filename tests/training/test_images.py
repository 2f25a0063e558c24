"""Images as a phase learns from them: in any order, other views in each epoch."""

import dataclasses
import shutil

import numpy as np
import pytest

from tl_keras.datasets import batches
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError
from tl_keras.training.images import Images, of_splits

SQUARE = Square(side=32)


@pytest.fixture(params=["in memory", "from files"])
def images(manifest, request):
    train = manifest.split("train")
    memory = 1 << 30 if request.param == "in memory" else 0
    labels = np.array(train.labels())
    return Images(train, SQUARE, labels, "light", seed=0, memory=memory)


def drawn(images, epoch, places):
    random = np.random.default_rng(0)
    places = np.array(places)
    views = images.draw(places, epoch, random)
    return np.concatenate(list(images.drawn(places, epoch, views, 2)))


def test_images_come_in_the_order_that_is_asked_for(images):
    forth, back = drawn(images, 0, [0, 1, 2, 3]), drawn(images, 0, [3, 2, 1, 0])
    np.testing.assert_array_equal(forth, back[::-1])


def test_views_are_the_same_from_memory_and_from_files(manifest):
    train = manifest.split("train")
    one, other = (
        Images(train, SQUARE, np.array([]), "light", seed=0, memory=memory)
        for memory in (0, 1 << 30)
    )
    np.testing.assert_array_equal(drawn(one, 3, [4, 2]), drawn(other, 3, [4, 2]))


def test_every_epoch_shows_other_views(images):
    assert not np.array_equal(drawn(images, 0, [0, 1]), drawn(images, 1, [0, 1]))


def test_no_epoch_shows_the_plain_images(images):
    plain = np.concatenate(list(images.in_order(2)))
    assert not np.array_equal(drawn(images, 0, [0, 1]), plain[:2])


def test_validation_sees_the_plain_images(images):
    data = batches.images(images.manifest, SQUARE, 100)
    (plain,) = [batch.numpy() for batch in data]
    np.testing.assert_array_equal(np.concatenate(list(images.in_order(7))), plain)


def test_images_become_squares_as_the_config_says(manifest, config):
    config = config.override(data={"resize": "pad", "background": [1, 2, 3]})
    expected = Square(side=32, resize="pad", background=(1, 2, 3))
    for found in of_splits(manifest, 32, manifest.class_names, config):
        assert found.square == expected


def test_every_split_has_its_images_and_classes(manifest, config):
    names = manifest.class_names
    for split, found in zip(
        ("train", "validation"), of_splits(manifest, 32, names, config)
    ):
        assert found.manifest == manifest.split(split)
        assert found.labels.tolist() == manifest.split(split).labels(names)


def test_image_that_is_drawn_again_shows_another_view(images):
    twice = drawn(images, 0, [3, 3, 2, 3])
    assert len({view.tobytes() for view in twice}) == 4


def test_image_that_is_drawn_again_shows_its_usual_view_first(images):
    first = drawn(images, 0, [3, 3])[0]
    np.testing.assert_array_equal(first, drawn(images, 0, [1, 3])[1])


def test_config_decides_whether_images_may_be_mirrored(manifest, config):
    config = config.override(augment={"flip": False})
    train, _ = of_splits(manifest, 32, manifest.class_names, config)
    assert not train.flip


def test_unmirrored_images_are_drawn_unmirrored(images):
    unmirrored = dataclasses.replace(images, flip=False)
    places = list(range(8))
    both = drawn(images, 0, places), drawn(unmirrored, 0, places)
    same = (both[0] == both[1]).all(axis=(1, 2, 3))
    assert 0 < same.sum() < 8


@pytest.mark.parametrize("memory", [0, 1 << 30], ids=["from files", "in memory"])
@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_epoch_of_other_images_than_the_manifest_s_is_refused(
    manifest, tmp_path, memory, harm
):
    shutil.copytree(manifest.root, tmp_path / "squares")
    train = dataclasses.replace(manifest.split("train"), root=tmp_path / "squares")
    if harm == "removed":
        (tmp_path / "squares" / train.rows[2].path).unlink()
    else:
        shutil.copy(train.paths[-1], train.paths[2])
    labels, cache = np.array(train.labels()), str(tmp_path / "cache")
    images = Images(train, SQUARE, labels, "light", 0, memory, cache_dir=cache)
    with pytest.raises(DataError, match=f"{train.rows[2].path}|No such file"):
        drawn(images, 0, [0, 2, 1, 3])
