"""Images with several labels through the whole chain: a table in, an export out."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras import pipeline
from tl_keras.errors import UsageError
from tl_keras.summary import print_summary

SEVERAL = {"outputs": "multi_label"}
# The network's weights are random: all of them have to learn.
ALL_LAYERS = {
    "unfreeze": "all",
    "epochs": 20,
    "patience": 20,
    "learning_rate": 0.02,
    "batch_size": 8,
    "mixup": 0.0,
    "label_smoothing": 0.0,
}
COLOURS = {"red": 0, "green": 1, "blue": 2}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of noise in which each label brightens one channel."""
    folder = tmp_path_factory.mktemp("several")
    random = np.random.default_rng(0)
    lines = ["path,labels"]
    for number in range(140):
        chosen = [name for bit, name in enumerate(COLOURS) if number % 7 + 1 >> bit & 1]
        pixels = random.normal(60, 20, (32, 32, 3))
        pixels[..., [COLOURS[name] for name in chosen]] += 130
        pixels = np.clip(pixels, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'|'.join(chosen)}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def several(table, tmp_path_factory):
    """A run on the table."""
    folder = tmp_path_factory.mktemp("runs")
    return pipeline.train(
        table,
        name="several",
        runs=folder,
        head=SEVERAL,
        data={
            "cache_dir": str(folder / "cache"),
            "classes": ["red", "green", "blue"],
            "test": 0.2,
        },
        backbone={"name": "tiny", "weights": None, "image_size": 32},
        head_phase={"learning_rate": 0.05, "epochs": 30, "batch_size": 8},
        fine_tune=ALL_LAYERS,
    )


@pytest.fixture(scope="module")
def export(several, tmp_path_factory):
    """The run's export, opened as a stranger would."""
    return tl.load(several.export(tmp_path_factory.mktemp("export")).path)


def test_several_labels_and_another_head_are_refused(table, config, tmp_path):
    with pytest.raises(UsageError, match="`head.outputs` must be multi_label"):
        pipeline.train(table, config=config, runs=tmp_path / "runs")


def test_network_from_random_weights_is_refused_for_several_labels(table, tmp_path):
    with pytest.raises(UsageError, match="`head.outputs` must be multi_class for a wh"):
        pipeline.train(table, head=SEVERAL, scratch="lenet5", runs=tmp_path / "runs")


@pytest.mark.slow
def test_labels_are_found_each_by_itself(several):
    assert several.metrics["micro_f1"] > 0.9


@pytest.mark.slow
def test_given_order_of_the_classes_is_that_of_the_figures(several):
    names = [row["class"] for row in several.metrics["per_class"]]
    assert names == ["red", "green", "blue"]


@pytest.mark.slow
def test_run_is_loaded_with_its_labels(several):
    again = tl.load(several.folder)
    assert again.manifest.multi_label
    assert again.class_names == ("red", "green", "blue")


@pytest.mark.slow
def test_predictions_name_every_label_above_a_half(several):
    with (several.folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = [set(r["label"].split("|")) == set(r["predicted"].split("|")) for r in rows]
    assert np.mean(right) == pytest.approx(several.metrics["accuracy"])


@pytest.mark.slow
def test_no_confusion_matrix_is_drawn(several):
    assert not (several.folder / "confusion_matrix.png").exists()


@pytest.mark.slow
def test_summary_shows_macro_and_micro_figures(several, capsys):
    print_summary(several)
    shown = capsys.readouterr().out
    assert "Macro F1" in shown and "Micro F1" in shown
    assert "confusion_matrix" not in shown


@pytest.mark.slow
def test_export_finds_the_labels_that_the_run_finds(several, export, table):
    expected = tl.evaluate(several, table)
    assert tl.evaluate(export, table)["accuracy"] == pytest.approx(expected["accuracy"])


@pytest.mark.slow
def test_export_predicts_the_labels_that_the_run_predicts(export, several, table):
    images = [table.parent / f"{number}.png" for number in range(7)]
    found, said = (
        [(one.label, *one.probabilities.values()) for one in exported.predict(images)]
        for exported in (export, several)
    )
    assert [label for label, *_ in found] == [label for label, *_ in said]
    assert len({label for label, *_ in found}) > 2
    for one, other in zip(found, said):
        np.testing.assert_allclose(one[1:], other[1:], atol=1e-5)


@pytest.mark.slow
def test_export_names_the_classes_in_the_given_order(export):
    assert (export.path / "labels.txt").read_text() == "red\ngreen\nblue\n"


def test_class_whose_name_would_be_two_labels_is_refused(squares, config):
    os.rename(squares / "red", squares / "red|round")
    with pytest.raises(UsageError, match=r"Received: 'red\|round'"):
        pipeline.train(squares, config=config.override(head=SEVERAL), runs=squares)
