"""The picture of a policy: the views of training, images of every class."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tl_keras.datasets import batches
from tl_keras.datasets.augmentation import preview
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.square import Square
from tl_keras.errors import UsageError

SIDE = 64
CELL = 2 * SIDE


@pytest.fixture(autouse=True)
def simple_decoder(monkeypatch):
    """Decodes PNG only; a new graph of the real decoder takes seconds."""

    def decode(content, square, only=""):
        image = tf.io.decode_png(content, channels=3)
        image = tf.image.resize(image, square.shape[:2])
        return tf.ensure_shape(tf.cast(image, tf.uint8), square.shape)

    monkeypatch.setattr(batches, "decode_and_resize", decode)
    batches._loader.cache_clear()
    yield
    batches._loader.cache_clear()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Ten pictures of class `10`, one of class `2`."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    rows = []
    for number, label in enumerate(["10"] * 10 + ["2"]):
        pixels = random.integers(0, 256, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        digest = f"{number:064x}"[::-1]
        rows.append(Row(path=f"{number}.png", label=label, pixels=digest))
    return Manifest(folder, tuple(rows))


def draw(pictures, path, **changes):
    """Draws three images with two views; returns the sheet's pixels."""
    options = {"policy": "light", "views": 2, "square": Square(side=SIDE), **changes}
    chosen = preview.choose(pictures, 3, seed=0)
    preview.draw(chosen, path, **options)
    return chosen, np.asarray(Image.open(path))


def cell(sheet, row, column):
    """Returns one image of the sheet in its own size."""
    left = preview.MARGIN + column * (CELL + preview.MARGIN)
    top = 2 * preview.LINE + row * (CELL + preview.MARGIN + preview.LINE)
    return sheet[top : top + CELL : 2, left : left + CELL : 2]


def test_sheet_holds_the_image_and_the_views_that_training_sees(pictures, tmp_path):
    chosen, sheet = draw(pictures, tmp_path / "grid.png", seed=4)
    for column in range(3):
        (expected,) = batches.images(
            chosen, Square(side=SIDE), 3, policy="light", view=column, seed=4
        )
        found = np.stack([cell(sheet, row, column) for row in range(3)])
        np.testing.assert_array_equal(found, expected)


def test_sheet_shows_no_mirror_images_where_there_are_none(pictures, tmp_path):
    chosen, sheet = draw(pictures, tmp_path / "grid.png", flip=False)
    (expected,) = batches.images(
        chosen, Square(side=SIDE), 3, policy="light", view=1, flip=False
    )
    found = np.stack([cell(sheet, row, 1) for row in range(3)])
    np.testing.assert_array_equal(found, expected)


def test_sheet_has_a_row_an_image_and_room_for_its_name(pictures, tmp_path):
    _, sheet = draw(pictures, tmp_path / "grid.png")
    gap = preview.MARGIN
    height = preview.LINE + 3 * (CELL + gap + preview.LINE) + gap
    assert sheet.shape == (height, 3 * (CELL + gap) + gap, 3)


def test_captions_are_written(pictures, tmp_path):
    _, sheet = draw(pictures, tmp_path / "grid.png")
    for top in (0, preview.LINE):
        caption = sheet[top : top + preview.LINE]
        assert caption.min() < 100 < caption.max()


def test_another_policy_has_another_caption(pictures, tmp_path):
    captions = {
        draw(pictures, tmp_path / f"{name}.png", policy=name)[1][:24].tobytes()
        for name in ("light", "none")
    }
    assert len(captions) == 2


def test_every_class_is_shown_before_any_class_is_shown_twice(pictures):
    for seed in range(10):
        chosen = preview.choose(pictures, 3, seed)
        assert [row.label for row in chosen.rows] == ["2", "10", "10"]


def test_another_seed_chooses_other_images(pictures):
    chosen = {preview.choose(pictures, 1, seed).rows for seed in range(10)}
    assert len(chosen) > 3


def test_fewer_images_than_asked_for_are_all_shown(pictures):
    assert len(preview.choose(pictures, 50, 0).rows) == 11


@pytest.mark.parametrize("name", ["grid.jpg", "grid", "folder.png"])
def test_only_a_png_file_can_be_written(pictures, tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="must be a file that ends in .png"):
        draw(pictures, tmp_path / name)


@pytest.mark.parametrize("change", [{"views": 0}, {"square": Square(side=0)}], ids=str)
def test_number_below_one_is_refused(pictures, tmp_path, change):
    with pytest.raises(UsageError, match="must be at least 1"):
        draw(pictures, tmp_path / "grid.png", **change)


def test_choice_of_no_images_is_refused(pictures):
    with pytest.raises(UsageError, match="`images` must be at least 1"):
        preview.choose(pictures, 0, 0)
