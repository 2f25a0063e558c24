"""The page of a run is made of its folder, whatever kind of run it is."""

import json
import re
import shutil
from dataclasses import fields, replace
from html import unescape

import pytest
from conftest import draw_squares, tiny_config

import tl_keras as tl
from tl_keras import explaining, pipeline, reporting
from tl_keras.budget.costs import Costs, Recipe
from tl_keras.budget.planning import Plan
from tl_keras.config import Config
from tl_keras.datasets.report import thumbnails
from tl_keras.errors import DataError, StorageError, UsageError
from tl_keras.evaluation import predictions
from tl_keras.run import load_run
from tl_keras.training.history import History


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the finished run, to change."""
    folder = tmp_path / "copy"
    shutil.copytree(trained.folder, folder)
    return load_run(folder)


def text_of(path):
    html = path.read_text(encoding="utf-8")
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def change(run, **config):
    """Changes what a run's config says, and nothing else."""
    run.settle(run.config.override(**config))


def test_run_ends_with_its_page(trained):
    assert trained.state.done[-1] == "report"
    said = text_of(trained.folder / reporting.REPORT)
    assert "The classifier is right on 100 % of" in said


def test_page_shows_what_was_trained(trained):
    found = reporting.of_run(trained).facts
    counts = trained.manifest.split("train").counts()
    assert found["Images"].startswith(f"{counts.total()} train, ")
    assert found["Classes"] == "3, multi-class"
    assert (found["Backbone"], found["Weights"]) == ("tiny", "random")
    assert found["Image size"] == "32 × 32 pixels, squash"
    assert "keras 3." in found["Versions"]


def test_page_has_the_worst_test_images_with_their_pictures(trained):
    found = reporting.of_run(trained).misses
    test = {row.path for row in trained.manifest.split("test").rows}
    assert {one.path for one in found} <= test and len(found) == min(24, len(test))
    assert all(one.picture.startswith("data:image/jpeg") for one in found)
    assert found[0].loss == max(one.loss for one in found)


def test_heat_map_is_shown_beside_its_own_image(trained):
    found = reporting.misses(trained, 3)
    assert all(one.overlay.startswith("data:image/jpeg;base64,") for one in found)
    said = predictions.load(trained.folder / "predictions.csv", trained.class_names)
    one = explaining.top_losses(trained, count=3, predicted=said)[1]
    assert found[1].path == one.judged.path
    assert found[1].overlay == thumbnails.of_png(one.overlay, side=reporting.SIDE)


def test_predictions_of_another_run_are_refused(copied):
    path = copied.folder / "predictions.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(StorageError, match="is of another run"):
        tl.report(copied)


def test_page_without_its_images_is_still_made(copied, capsys):
    state = replace(copied.state, root=str(copied.folder / "gone"))
    state.save(copied.folder / "state.json")
    said = text_of(tl.report(load_run(copied.folder)))
    assert "no picture" in said and "no heat maps" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["predictions.csv", "history.csv"])
def test_page_without_a_file_leaves_its_section_out(copied, name):
    (copied.folder / name).unlink()
    html = tl.report(copied).read_text()
    section = {"predictions.csv": "misses", "history.csv": "curves"}[name]
    assert f'<section id="{section}">' not in html


def test_damaged_file_is_refused_by_name(copied):
    (copied.folder / "predictions.csv").write_text("path\n")
    with pytest.raises(StorageError, match="predictions.csv cannot be read"):
        tl.report(copied)


def test_run_that_is_not_evaluated_is_sent_to_resume(copied):
    (copied.folder / "metrics.json").unlink()
    with pytest.raises(UsageError, match="finish it by `tl-keras resume"):
        tl.report(copied)


def test_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is no run folder"):
        tl.report(tmp_path)


def test_page_goes_where_it_is_wanted(copied, tmp_path):
    (copied.folder / reporting.REPORT).unlink()
    assert tl.report(copied.folder, tmp_path / "a.html") == tmp_path / "a.html"
    assert not (copied.folder / reporting.REPORT).exists()
    assert (tmp_path / "a.html").is_file()


def test_export_is_used_by_its_own_path(copied):
    state = replace(copied.state, export="saved models/squares/3")
    state.save(copied.folder / "state.json")
    said = text_of(tl.report(copied))
    assert "tl-keras predict 'saved models/squares/3' new.jpg" in said
    assert "/v1/models/squares:predict" in said


def test_run_without_an_export_tells_how_to_make_one(copied):
    said = text_of(tl.report(copied))
    assert f"run = tl.load({str(copied.folder)!r})" in said
    assert "run.export('saved_models/copy')" in said


