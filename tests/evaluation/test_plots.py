"""Pictures of a result: written whatever the figures are, and of a readable size."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tl_keras.evaluation import metrics, multi_label, plots
from tl_keras.evaluation.decision import Decision

LABELS = np.array([0, 1, 2, 0, 1])
ROWS = np.eye(3)[[0, 1, 1, 0, 1]] * 0.7 + 0.1
NAMES = ("a", "b", "c")


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws a picture, and returns the figure behind it and the file."""
    figures = []

    class Kept(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures.append(self)

    monkeypatch.setattr(plots, "Figure", Kept)

    def call(draw, *values):
        path = tmp_path / "picture.png"
        draw(*values, path)
        return figures[-1], path

    return call


def many(classes):
    """Returns figures of many classes, five images each, and their names."""
    labels = np.arange(5 * classes) % classes
    names = tuple(f"class number {number}" for number in range(classes))
    rows = np.full((len(labels), classes), 0.1 / classes)
    rows[np.arange(len(labels)), labels] += 0.9
    return metrics.compute(labels, rows, names), names


@pytest.mark.parametrize("draw", [plots.reliability, plots.coverage])
@pytest.mark.parametrize(
    "decision",
    [Decision(), Decision(threshold=0.5, temperature=1.5), Decision(threshold=1.0)],
    ids=["none", "all known", "none known"],
)
def test_picture_is_light_and_not_empty(tmp_path, draw, decision):
    found = metrics.compute(LABELS, ROWS, NAMES, decision=decision)
    draw(found, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
    assert (tmp_path / "picture.png").stat().st_size < 60_000


def test_matrix_shows_shares_of_the_true_class_and_counts_of_images(drawn):
    found = metrics.compute(LABELS, ROWS, NAMES)
    figure, _ = drawn(plots.confusion_matrix, found, NAMES)
    axes = figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    # Across is predicted, down is true.
    assert shown == {(0, 0): "2", (1, 1): "2", (1, 2): "1"}
    for axis in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in axis] == list(NAMES)
    assert "0.800" in axes.get_title() and "5 images" in axes.get_title()


@pytest.mark.parametrize("classes", [61, 300])
def test_matrix_of_many_classes_names_some_and_stays_small(drawn, classes):
    figure, path = drawn(plots.confusion_matrix, *many(classes))
    labels = [one.get_text() for one in figure.axes[0].get_yticklabels()]
    assert 20 <= len(labels) <= 60 and labels[0] == "class number 0"
    step = int(labels[1].rsplit(" ", 1)[1])
    assert labels[2] == f"class number {2 * step}" and step > 1
    assert path.stat().st_size < 500_000
    with Image.open(path) as picture:
        assert max(picture.size) < 2600


def test_names_that_the_font_lacks_or_that_look_like_formulas_are_drawn(drawn):
    names = ("猫", "$x_", "two\nlines" + "w" * 80)
    found = metrics.compute(LABELS, ROWS, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, path = drawn(plots.confusion_matrix, found, names)
    last = figure.axes[0].get_yticklabels()[2].get_text()
    assert "\n" not in last and len(last) <= plots.LONGEST_NAME
    assert path.stat().st_size > 0


def test_reliability_shows_each_bin_where_it_lies(drawn):
    found = metrics.compute(LABELS, ROWS, NAMES)
    figure, _ = drawn(plots.reliability, found)
    upper, lower = figure.axes
    (bar,), (count,) = upper.patches, lower.patches
    assert bar.get_height() == pytest.approx(0.8) and count.get_height() == 5
    # 0.8 is the upper edge of the twelfth of fifteen bins.
    assert bar.get_x() + bar.get_width() / 2 == pytest.approx(11.5 / 15)
    assert upper.get_title() == "Calibration error 0.000"


def test_reliability_says_what_calibration_did(drawn):
    decision = Decision(temperature=2.0)
    found = metrics.compute(LABELS, ROWS, NAMES, decision=decision)
    figure, _ = drawn(plots.reliability, found)
    before = found["calibration"]["ece_before"]
    assert f"{before:.3f} before calibration" in figure.axes[0].get_title()


def test_coverage_marks_what_was_chosen(drawn):
    rows = ROWS.copy()
    rows[2] = (0.3, 0.4, 0.3)
    found = metrics.compute(LABELS, rows, NAMES, decision=Decision(threshold=0.5))
    figure, _ = drawn(plots.coverage, found)
    curve, chosen = figure.axes[0].lines
    assert curve.get_xydata().tolist() == [[1.0, 0.8], [0.8, 1.0]]
    assert chosen.get_xydata().tolist() == [[0.8, 1.0]]
    assert figure.axes[0].get_title() == "Chosen: 1.000 right of 80.0%"


def test_several_labels_an_image_are_drawn_too(drawn):
    targets = np.eye(3)[LABELS]
    found = multi_label.compute(targets, ROWS, NAMES)
    for draw in (plots.reliability, plots.coverage):
        assert drawn(draw, found)[1].stat().st_size > 0
