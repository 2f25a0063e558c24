"""Two models on the same images: matching, what is left out, and what is said."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from tl_keras.cli import main
from tl_keras.errors import DataError, UsageError
from tl_keras.run import Run
from tl_keras.studies.comparison import compare, sentence


@pytest.fixture
def other(trained, tmp_path):
    """Makes a copy of the trained run with some rows of its manifest changed."""

    def make(change=lambda row: row, name="other"):
        folder = tmp_path / name
        shutil.copytree(trained.folder, folder)
        manifest = trained.manifest
        changed = manifest.with_rows(change(row) for row in manifest.rows)
        changed.save(folder / "manifest.csv")
        return Run(folder)

    return make


def wrong_on(run, count):
    """Makes a run say the wrong class of the first images that it is asked of."""

    class Wrong(Run):
        def probabilities(self, manifest):
            found = np.array(super().probabilities(manifest))
            found[:count] = np.roll(found[:count], 1, axis=1)
            return found

    return Wrong(run.folder)


def test_same_run_cannot_be_told_apart_from_itself(trained, other):
    found = compare(trained, other())
    assert found["better"] is None and found["difference"] == 0
    assert found["images"] == len(trained.manifest.split("test").rows)
    assert found["left_out"] == {}
    assert "cannot be told apart" in sentence(found)


def test_images_are_matched_by_their_files_not_by_their_names(trained, other):
    rows = iter(trained.manifest.split("test").rows)
    first = next(rows).path

    def rename(row):
        copied = trained.manifest.root / row.path
        return dataclasses.replace(row, path=str(copied)) if row.path != first else row

    assert compare(trained, other(rename))["left_out"] == {}


def test_counts_come_from_both_models_answers(trained, other):
    found = compare(trained, wrong_on(other(), 6))
    images = found["images"]
    assert found["pairs"] == {
        "both": images - 6,
        "only_a": 6,
        "only_b": 0,
        "neither": 0,
    }
    assert found["better"] == "a"
    assert sentence(found).startswith("A is better by")


def test_image_that_the_other_run_was_trained_on_is_left_out(trained, other):
    chosen = {row.path for row in trained.manifest.split("test").rows[:2]}

    def trains(row):
        return dataclasses.replace(row, split="train") if row.path in chosen else row

    found = compare(trained, other(trains))
    assert found["left_out"] == {"of A's test that B was trained on": 2}
    assert found["images"] == len(trained.manifest.split("test").rows) - 2
    turned = compare(other(trains, "third"), trained)
    assert turned["left_out"] == {"of B's test that A was trained on": 2}


def test_equal_pixels_in_another_file_count_as_trained_on(trained, other):
    test = trained.manifest.split("test").rows[0]
    train = trained.manifest.split("train").rows[0].path

    def copies(row):
        if row.path != train:
            return row
        return dataclasses.replace(row, pixels=test.pixels)

    left_out = compare(trained, other(copies))["left_out"]
    assert left_out == {"of A's test that B was trained on": 1}


def test_image_with_another_label_is_left_out(trained, other):
    chosen = trained.manifest.split("test").rows[0]
    label = "red" if chosen.label != "red" else "blue"

    def relabel(row):
        return dataclasses.replace(row, label=label) if row == chosen else row

    left_out = compare(trained, other(relabel))["left_out"]
    assert left_out == {"that have another label in the other run": 1}


def test_image_that_only_one_run_tests_is_left_out(trained, other):
    chosen = trained.manifest.split("test").rows[0].path

    def drop(row):
        return dataclasses.replace(row, split="unused") if row.path == chosen else row

    left_out = compare(trained, other(drop))["left_out"]
    assert left_out == {"of A's test that B does not test": 1}


def test_runs_without_a_common_test_image_are_refused(trained, other):
    def turn(row):
        turned = {"test": "train", "train": "test"}
        return dataclasses.replace(row, split=turned.get(row.split, row.split))

    with pytest.raises(DataError, match="no test image in common.*give a SOURCE"):
        compare(trained, other(turn))


def test_export_needs_a_source(trained, tmp_path):
    export = trained.export(tmp_path / "export")
    with pytest.raises(UsageError, match="no test images of its own: give a SOURCE"):
        compare(trained, export)


def test_source_is_used_without_what_was_trained_on(trained, other, tmp_path, capsys):
    found = compare(trained, other(), trained.manifest.root)
    assert found["images"] == len(trained.manifest.split("test").rows)
    seen = 60 - found["images"]
    assert found["left_out"] == {"that A was trained on": seen}
    assert f"Left out: {seen} images that A was trained on" in capsys.readouterr().err


def test_source_of_training_images_alone_is_refused(trained, other, tmp_path):
    for row in trained.manifest.split("train").rows:
        target = tmp_path / "train" / row.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(trained.manifest.root / row.path, target)
    with pytest.raises(DataError, match="were trained on by A or B"):
        compare(trained, other(), tmp_path / "train")


def test_command_prints_the_table_and_the_sentence(trained, other, capsys):
    assert main(["compare", str(trained.folder), str(other().folder)]) == 0
    printed = capsys.readouterr().out
    assert "A right" in printed and "cannot be told apart" in " ".join(printed.split())


def test_command_prints_json(trained, other, capsys):
    assert main(["compare", str(trained.folder), str(other().folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["p_value"] == 1.0 and found["a"] == str(trained.folder)


def test_what_is_no_model_is_refused_in_a_line(trained, capsys):
    assert main(["compare", str(trained.folder), "no/such/run"]) == 2
    said = capsys.readouterr().err
    assert "'no/such/run' is neither a run folder nor an export" in said
    assert said.count("\n") == 1


def test_predictions_that_are_no_numbers_are_refused(trained, other, monkeypatch):
    class Broken(Run):
        def probabilities(self, manifest):
            return np.full_like(super().probabilities(manifest), np.nan)

    with pytest.raises(DataError, match="image 0, class 0 is nan: it has to be finite"):
        compare(trained, Broken(other().folder))


def test_class_that_the_source_lacks_is_said(trained, other, tmp_path, capsys):
    for row in trained.manifest.split("test").rows:
        if row.label != "red":
            target = tmp_path / "new" / row.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(trained.manifest.root / row.path, target)
    compare(trained, other(), tmp_path / "new")
    said = capsys.readouterr().err
    assert "no image of the source is of 'red', which A knows" in said
