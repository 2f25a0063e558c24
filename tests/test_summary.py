"""What a person sees of figures and predictions: names stay as they are."""

import io

import numpy as np
import pytest
from rich.console import Console

from tl_keras import summary
from tl_keras.evaluation import metrics, multi_label
from tl_keras.evaluation.decision import Decision
from tl_keras.evaluation.predictions import Prediction

# Names that rich would take for markup, and one for a link.
NAMES = ("[red]a", "b[/]", "[link=x]c")
LABELS = np.array([0, 1, 2, 0, 1, 2] * 4)
ROWS = np.eye(3)[np.where(np.arange(24) < 5, 1, LABELS)] * 0.7 + 0.1


def shown(figures):
    """Returns what is printed of figures, on a wide screen."""
    console = Console(file=io.StringIO(), width=200, highlight=False)
    summary.print_metrics(figures, console)
    return console.file.getvalue()


def compute(**decision):
    return metrics.compute(LABELS, ROWS, NAMES, decision=Decision(**decision))


@pytest.mark.parametrize("name", NAMES)
def test_class_names_are_no_markup(name):
    assert name in shown(compute())


def test_confused_pairs_are_shown():
    text = shown(compute())
    assert "Most confused" in text and "25.0%" in text


def test_figures_are_shown_with_their_intervals():
    text = shown(compute())
    for title in ("Balanced accuracy", "Macro F1", "ROC-AUC", "Cohen's kappa", "Loss"):
        (line,) = [
            line for line in text.splitlines() if title in line and " to " in line
        ]
        assert line


def test_calibration_error_is_shown_before_and_after():
    figures = compute(temperature=2.0)
    before, after = (figures["calibration"][name] for name in ("ece_before", "ece"))
    assert before != pytest.approx(after, abs=0.01)
    assert f"{before:.3f} → {after:.3f}" in shown(figures)


def test_coverage_is_shown_where_there_is_a_threshold():
    assert "Coverage" not in shown(compute())
    text = shown(compute(threshold=0.5))
    assert "100.0% of the images are answered" in text and "Accuracy of these" in text


def test_threshold_that_no_image_reaches_is_shown():
    text = shown(compute(threshold=1.0))
    assert "0.0% of the images" in text and "Accuracy of these" not in text


def test_warnings_are_shown():
    assert "warning: Fewer than 10 images are of '[red]a'" in shown(compute())


def test_figures_of_an_earlier_version_are_shown():
    old = ("images", "loss", "accuracy", "accuracy_interval", "top_3", "f1")
    figures = compute()
    rows = [
        {key: row[key] for key in ("class", "images", "precision", "recall", "f1")}
        for row in figures["per_class"]
    ]
    assert "Macro F1" in shown({key: figures[key] for key in old} | {"per_class": rows})


def test_figures_of_several_labels_are_shown():
    text = shown(multi_label.compute(np.eye(3)[LABELS], ROWS, NAMES))
    assert "Micro F1" in text and "Hamming loss" in text and "kappa" not in text


def predicted(known):
    return Prediction(
        path="[bold]x.png",
        label=NAMES[0],
        probability=0.6,
        probabilities=dict(zip(NAMES, (0.6, 0.3, 0.1))),
        known=known,
    )


def test_unknown_image_is_answered_by_dont_know_and_the_guesses(capsys):
    summary.print_predictions([predicted(False)], "table")
    text = capsys.readouterr().out
    assert "don't know" in text and "[red]a 0.60" in text.replace("\n", " ")


def test_known_image_is_answered_by_its_label(capsys):
    summary.print_predictions([predicted(True)], "table")
    text = capsys.readouterr().out
    assert "don't know" not in text and "[red]a" in text and "[bold]x.png" in text


@pytest.mark.parametrize(("shape", "said"), [("csv", ",false,"), ("json", "false")])
def test_unknown_image_is_none_for_programs_either(capsys, shape, said):
    summary.print_predictions([predicted(False)], shape)
    assert said in capsys.readouterr().out
