"""The learning curve: one extraction, nested draws, one test set, resumption."""

import json

import numpy as np
import pytest
from PIL import Image

from tl_keras.errors import DataError, UsageError
from tl_keras.studies import learning_curve as module
from tl_keras.studies import trainer, updates
from tl_keras.studies.learning_curve import learning_curve
from tl_keras.training.cache.inputs import Images


@pytest.fixture
def curve(squares, config, tmp_path):
    """Draws the curve of the squares with some settings changed."""

    def call(name="curve", **changes):
        chosen = {"sizes": [1, 3], "repeats": 2, "with_scratch": False, **changes}
        return learning_curve(
            squares,
            config=chosen.pop("config", config),
            name=name,
            runs=tmp_path / "runs",
            fine_tune={"epochs": 0},
            **chosen,
        )

    return call


@pytest.fixture
def splits(monkeypatch):
    """The manifests that are trained on, by the name of their folder."""
    noted, probabilities = {}, trainer.Trainer.probabilities

    def note(self, manifest, folder):
        noted[folder.name] = manifest
        return probabilities(self, manifest, folder)

    monkeypatch.setattr(trainer.Trainer, "probabilities", note)
    return noted


def paths(manifest, name):
    return {row.path for row in manifest.split(name).rows}


def test_frozen_part_runs_once_on_each_image(curve, monkeypatch):
    counts, steps = [], Images.steps

    def noted(self, shards, batch):
        counts.append(sum(len(places) for places in shards))
        return steps(self, shards, batch)

    monkeypatch.setattr(Images, "steps", noted)
    curve()
    assert counts == [36]


def test_every_training_has_the_same_test_and_as_many_images_as_it_says(curve, splits):
    curve()
    assert list(splits) == [
        f"transfer-{one}" for one in ("1-1", "1-2", "3-1", "3-2", "all-1")
    ]
    assert len({frozenset(paths(one, "test")) for one in splits.values()}) == 1
    for name, size in (("1-1", 1), ("3-2", 3)):
        counts = splits[f"transfer-{name}"].split("train").counts()
        assert set(counts.values()) == {size}


def test_larger_draws_hold_the_smaller_ones(curve, splits):
    curve()
    for draw in (1, 2):
        few, more = (splits[f"transfer-{size}-{draw}"] for size in (1, 3))
        assert paths(few, "train") < paths(more, "train")
    first, second = (splits[f"transfer-3-{draw}"] for draw in (1, 2))
    assert paths(first, "train") != paths(second, "train")


def test_figures_and_picture_are_written(curve):
    found = curve()
    written = json.loads((found.folder / "curve.json").read_text())
    assert written == found.figures
    assert [row["size"] for row in written["points"]] == [1, 3, "all"]
    for row in written["points"]:
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["interval"][0] <= row["mean"] <= row["interval"][1]
    assert written["points"][0]["mean"] == pytest.approx(
        np.mean(written["points"][0]["accuracies"])
    )
    assert written["gain"]["from"] == 3 and "test images" in written["answer"] + (
        "test images"
    )
    assert Image.open(found.folder / "curve.png").width > 500


def test_scratch_trains_the_same_images_at_its_own_size(curve, splits, capsys):
    scratch = {"name": "lenet5", "epochs": 1}
    found = curve(with_scratch=True, scratch=scratch, sizes=[2], repeats=1)
    assert list(splits) == [
        "transfer-2-1",
        "transfer-all-1",
        "lenet5-2-1",
        "lenet5-all-1",
    ]
    assert paths(splits["lenet5-2-1"], "train") == paths(
        splits["transfer-2-1"], "train"
    )
    ways = {row["way"]: row["network"] for row in found.figures["points"]}
    assert ways == {"transfer": "transfer", "scratch": "lenet5"}
    said = capsys.readouterr().err
    assert "2 trainings of lenet5, up to" in said and "scratch epoch" not in said


def test_finished_trainings_are_kept_where_it_was_stopped(curve, splits, monkeypatch):
    noted = trainer.Trainer.probabilities

    def stop(self, manifest, folder):
        if len(splits) == 3:
            raise KeyboardInterrupt
        return noted(self, manifest, folder)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "probabilities", stop)
        with pytest.raises(KeyboardInterrupt):
            curve()
    splits.clear()
    resumed = curve()
    assert list(splits) == ["transfer-3-2", "transfer-all-1"]
    whole = curve(name="whole").figures["points"]
    assert resumed.figures["points"] == whole


def test_more_draws_go_on_with_those_that_are_done(curve, splits):
    curve()
    splits.clear()
    curve(repeats=3)
    assert list(splits) == ["transfer-1-3", "transfer-3-3"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repeats": 0}, "`repeats` must be at least 1. Received: 0"),
        ({"sizes": [0]}, "`sizes` must be between 1 and"),
        ({"sizes": [2, 500]}, "the training images of class '.*Received: 500"),
        ({"sizes": []}, "`sizes` must be one number at least"),
        ({"data": {"few_shot": 3}}, "`data.few_shot` must be null"),
        ({"scratch": "lenet", "with_scratch": True}, "Did you mean 'lenet5'"),
        ({"time_budget": "5m"}, "`time_budget` must be null"),
    ],
)
def test_wrong_settings_are_refused(curve, tmp_path, changes, said):
    with pytest.raises(UsageError, match=said):
        curve(**changes)
    assert not (tmp_path / "runs").exists()


def test_usual_numbers_end_below_the_smallest_class(curve):
    found = curve(sizes=None, repeats=1)
    assert [row["size"] for row in found.figures["points"]] == [5, "all"]
    assert module.STEPS == (5, 10, 20)


@pytest.mark.parametrize(
    ("images", "batch", "epochs"), [(45, 8, 120), (90, 11, 75), (1000, 32, 30)]
)
def test_few_images_get_enough_updates(config, images, batch, epochs):
    found = updates.enough(config, images).scratch
    assert (found.batch_size, found.epochs) == (batch, epochs)
    assert found.patience == round(15 * epochs / 30)


def test_predictions_that_are_no_numbers_are_refused(curve, monkeypatch):
    probabilities = trainer.Trainer.probabilities

    def broken(self, manifest, folder):
        return np.full_like(probabilities(self, manifest, folder), np.nan)

    monkeypatch.setattr(trainer.Trainer, "probabilities", broken)
    with pytest.raises(DataError, match="image 0, class 0 is nan: it has to be finite"):
        curve(sizes=[1], repeats=1)
