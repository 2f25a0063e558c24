"""Sheets of predictions."""

import io

import numpy as np
import pytest
from PIL import Image

from tl_keras.evaluation.board import examples
from tl_keras.evaluation.board.examples import CELL, LINE, MARGIN, RIGHT, WRONG, Example
from tl_keras.evaluation.explanation import sheets


def example(label="cat", predicted="cat", probability=0.5):
    return Example(
        path="a.png", label=label, predicted=predicted, probability=probability
    )


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def has(pixels, colour):
    return (np.abs(pixels.astype(int) - colour).sum(axis=-1) < 40).any()


def test_surest_wrong_ones_come_first():
    said = [example(probability=0.9), *(example("dog", "cat", p) for p in (0.6, 0.8))]
    assert examples.wrong_ones(said) == [2, 1]


def test_least_sure_right_ones_come_first():
    said = [example(probability=0.9), example(probability=0.4), example("dog")]
    assert examples.right_ones(said) == [1, 0]


def test_no_more_are_taken_than_a_sheet_holds():
    assert len(examples.right_ones([example()] * 99)) == examples.MOST


def test_images_stand_side_by_side_then_below():
    pixels = [np.full((8, 8, 3), 20 * place, np.uint8) for place in range(4)]
    sheet = opened(examples.grid(pixels, [example()] * 4))
    for place in range(4):
        row, column = divmod(place, examples.COLUMNS)
        top = MARGIN + row * (CELL + 2 * LINE + MARGIN)
        left = MARGIN + column * (CELL + MARGIN)
        cell = sheet[top : top + CELL, left : left + CELL]
        assert (cell == 20 * place).all()


def test_right_and_wrong_are_told_by_colour():
    blank = np.full((8, 8, 3), 255, np.uint8)
    right = opened(examples.grid([blank], [example()]))
    wrong = opened(examples.grid([blank], [example("dog")]))
    assert has(right, RIGHT) and not has(right, WRONG)
    assert has(wrong, WRONG) and not has(wrong, RIGHT)


def test_long_name_stays_below_its_image():
    blank = np.full((8, 8, 3), 255, np.uint8)
    long = example("W" * 200, "W" * 200)
    sheet = opened(examples.grid([blank], [long]))
    assert sheet.shape[1] == CELL + 2 * MARGIN
    assert (sheet[:, -MARGIN + 2 :] == 255).all()


@pytest.mark.parametrize("one, other", [("Кот", "Дом"), ("é", "ž"), ("√", "≠")])
def test_names_in_other_letters_can_be_told_apart(one, other):
    blank = np.zeros((8, 8, 3), np.uint8)
    first, second = (
        examples.grid([blank], [example(name, name)]) for name in (one, other)
    )
    assert not np.array_equal(opened(first), opened(second))


def test_wrong_sign_is_one_that_the_font_has():
    unknown = examples.readable(examples.FONT_SIZE).getmask("\U0010fffd")
    sign = examples.readable(examples.FONT_SIZE).getmask("\u2260")
    assert bytes(sign) != bytes(unknown)


def test_huge_name_is_cut_before_it_is_measured(monkeypatch):
    measured = []

    def font(size):
        made = sheets.readable(size)
        length = made.getlength
        made.getlength = lambda text: measured.append(len(text)) or length(text)
        return made

    monkeypatch.setattr(examples, "readable", font)
    examples.grid([np.zeros((8, 8, 3), np.uint8)], [example("W" * 10_000)])
    assert max(measured) <= CELL + len("…") + 1
