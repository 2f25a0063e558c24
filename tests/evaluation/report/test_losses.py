"""The greatest losses are read from `predictions.csv`, whatever the classes' names."""

import math
from pathlib import Path

import numpy as np
import pytest

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import StorageError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.report.losses import greatest

# A class may be called as a column is.
NAMES = ("path", "label", 'label,\n"x"')


@pytest.fixture
def saved(tmp_path):
    """Returns a function that saves predictions."""

    def save(labels, values, multi_label=False):
        rows = tuple(Row(path=f"{n}.png", label=one) for n, one in enumerate(labels))
        manifest = Manifest(Path(), rows, NAMES, multi_label)
        path = tmp_path / "predictions.csv"
        predictions.save(path, manifest, np.array(values), NAMES)
        return path

    return save


def test_worst_comes_first_with_its_cross_entropy(saved):
    path = saved(NAMES, [[0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.9, 0.05, 0.05]])
    worst, second = greatest(path, NAMES, 2)
    assert (worst.path, worst.true, worst.predicted) == ("2.png", NAMES[2], "path")
    assert worst.loss == pytest.approx(-math.log(0.05))
    assert (second.path, second.probability) == ("1.png", 0.5)


def test_loss_of_several_labels_is_the_mean_over_classes(saved):
    path = saved(["path|label"], [[0.5, 0.5, 0.5]], multi_label=True)
    (found,) = greatest(path, NAMES, 5, multi_label=True)
    assert found.loss == pytest.approx(math.log(2))


def test_image_without_any_label_has_a_loss(saved):
    path = saved([""], [[0.5, 0.0, 0.0]], multi_label=True)
    (found,) = greatest(path, NAMES, 5, multi_label=True)
    assert found.loss == pytest.approx(math.log(2) / 3) and found.true == ""


def test_order_of_the_labels_makes_no_answer_wrong(saved):
    values = [[0.9, 0.9, 0.1], [0.9, 0.1, 0.1]]
    path = saved(["label|path", "label|path"], values, multi_label=True)
    found = greatest(path, NAMES, 2, multi_label=True)
    assert [(one.path, one.wrong) for one in found] == [
        ("1.png", True),
        ("0.png", False),
    ]


def test_right_answer_is_not_called_wrong(saved):
    path = saved(["path", "label"], [[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    assert [one.wrong for one in greatest(path, NAMES, 2)] == [True, False]


def test_probability_of_0_has_a_finite_loss(saved):
    (found,) = greatest(saved(["path"], [[0.0, 1.0, 0.0]]), NAMES, 1)
    assert math.isfinite(found.loss)


@pytest.mark.parametrize("content", ["", "path,label\n", "x,y,z,p,a,b,c\n1,2,3\n"])
def test_file_of_something_else_is_refused_by_name(tmp_path, content):
    path = tmp_path / "predictions.csv"
    path.write_text(content)
    with pytest.raises(StorageError, match="predictions.csv cannot be read"):
        greatest(path, NAMES, 1)
