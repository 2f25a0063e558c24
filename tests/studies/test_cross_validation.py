"""Cross-validation: one extraction, folds as `train` would train them, resumption."""

import csv
import json

import numpy as np
import pytest

import tl_keras as tl
from tl_keras import pipeline, preparation
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import DataError, UsageError
from tl_keras.studies import cross_validation, parts, trainer
from tl_keras.studies.cross_validation import cross_validate, deal
from tl_keras.training.cache import passes
from tl_keras.training.cache.inputs import Images


@pytest.fixture
def config(config):
    """A quick config that does not look for the fastest engine."""
    return config.override(cache={"engine": "graph"})


@pytest.fixture
def cross(squares, config, tmp_path):
    """Cross-validates the squares with some settings changed."""

    def call(source=squares, name="study", **changes):
        chosen = {"config": config, "folds": 3, **changes}
        chosen["config"] = chosen["config"].override(
            fine_tune={"epochs": chosen.pop("epochs", 0)}
        )
        return cross_validate(source, name=name, runs=tmp_path / "runs", **chosen)

    return call


@pytest.fixture
def extracted(monkeypatch):
    """Number of images of each pass of the frozen part."""
    counts, steps = [], Images.steps

    def noted(self, shards, batch):
        counts.append(sum(len(places) for places in shards) * len(self.views))
        return steps(self, shards, batch)

    monkeypatch.setattr(Images, "steps", noted)
    return counts


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_table(manifest, path):
    """Writes a manifest as a table with its splits, for `train` to read."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for row in manifest.rows:
            split = "train" if row.split == "validation" else row.split
            writer.writerow([manifest.root / row.path, row.label, split])
    return path


def test_frozen_part_runs_once_on_each_image_whatever_the_folds(cross, extracted):
    cross(folds=4, repeats=2)
    assert extracted == [36]


def test_frozen_part_runs_once_on_each_view_with_fine_tuning(cross, extracted, config):
    cross(epochs=1, config=config.override(augment={"views": 2}), folds=2)
    assert extracted == [72]


def test_every_image_is_tested_once_a_repeat(cross, squares):
    found = cross(repeats=2)
    lines = table(found.folder / "out_of_fold.csv")
    assert len(lines) == 72
    for repeat in "12":
        paths = {line["path"] for line in lines if line["repeat"] == repeat}
        assert len(paths) == 36
    assert {line["fold"] for line in lines} == {"1", "2", "3"}
    assert list(lines[0])[:4] == ["path", "label", "predicted", "probability"]
    assert list(lines[0])[4:] == ["blue", "green", "red", "fold", "repeat"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="solved"),
        pytest.param({"head_phase": {"solver": "gradient", "epochs": 2}}, id="trained"),
        pytest.param({"fine_tune": {"epochs": 1}}, id="fine-tuned"),
        pytest.param(
            {"fine_tune": {"epochs": 1, "unfreeze": "all"}},
            id="all",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"scratch": {"name": "lenet5", "epochs": 1}},
            id="scratch",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_fold_is_what_train_makes_of_the_same_split(
    cross, squares, config, tmp_path, changes
):
    changes = {"fine_tune": {"epochs": 0}, **changes}
    chosen = config.override(cache={"dtype": "float32"}, **changes)
    found = cross(config=chosen, epochs=changes["fine_tune"]["epochs"])
    settled, manifest = preparation.checked(squares, chosen)
    # The second one: what the first did to the network must be undone.
    fold = list(deal(manifest, settled, 3, 1))[1]
    run = pipeline.train(
        as_table(fold.manifest, tmp_path / "fold.csv"),
        config=chosen,
        name="alone",
        runs=tmp_path / "runs",
    )
    alone = {
        str(run.manifest.root / line["path"]): line
        for line in table(run.folder / "predictions.csv")
    }
    lines = [
        line for line in table(found.folder / "out_of_fold.csv") if line["fold"] == "2"
    ]
    assert len(lines) == len(alone) == 12
    for line in lines:
        other = alone[str(squares / line["path"])]
        for name in ("blue", "green", "red"):
            assert float(line[name]) == pytest.approx(float(other[name]), abs=1e-4)


def test_figures_hold_mean_deviation_and_pooled_figures(cross):
    found = cross()
    written = json.loads((found.folder / "crossval.json").read_text())
    assert written == found.figures
    accuracies = [one["accuracy"] for one in written["results"]]
    assert len(accuracies) == 3
    assert written["mean"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert written["sd"]["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert [one["images"] for one in written["pooled"]] == [36]


def test_finished_folds_are_kept_where_it_was_stopped(cross, monkeypatch):
    trained, probabilities = [], trainer.Trainer.probabilities

    def stop_at_third(self, manifest, folder):
        trained.append(folder.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return probabilities(self, manifest, folder)

    monkeypatch.setattr(trainer.Trainer, "probabilities", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        cross()
    resumed = cross()
    assert trained == ["1-1", "1-2", "1-3", "1-3"]
    whole = cross(name="whole")
    for one, other in zip(resumed.figures["results"], whole.figures["results"]):
        assert one["accuracy"] == other["accuracy"] and one["loss"] == other["loss"]


def test_more_repeats_go_on_with_those_that_are_done(cross, monkeypatch):
    cross()
    trained, probabilities = [], trainer.Trainer.probabilities

    def noted(self, manifest, folder):
        trained.append(folder.name)
        return probabilities(self, manifest, folder)

    monkeypatch.setattr(trainer.Trainer, "probabilities", noted)
    assert len(cross(repeats=2).figures["results"]) == 6
    assert trained == ["2-1", "2-2", "2-3"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": 4}, "settings.folds"),
        ({"head": {"dropout": 0.5}}, "head.dropout"),
        ({"data": {"near_duplicates": False}}, "data.near_duplicates"),
    ],
)
def test_study_of_something_else_is_refused(cross, changes, said):
    cross()
    with pytest.raises(UsageError, match=f"other values of {said}: its"):
        cross(**changes)


def test_study_of_other_images_is_refused(cross, squares):
    cross()
    (squares / "red" / "0.png").unlink()
    with pytest.raises(UsageError, match="other values of the images"):
        cross()


def test_folder_that_is_no_study_is_refused(cross, tmp_path):
    (tmp_path / "runs" / "study").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no crossval. Choose another --name"):
        cross()


def test_damaged_part_is_named_with_the_cure(cross):
    found = cross()
    (found.folder / "folds" / "1-2" / parts.DONE).write_text("{")
    with pytest.raises(tl.TlKerasError, match="1-2/done.json cannot be read.*Remove"):
        cross()


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"folds": 1}, UsageError, "`folds` must be at least 2. Received: 1"),
        ({"folds": 13}, DataError, "has 12 different images: 13 folds need 13"),
        ({"repeats": 0}, UsageError, "`repeats` must be at least 1. Received: 0"),
        ({"time_budget": "5m"}, UsageError, "`time_budget` must be null"),
        ({"export": {"folder": "x"}}, UsageError, "`export.folder` must be null"),
    ],
)
def test_wrong_settings_are_refused(cross, tmp_path, changes, error, said):
    with pytest.raises(error, match=said):
        cross(**changes)
    assert not (tmp_path / "runs").exists()


def test_groups_stay_on_one_side(squares, config):
    config = config.override(data={"group_by": r"/[0-9]"})
    _, manifest = preparation.checked(squares, config)
    for fold in deal(manifest, config, 3, 2):
        sides = {}
        for row in fold.manifest.rows:
            sides.setdefault(row.group, set()).add(row.split)
        assert all(len(side) == 1 for side in sides.values())
        assert {row.split for row in fold.manifest.rows} >= {"train", "test"}


def test_splits_of_the_source_have_no_effect(cross, squares, tmp_path, capsys):
    _, manifest = preparation.checked(squares, tl.Config())
    rows = Manifest(manifest.root, manifest.rows).rows
    fold = next(iter(deal(manifest.with_rows(rows), tl.Config(), 3, 1)))
    found = cross(as_table(fold.manifest, tmp_path / "given.csv"), name="given")
    assert found.figures["pooled"][0]["images"] == 36
    said = capsys.readouterr().err
    assert "own splits have no effect" in said and "are taken" not in said


def test_nothing_is_kept_on_disk_where_the_config_says_so(cross, config, tmp_path):
    found = cross(config=config.override(cache={"store": "none"}))
    assert not (tmp_path / "cache" / "prefix").exists()
    kept = cross(name="kept").figures
    for name in ("accuracy", "loss"):
        assert found.figures["mean"][name] == pytest.approx(
            kept["mean"][name], abs=1e-4
        )


def test_images_with_several_labels_are_cross_validated(config, tmp_path, squares):
    path = tmp_path / "several.csv"
    lines = [
        f"{squares}/{name}/{number}.png,{name}{'|odd' if number % 2 else ''}"
        for name in ("red", "blue")
        for number in range(12)
    ]
    path.write_text("path,label\n" + "\n".join(lines) + "\n")
    found = cross_validate(
        path,
        config=config,
        folds=2,
        name="several",
        runs=tmp_path / "runs",
        head={"outputs": "multi_label"},
        head_phase={"epochs": 1},
    )
    assert found.suspects is None
    assert not (found.folder / cross_validation.LABEL_ERRORS).exists()
    assert found.figures["pooled"][0]["images"] == 24


def test_passes_are_not_repeated_for_a_second_study(cross, monkeypatch):
    cross()
    monkeypatch.setattr(passes, "run", None)
    cross(name="second", repeats=2)
