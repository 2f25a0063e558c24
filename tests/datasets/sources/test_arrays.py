"""Images in arrays: written as they are, and everything else refused with its cure."""

import numpy as np
import pytest
from PIL import Image

from tl_keras.datasets.sources import arrays
from tl_keras.datasets.sources.finding import find
from tl_keras.errors import DataError, UsageError
from tl_keras.sections import Data

SHAPES = {"gray": (), "one": (1,), "rgb": (3,), "rgba": (4,)}
LABELS = [0, 1, 0, 1]


@pytest.fixture
def data(tmp_path):
    return Data(cache_dir=str(tmp_path / "cache"))


def pixels(channels=(3,), count=4):
    """Returns noise of 5x4 pixels."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 5, 4, *channels)).astype(np.uint8)


def labels(manifest):
    return [row.label for row in manifest.rows]


@pytest.mark.parametrize("name", SHAPES)
def test_pixels_are_written_without_loss(data, name):
    images = pixels(SHAPES[name])
    found = find((images, LABELS), data)
    for path, image in zip(found.paths, images):
        expected = image[..., 0] if name == "one" else image
        np.testing.assert_array_equal(np.array(Image.open(path)), expected)


def test_tuple_and_dict_are_the_same_source(data):
    record = {"images": pixels(), "labels": LABELS}
    assert find(record, data) == find((pixels(), LABELS), data)


def test_same_arrays_are_written_once(data, monkeypatch):
    first = find((pixels(), LABELS), data)
    monkeypatch.setattr(arrays, "pictures", None)
    assert find((pixels(), LABELS), data) == first


def test_other_pixels_are_another_source(data):
    other = pixels()
    other[0, 0, 0, 0] ^= 1
    assert find((other, LABELS), data).root != find((pixels(), LABELS), data).root


def test_other_labels_are_another_source(data):
    other = find((pixels(), [1, 1, 0, 0]), data)
    assert other.root != find((pixels(), LABELS), data).root


def test_indices_name_their_classes(data):
    assert labels(find((pixels(), [10, 2, 2, 1]), data)) == ["10", "2", "2", "1"]


def test_indices_point_into_the_class_names(data):
    source = {"images": pixels(), "labels": LABELS, "class_names": ["z", "a"]}
    assert labels(find(source, data)) == ["z", "a", "z", "a"]


@pytest.mark.parametrize("kind", [list, np.array, lambda x: np.array(x, object)])
def test_names_are_labels(data, kind):
    names = ["cat", "dog", "cat", "a|b"]
    assert labels(find((pixels(), kind(names)), data)) == names


def test_class_names_give_the_order(data):
    source = {"images": pixels(), "labels": LABELS, "class_names": ["z", "a"]}
    assert find(source, data).class_names == ("z", "a")


def test_order_of_the_config_comes_before_that_of_the_class_names(data):
    source = {"images": pixels(), "labels": LABELS, "class_names": ["z", "a"]}
    given = Data(cache_dir=data.cache_dir, classes=("a", "z"))
    assert find(source, given).class_names == ("a", "z")


def test_multi_hot_labels_come_back_as_targets(data):
    hot = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
    source = {"images": pixels(), "labels": hot, "class_names": ["z", "b", "a"]}
    np.testing.assert_array_equal(find(source, data).targets(), hot)


BAD_IMAGES = {
    "floats": (pixels() / 255, r"float64: give uint8 .*\* 255\)\.round"),
    "NaN": (np.full((4, 5, 4), np.nan), r"not numbers \(NaN\)"),
    "int64": (pixels().astype(int), r"int64: give uint8 .*astype\('uint8'\)"),
    "bool": (pixels() > 9, "bool: give uint8"),
    "texts": (["a.png"] * 4, "<U5: give uint8"),
    "two axes": (pixels()[:, :, 0, 0], r"of shape \(4, 5\): give \(images, height"),
    "two channels": (pixels((2,)), r"of shape \(4, 5, 4, 2\)"),
    "five axes": (pixels((3, 1)), r"of shape \(4, 5, 4, 3, 1\)"),
    "empty": (pixels()[:0], r"empty, of shape \(0, 5, 4, 3\)"),
    "no height": (pixels()[:, :0], "empty, of shape"),
    "sizes": ([np.zeros((2, 2)), np.zeros((3, 3))], "differ in size: resize them"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_images_that_are_no_pixels_are_refused_with_the_cure(data, name):
    images, message = BAD_IMAGES[name]
    with pytest.raises(DataError, match=message):
        find((images, LABELS[: len(images)]), data)


BAD_LABELS = {
    "too few": ([0, 1, 0], (), "4 images and 3 labels"),
    "one for all": (0, (), "4 images and 1 labels"),
    "floats": ([0.0, 1.0, 0.0, 1.0], (), "float64 of shape .*indices or names"),
    "column": (np.zeros((4, 1, 1), int), (), "int64 of shape"),
    "negative": ([0, -1, 0, 1], (), "from -1 to 1: give them from 0 to any"),
    "too high": ([0, 2, 0, 1], ("a", "b"), "from 0 to 2: give them from 0 to 1"),
    "empty name": (["a", "", "b", "a"], (), "A label is ''"),
    "nothing": (np.array(["a", None, "b", "a"], object), (), "A label is None"),
    "ragged": ([[0], [0, 1], [1], [0]], (), "The labels differ in length"),
    "no class names": (np.eye(4, dtype=int), (), "4 classes come with 0 class names"),
    "counts": (np.eye(4) * 2, tuple("abcd"), "other numbers than 0 and 1"),
    "separator": (np.eye(4), ("a|b", "b", "c", "d"), r"'a\|b' is empty or holds"),
    "unused name": (LABELS, ("a", "b", "c"), "Without images: c"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_that_do_not_fit_are_refused_with_the_cure(data, name):
    given, class_names, message = BAD_LABELS[name]
    source = {"images": pixels(), "labels": given, "class_names": class_names}
    with pytest.raises(DataError, match=message):
        find(source, data)


NO_SOURCES = {
    "one": (pixels(),),
    "bare": pixels(),
    "no labels": {"images": pixels()},
    "unknown key": {"images": pixels(), "labels": LABELS, "weights": LABELS},
    "number": 7,
}


@pytest.mark.parametrize("name", NO_SOURCES)
def test_what_is_no_pair_of_arrays_is_a_usage_error(data, name):
    with pytest.raises(UsageError, match=r"a path, a name, `\(images, labels\)`"):
        find(NO_SOURCES[name], data)


def test_column_of_indices_is_taken_as_indices(data):
    column = np.array(LABELS)[:, np.newaxis]
    source = {"images": pixels(), "labels": column, "class_names": ["z", "a"]}
    assert labels(find(source, data)) == ["z", "a", "z", "a"]