def test_plan_of_a_time_budget_is_told(copied):
    recipe = Recipe(unfreeze=1, views=2, epochs=3)
    costs = Costs(**{field.name: 1 for field in fields(Costs)} | {"cuts": ()})
    plan = Plan(
        budget=300,
        spent=5,
        asked=recipe,
        chosen=recipe,
        planned=200,
        wanted=250,
        costs=costs,
    )
    plan.save(copied.folder)
    assert (
        reporting.of_run(copied)
        .facts["Time budget"]
        .startswith("5 min 00 s; planned 3 min 20 s, taken ")
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(scratch="lenet5"), "all layers trained, nothing frozen"),
        (dict(fine_tune={"epochs": 0}), "only the head trained"),
        (dict(fine_tune={"unfreeze": 0}), "only the head trained"),
        (
            dict(fine_tune={"unfreeze": 1}),
            "the backbone's last stage trained; the rest",
        ),
        (dict(fine_tune={"unfreeze": 2}), "the backbone's last 2 stages trained"),
        (dict(fine_tune={"unfreeze": 0.25}), "last 25 % of the backbone's blocks"),
        (dict(fine_tune={"unfreeze": "block3"}), "the backbone from block3 on trained"),
        (dict(fine_tune={"unfreeze": "all"}), "all of the backbone trained; nothing"),
        (dict(), "batch normalization frozen"),
    ],
)
def test_what_was_trained_is_told(changes, said):
    config = Config().override(fine_tune={"epochs": 3}).override(**changes)
    assert said in reporting.trained(config)


def test_batch_normalization_that_trains_is_not_called_frozen():
    config = Config().override(fine_tune={"epochs": 3, "train_batch_norm": True})
    assert "batch normalization" not in reporting.trained(config)


def test_network_from_random_weights_has_an_architecture_and_no_head(copied):
    change(copied, scratch="lenet5")
    # Its weights are another network's: no heat maps.
    (copied.folder / "predictions.csv").unlink()
    found = reporting.of_run(copied)
    assert found.facts["Architecture"] == "lenet5, from random weights"
    assert not {"Backbone", "Head"} & set(found.facts)
    assert "from random weights" in found.card["Model details"][0]


def test_run_without_validation_says_so(copied):
    epochs = [
        replace(one, val_loss=float("nan"), val_accuracy=float("nan"))
        for one in copied.history.epochs
    ]
    (copied.folder / "history.csv").unlink()
    history = History(copied.folder)
    for one in epochs:
        history = history.add(one)
    rows = (
        replace(row, split="train" if row.split == "validation" else row.split)
        for row in copied.manifest.rows
    )
    copied.manifest.with_rows(rows).save(copied.folder / "manifest.csv")
    said = text_of(tl.report(load_run(copied.folder)))
    assert "There were no validation images" in said and "– –" in said


def test_figures_of_a_newer_version_are_shown(copied):
    metrics = copied.metrics | {"kappa": 0.123, "warnings": ["Mind the gap."]}
    (copied.folder / "metrics.json").write_text(json.dumps(metrics))
    said = text_of(tl.report(copied))
    assert "Cohen's kappa" in said and "0.123" in said and "Mind the gap." in said


@pytest.mark.parametrize("outputs", ["binary", "multi_label"])
def test_other_outputs_have_a_page(tmp_path, outputs):
    colours = {"red": (220, 40, 40), "blue": (40, 60, 220)}
    run = pipeline.train(
        draw_squares(tmp_path / "squares", images=10, colours=colours),
        config=tiny_config(tmp_path / "cache"),
        name="run",
        runs=tmp_path / "runs",
        head={"outputs": outputs},
        head_phase={"epochs": 1},
        fine_tune={"epochs": 0},
    )
    html = (run.folder / reporting.REPORT).read_text()
    assert ('id="confusion"' in html) == (outputs == "binary")
    assert outputs.replace("_", "-") in html and 'id="misses"' in html


def test_page_that_cannot_be_drawn_does_not_lose_the_run(copied, monkeypatch, capsys):
    def fail(run):
        raise RuntimeError("no ink")

    state = replace(copied.state, done=copied.state.done[:-1])
    state.save(copied.folder / "state.json")
    monkeypatch.setattr(reporting, "report", fail)
    run = pipeline.resume(copied.folder)
    assert run.metrics["accuracy"] == 1.0 and "report" not in run.state.done
    shown = "".join(capsys.readouterr())
    assert "no ink" in shown and f"tl-keras resume {copied.folder}" in shown


def test_failed_step_is_told_in_plain_words(copied, capsys):
    def fail(run):
        raise DataError("no such image")

    pipeline._show(copied, "other", fail)
    said = " ".join(capsys.readouterr().err.split())
    assert "the step 'other' failed (no such image)" in said
    assert "other" not in copied.state.done
