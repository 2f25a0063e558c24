"""The whole chain on a small network: coloured squares in, a run folder out."""

import csv
import dataclasses
import json
import random
import shutil

import event_reader
import numpy as np
import pytest
from conftest import COLOURS, draw_squares

import tl_keras as tl
from tl_keras import pipeline, preparation
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import DataError, StorageError, UsageError
from tl_keras.training import phases
from tl_keras.training.cache.prefix import PrefixCache


@pytest.fixture
def train(squares, config, tmp_path):
    """Trains on the squares with some fields of the config changed."""

    def call(source=squares, name="run", overwrite=False, **changes):
        return pipeline.train(
            source,
            config=config,
            name=name,
            runs=tmp_path / "runs",
            overwrite=overwrite,
            **changes,
        )

    return call


def test_coloured_squares_are_told_apart(trained):
    assert trained.metrics["accuracy"] == 1.0


@pytest.mark.slow
def test_shuffled_labels_are_not_learned(train, squares, tmp_path):
    pictures = sorted(squares.rglob("*.png"))
    random.Random(0).shuffle(pictures)
    for index, path in enumerate(pictures):
        folder = tmp_path / "shuffled" / "abc"[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{index}.png")
    assert train(tmp_path / "shuffled").metrics["accuracy"] < 0.9


def test_run_folder_holds_what_the_design_says(trained):
    found = {path.name for path in trained.folder.iterdir()}
    assert found == {
        "config.yaml",
        "manifest.csv",
        "state.json",
        "history.csv",
        "metrics.json",
        "reliability.png",
        "abstention.png",
        "predictions.csv",
        "confusion_matrix.png",
        "model.weights.h5",
        "report.html",
        "logs",
    }


@pytest.mark.slow
def test_test_images_take_no_part_in_training(train, monkeypatch):
    """Training must not so much as decode them."""
    seen = []
    read = PrefixCache.read

    def noted(self, manifest, *args, **kwargs):
        seen.extend(row.split for row in manifest.rows)
        return read(self, manifest, *args, **kwargs)

    monkeypatch.setattr(PrefixCache, "read", noted)
    train()
    assert set(seen) == {"train", "validation"}


def test_predictions_cover_the_test_split_and_nothing_else(trained):
    with (trained.folder / "predictions.csv").open() as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert paths == [row.path for row in trained.manifest.split("test").rows]


def test_config_of_a_run_starts_the_same_run(trained):
    again = tl.Config.from_yaml(trained.folder / "config.yaml")
    assert again == trained.config


@pytest.mark.slow
def test_two_runs_of_one_config_deal_the_images_alike(train):
    assert train(name="a").manifest == train(name="b").manifest


@pytest.mark.slow
def test_tensorboard_has_one_epoch_axis_for_both_phases(train):
    run = train(head_phase={"solver": "gradient", "epochs": 2})
    steps = event_reader.steps(run.folder / "logs" / "train", "epoch_loss")
    assert steps == [1, 2, 3, 4]


@pytest.mark.slow
def test_existing_run_folder_is_refused(train):
    train()
    with pytest.raises(UsageError, match="--overwrite"):
        train()


@pytest.mark.slow
def test_overwrite_replaces_the_run(train):
    train()
    assert train(overwrite=True, seed=3).config.seed == 3


@pytest.mark.slow
def test_failed_overwrite_keeps_the_old_run(train, tmp_path):
    old = train()
    before = old.metrics
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(DataError):
        train(tmp_path / "empty", overwrite=True)
    assert old.metrics == before


def test_unnamed_runs_get_names_of_their_own(squares):
    assert preparation.default_name(squares).startswith("squares-")


def test_unreadable_file_is_refused_by_name(train, squares):
    (squares / "red" / "broken.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"red/broken\.jpg: not an image"):
        train()


@pytest.mark.slow
def test_skipped_file_is_not_in_the_manifest(train, squares):
    (squares / "red" / "broken.jpg").write_text("no image")
    run = train(data={"bad_files": "skip"})
    assert "red/broken.jpg" not in {row.path for row in run.manifest.rows}


def test_too_many_stages_to_unfreeze_are_refused_before_a_run_is_made(train, tmp_path):
    with pytest.raises(UsageError, match="0 to 3 stages for tiny"):
        train(fine_tune={"unfreeze": 4})
    assert not (tmp_path / "runs").exists()


def test_missing_block_to_unfreeze_is_refused_before_a_run_is_made(train, tmp_path):
    with pytest.raises(UsageError, match="no block or layer 'block9'"):
        train(fine_tune={"unfreeze": "block9"})
    assert not (tmp_path / "runs").exists()


def test_binary_head_for_three_classes_is_refused_before_a_run_is_made(train, tmp_path):
    with pytest.raises(UsageError, match="for 3 classes: binary is for two"):
        train(head={"outputs": "binary"})
    assert not (tmp_path / "runs").exists()


HEADS = {
    "gem": {"pooling": "gem", "hidden": [16], "batch_norm": True},
    "conv": {"conv_filters": 6, "conv_kernel_size": 3, "outputs": "multi_label"},
    "mlp": {"hidden": [12], "batch_norm": True, "outputs": "binary"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_every_kind_of_head_is_trained_loaded_and_exported(train, tmp_path, name):
    # Binary is for two classes.
    colours = {key: COLOURS[key] for key in list(COLOURS)[name == "mlp" :]}
    many = draw_squares(tmp_path / "many", images=40, colours=colours)
    head_phase = {"learning_rate": 0.03, "epochs": 20, "patience": 20, "batch_size": 8}
    run = train(many, head=HEADS[name], head_phase=head_phase)
    test = run.manifest.split("test")
    expected = run.probabilities(test)
    # The figures of a multi-label run ask for all labels; here there is one each.
    truth = [run.class_names.index(row.label) for row in test.rows]
    assert (expected.argmax(axis=1) == truth).mean() > 0.8
    again = tl.load(run.folder).probabilities(test)
    np.testing.assert_allclose(again, expected, atol=1e-6)
    export = run.export(tmp_path / "export")
    np.testing.assert_allclose(export.probabilities(test), expected, atol=1e-5)
    files = [many / colour / "0.png" for colour in colours]
    labels = [one.label for one in export.predict(files)]
    assert labels == [one.label for one in run.predict(files)]
    assert len(set(labels)) > 1


@pytest.mark.slow
def test_head_alone_is_a_run_too(train):
    run = train(fine_tune={"unfreeze": 0})
    assert [epoch.phase for epoch in run.history.epochs] == ["head"]


def test_folder_without_permission_is_named(train, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        train()


class Killed(BaseException):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["train_head", "fine_tune"])
def test_killed_run_resumes_to_the_same_result(train, monkeypatch, phase):
    whole = train(name="whole")
    with monkeypatch.context() as patch:

        def kill(*args):
            raise Killed

        patch.setattr(phases, phase, kill)
        with pytest.raises(Killed):
            train(name="killed")
    resumed = tl.resume(whole.folder.parent / "killed")
    assert resumed.metrics == whole.metrics


def test_finished_run_is_loaded_with_its_weights(trained, red):
    (expected,) = trained.predict([red])
    (found,) = tl.load(trained.folder).predict([red])
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_evaluation_of_unknown_classes_is_refused(trained, squares):
    (squares / "red").rename(squares / "purple")
    with pytest.raises(DataError, match="does not know: purple"):
        tl.evaluate(trained, squares)


def test_evaluation_takes_every_image(trained, squares):
    found = tl.evaluate(trained, squares)
    assert np.sum(found["confusion_matrix"]) == 36


def test_manifest_survives_the_run_folder(trained):
    path = trained.folder / "manifest.csv"
    assert Manifest.load(path, trained.manifest.root) == trained.manifest


def test_damaged_state_is_named(trained, tmp_path):
    copy = shutil.copytree(trained.folder, tmp_path / "copy")
    (copy / "state.json").write_text("{")
    with pytest.raises(StorageError, match="state.json cannot be read"):
        tl.resume(copy)


def test_metrics_are_plain_json(trained):
    text = (trained.folder / "metrics.json").read_text()
    assert json.loads(text)["images"] >= 3


@pytest.fixture(scope="module")
def from_scratch(tmp_path_factory):
    """A network trained from random weights, and its export."""
    folder = tmp_path_factory.mktemp("scratch")
    return pipeline.train(
        draw_squares(folder / "squares", images=30),
        scratch={"name": "lenet5", "epochs": 8, "batch_size": 8},
        augment={"policy": "none"},
        name="run",
        runs=folder / "runs",
    )


@pytest.mark.slow
def test_network_trained_from_random_weights_tells_squares_apart(from_scratch):
    assert from_scratch.metrics["accuracy"] >= 0.9


@pytest.mark.slow
def test_training_from_random_weights_has_one_phase_and_no_cache(from_scratch):
    assert {epoch.phase for epoch in from_scratch.history.epochs} == {"scratch"}
    assert from_scratch.state.done == ("scratch", "evaluate", "board", "report")


@pytest.mark.slow
def test_network_trained_from_random_weights_is_loaded_with_them(from_scratch):
    again = pipeline.load(from_scratch.folder)
    test = from_scratch.manifest.split("test")
    np.testing.assert_allclose(
        again.probabilities(test), from_scratch.probabilities(test), rtol=1e-5
    )


@pytest.mark.slow
def test_network_trained_from_random_weights_is_exported(from_scratch, tmp_path):
    export = from_scratch.export(tmp_path / "export")
    test = from_scratch.manifest.split("test")
    np.testing.assert_allclose(
        export.probabilities(test), from_scratch.probabilities(test), atol=1e-5
    )


def test_unknown_architecture_is_refused_before_the_images_are_checked(train):
    with pytest.raises(UsageError, match="Did you mean 'lenet5'"):
        train(scratch="lenet")


def test_run_that_is_not_finished_is_opened_with_a_warning(trained, tmp_path, capsys):
    pipeline.load(trained.folder)
    assert "not finished" not in capsys.readouterr().err
    folder = tmp_path / "stopped"
    shutil.copytree(trained.folder, folder)
    dataclasses.replace(trained.state, done=("head",)).save(folder / "state.json")
    pipeline.load(folder)
    assert f"go on with it by `tl-keras resume {folder}`" in capsys.readouterr().err
