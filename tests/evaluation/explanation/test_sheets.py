"""Contact sheets: every picture in its place, names as they are and not too long."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tl_keras.evaluation.explanation import sheets
from tl_keras.evaluation.explanation.losses import Judged, TopLoss
from tl_keras.evaluation.explanation.neighbours import Neighbour, Wrong

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def one_colour(colour, side=12):
    return sheets.png(np.full((side, side, 3), colour, np.uint8))


def count(path, colour):
    """Returns how many cells of a sheet are filled with a colour."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return (pixels == colour).all(axis=-1).sum() / sheets.CELL**2


def judged(name="a.png", **changes):
    values = {"true": "cat", "predicted": "dog", "probability": 0.9, "loss": 2.0}
    return Judged(row=0, path=name, **{**values, **changes})


def top_loss(**changes):
    pictures = {"thumbnail": one_colour(RED), "overlay": one_colour(GREEN)}
    return TopLoss(judged=judged(**changes), explained="dog", **pictures)


@pytest.fixture
def written(monkeypatch):
    """The texts that are drawn, with the width they take and the sheet's."""
    texts = []
    text = ImageDraw.ImageDraw.text

    def noted(self, corner, words, ink, font):
        right = corner[0] + font.getlength(words)
        texts.append((words, right, self.im.size[0]))
        text(self, corner, words, ink, font)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    return texts


def test_cold_places_show_the_image_in_grey_and_hot_ones_the_colour():
    pixels = np.full((2, 2, 3), (200, 100, 0), np.uint8)
    found = sheets.overlay(pixels, np.array([[0.0, 1.0], [0.0, 0.5]], np.float32))
    assert found.dtype == np.uint8
    # Luma of ITU-R 601.
    grey = 0.299 * 200 + 0.587 * 100
    np.testing.assert_allclose(found[:, 0], grey, atol=1)
    hot = np.array(sheets.COLOURS(1.0)[:3]) * 255
    expected = hot * sheets.OPACITY + grey * (1 - sheets.OPACITY)
    np.testing.assert_allclose(found[0, 1], expected, atol=1)


def test_png_is_made_smaller_and_never_larger():
    pixels = np.zeros((40, 20, 3), np.uint8)
    sizes = [
        Image.open(io.BytesIO(sheets.png(pixels, longest))).size
        for longest in (10, 100, None)
    ]
    assert sizes == [(5, 10), (20, 40), (20, 40)]


@pytest.mark.parametrize("images", [1, 4, 5, 16])
def test_sheet_shows_each_image_beside_its_heat_map(tmp_path, images):
    path = tmp_path / "new" / "top.png"
    sheets.draw_top_losses([top_loss()] * images, path)
    assert (count(path, RED), count(path, GREEN)) == (images, images)


def test_sheet_shows_all_neighbours(tmp_path):
    near = Neighbour(path="b", label="dog", distance=0.1, thumbnail=one_colour(BLUE))
    one = Wrong(
        judged=judged(),
        thumbnail=one_colour(RED),
        neighbours=5 * (near,),
        sure=True,
    )
    sheets.draw_neighbours([one, one], tmp_path / "near.png")
    assert count(tmp_path / "near.png", RED) == 2
    assert count(tmp_path / "near.png", BLUE) == 10


def test_name_is_no_markup(tmp_path, written):
    name = r"$\frac{1}{2}$ [red]<b>.png"
    sheets.draw_top_losses([top_loss(name=name)], tmp_path / "top.png")
    assert any(words.startswith(name) for words, *_ in written)


def test_control_characters_are_shown(tmp_path, written):
    sheets.draw_top_losses([top_loss(true="a\n\x1b\u202eb")], tmp_path / "top.png")
    assert "true: a\\n\\x1b\\u202eb" in [words for words, *_ in written]


@pytest.mark.parametrize("letters", [300, 200_000])
def test_long_name_is_cut_and_stays_on_the_sheet(tmp_path, written, letters):
    long = top_loss(name="x" * letters, true="W" * letters, predicted="l" * letters)
    sheets.draw_top_losses([long], tmp_path / "top.png")
    assert sum(words.endswith("…") for words, *_ in written) >= 3
    assert all(right <= width for _, right, width in written)


def test_image_without_a_class_is_said_to_have_none(tmp_path, written):
    sheets.draw_top_losses([top_loss(true="")], tmp_path / "top.png")
    assert "true: no class" in [words for words, *_ in written]
