"""The projector's files: one line a point, one picture a point."""

import csv

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig

from tl_keras.evaluation.board import projection
from tl_keras.evaluation.board.examples import Example


def said(total, label="cat", path="a.png"):
    one = Example(path=path, label=label, predicted="dog", probability=0.25)
    return [one] * total


def write(folder, total=5, width=8, side=4, **names):
    random = np.random.default_rng(0)
    features = random.normal(size=(total, width))
    thumbnails = random.integers(0, 256, (total, side, side, 3)).astype(np.uint8)
    projection.write(folder, features, said(total, **names), thumbnails)
    return features, thumbnails


def points(folder):
    return np.loadtxt(folder / projection.FEATURES, delimiter="\t", ndmin=2)


def lines(folder):
    text = (folder / projection.METADATA).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


def test_few_features_are_written_as_they_are(tmp_path):
    features, _ = write(tmp_path)
    np.testing.assert_allclose(points(tmp_path), features, rtol=1e-4)


def test_many_features_are_written_as_principal_components(tmp_path):
    write(tmp_path, total=100, width=1280)
    assert points(tmp_path).shape == (100, projection.MOST_DIMENSIONS)


def test_components_keep_distances_where_they_hold_all_there_is():
    random = np.random.default_rng(0)
    flat = random.normal(size=(30, 5)) @ random.normal(size=(5, 200))
    found = projection.components(flat)
    distance = np.linalg.norm(flat[0] - flat[1])
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(distance)


@pytest.mark.parametrize(("total", "width"), [(1, 1280), (3, 1), (2, 1280)])
def test_smallest_sets_have_two_dimensions_at_least(tmp_path, total, width):
    write(tmp_path, total=total, width=width)
    found = points(tmp_path)
    assert found.shape[0] == total and found.shape[1] >= 2


def test_each_point_has_its_line(tmp_path):
    write(tmp_path)
    found = lines(tmp_path)
    assert found[0] == list(projection.COLUMNS) and len(found) == 6
    assert found[1] == ["cat", "dog", "wrong", "0.2500", "a.png"]


def test_tabs_and_line_ends_in_names_break_no_line(tmp_path):
    write(tmp_path, label="a\tb\r\nc", path="d\n\te.png")
    found = lines(tmp_path)
    assert {len(line) for line in found} == {len(projection.COLUMNS)}
    assert (found[1][0], found[1][4]) == (r"a\tb\r\nc", r"d\n\te.png")
    with (tmp_path / projection.METADATA).open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file, delimiter="\t"))) == 6


def test_pictures_stand_in_a_square_row_by_row(tmp_path):
    _, thumbnails = write(tmp_path)
    sheet = np.asarray(Image.open(tmp_path / projection.SPRITE))
    assert sheet.shape == (12, 12, 3)
    np.testing.assert_array_equal(sheet[4:8, :4], thumbnails[3])


def test_sprite_that_browsers_refuse_is_refused():
    huge = np.zeros((1, 1, 1, 3), np.uint8)
    with pytest.raises(ValueError, match="8192"):
        projection.sprite(np.broadcast_to(huge, (2000, 200, 200, 3)))


def test_the_most_images_make_a_sprite_that_browsers_take():
    one = np.zeros((1, 1, 1, 3), np.uint8)
    side = projection.THUMBNAIL
    most = np.broadcast_to(one, (projection.MOST_IMAGES, side, side, 3))
    assert projection.sprite(most).width <= projection.LARGEST_SPRITE


def test_config_names_the_files_and_their_shapes(tmp_path):
    write(tmp_path)
    text = (tmp_path / "projector_config.pbtxt").read_text()
    (found,) = text_format.Parse(text, ProjectorConfig()).embeddings
    assert list(found.tensor_shape) == [5, 8]
    assert list(found.sprite.single_image_dim) == [4, 4]
    for name in (found.tensor_path, found.metadata_path, found.sprite.image_path):
        assert (tmp_path / name).is_file()


def test_thumbnail_is_small_whatever_the_image():
    assert projection.thumbnail(np.zeros((224, 224, 3), np.uint8)).shape == (64, 64, 3)
    assert projection.thumbnail(np.zeros((28, 28, 3), np.uint8)).shape == (28, 28, 3)
