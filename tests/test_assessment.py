"""Evaluation of runs and exports, with temperature and threshold, end to end."""

import csv
import json
import shutil

import numpy as np
import pytest
from conftest import COLOURS, draw_squares

import tl_keras as tl
from tl_keras import assessment
from tl_keras.errors import DataError, StorageError, UsageError
from tl_keras.evaluation.decision import Decision
from tl_keras.run import load_run


@pytest.fixture
def again(trained, tmp_path):
    """Evaluates a copy of the trained run by a config with another `evaluation`."""

    def call(data=(), **evaluation):
        folder = shutil.copytree(trained.folder, tmp_path / "copy")
        (folder / "metrics.json").unlink()
        run = load_run(folder)
        run.settle(run.config.override(evaluation=evaluation, data=dict(data)))
        assessment.assess(run)
        return run

    return call


@pytest.fixture
def few(monkeypatch):
    """Lets the few validation images of the trained run suffice."""
    monkeypatch.setattr(assessment.calibration, "FEWEST", 3)
    monkeypatch.setattr(assessment.abstention, "FEWEST", 3)


def test_run_folder_holds_the_pictures_and_no_decision(trained):
    found = {path.name for path in trained.folder.iterdir()}
    assert {"reliability.png", "abstention.png"} <= found
    assert "decision.json" not in found and trained.decision == Decision()


def test_calibrated_run_keeps_its_answers_and_says_both_errors(again, trained, few):
    run = again(calibrate=True)
    calibration = run.metrics["calibration"]
    assert run.metrics["accuracy"] == trained.metrics["accuracy"]
    assert calibration["temperature"] == run.decision.temperature != 1
    assert calibration["ece_before"] == pytest.approx(
        trained.metrics["calibration"]["ece"], abs=1e-4
    )


def test_temperature_is_in_what_the_run_predicts(again, trained, few):
    run = again(calibrate=True)
    (row,) = load_run(run.folder).predict(run.manifest.paths[:1])
    (plain,) = trained.predict(run.manifest.paths[:1])
    logits = np.log(list(plain.probabilities.values())) / run.decision.temperature
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(row.probabilities.values()) == pytest.approx(expected, rel=1e-3)


def test_second_evaluation_finds_the_same_temperature(again, few):
    run = again(calibrate=True)
    first = run.decision
    assessment.assess(run)
    assert run.decision.temperature == pytest.approx(first.temperature)


def test_too_few_validation_images_are_said_and_change_nothing(again, capsys):
    run = again(calibrate=True)
    assert run.decision == Decision()
    assert "too few to fit a temperature" in run.metrics["warnings"][0]
    assert "warning: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [{"calibrate": True}, {"calibrate": True, "min_confidence": 0.6}],
    ids=["temperature", "both"],
)
def test_without_validation_images_it_is_said_that_nothing_was_fitted(trained, asked):
    run = load_run(trained.folder)
    rows = [row for row in run.manifest.rows if row.split != "validation"]
    run.__dict__["manifest"] = run.manifest.with_rows(rows)
    run.__dict__["config"] = run.config.override(evaluation=asked)
    decision, doubts = assessment.decide(run)
    assert decision == Decision(threshold=asked.get("min_confidence"))
    assert len(doubts) == 1 and "no validation images" in doubts[0]


def test_model_that_gives_no_numbers_is_refused_before_anything_is_fitted(
    trained, tmp_path
):
    run = load_run(shutil.copytree(trained.folder, tmp_path / "copy"))
    run.settle(run.config.override(evaluation={"calibrate": True}))
    run.__dict__["logits"] = lambda manifest: np.full((len(manifest.rows), 3), np.nan)
    with pytest.raises(DataError, match="logit of image 0, class 0 is nan"):
        assessment.assess(run)
    assert not (run.folder / "decision.json").exists()


def test_run_in_which_nothing_is_trained_has_no_figures(trained, red, tmp_path):
    """Its head is random: what it says would look like an answer."""
    run = load_run(shutil.copytree(trained.folder, tmp_path / "copy"))
    (run.folder / "model.weights.h5").unlink()
    for work in (
        lambda: assessment.evaluate(run, trained.manifest.root),
        lambda: assessment.evaluate(run, trained.manifest.root, tta="flips"),
        lambda: run.predict([red]),
        lambda: run.export(tmp_path / "out"),
    ):
        with pytest.raises(UsageError, match="Nothing is trained in .*tl-keras resume"):
            work()


def test_run_that_is_not_evaluated_yet_says_so(trained, tmp_path):
    run = load_run(shutil.copytree(trained.folder, tmp_path / "copy"))
    (run.folder / "metrics.json").unlink()
    with pytest.raises(UsageError, match=r"no metrics.json yet.*tl-keras resume"):
        run.export(tmp_path / "out")
    (run.folder / "metrics.json").write_text("{")
    with pytest.raises(StorageError, match=r"metrics.json: JSONDecodeError"):
        _ = run.metrics


def test_given_threshold_is_that_of_the_run(again):
    run = again(min_confidence=0.999999)
    found = run.metrics["abstention"]
    assert found["threshold"] == run.decision.threshold == 0.999999
    assert found["coverage"] < 1


def test_chosen_threshold_is_written_down(again, few):
    run = again(target_accuracy=0.9)
    assert json.loads((run.folder / "decision.json").read_text()) == {
        "temperature": 1.0,
        "threshold": 0.0,
    }
    assert run.metrics["abstention"]["coverage"] == 1


def test_chosen_thresholds_go_by_class_name(again, few):
    assert set(again(target_accuracy=0.9, per_class=True).decision.threshold) == set(
        COLOURS
    )


def test_evaluation_knows_what_the_run_knows(again, trained):
    run = again(min_confidence=0.999999)
    found = assessment.evaluate(run, trained.manifest.root)
    known = [one.known for one in run.predict(trained.manifest.paths)]
    assert found["abstention"]["coverage"] == pytest.approx(np.mean(known))


def test_predictions_of_a_calibrated_run_have_the_usual_columns(again, few):
    run = again(calibrate=True)
    with (run.folder / "predictions.csv").open() as file:
        names = csv.DictReader(file).fieldnames
    assert names == ["path", "label", "predicted", "probability", *run.class_names]


def test_class_that_the_model_does_not_know_is_named_before_any_work(
    trained, squares, monkeypatch
):
    (squares / "red").rename(squares / "violet")
    monkeypatch.setattr(type(trained), "probabilities", None)
    with pytest.raises(DataError, match="does not know: violet. It knows: blue, green"):
        assessment.evaluate(trained, squares)


def test_class_that_the_images_lack_is_a_warning(trained, squares):
    shutil.rmtree(squares / "red")
    found = assessment.evaluate(trained, squares)
    assert "No image here is of 'red'" in found["warnings"][0]
    assert len(found["per_class"]) == 3


def test_images_of_which_none_is_left_are_refused(trained, tmp_path):
    for name in COLOURS:
        (tmp_path / "bad" / name).mkdir(parents=True)
        (tmp_path / "bad" / name / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError):
        assessment.evaluate(trained, tmp_path / "bad", bad_files="skip")


@pytest.mark.slow
@pytest.mark.parametrize("outputs", ["multi_class", "binary", "multi_label"])
def test_calibrated_run_and_its_export_say_the_same(tmp_path, config, outputs):
    colours = {name: COLOURS[name] for name in ("blue", "red")}
    run = tl.train(
        draw_squares(tmp_path / "squares", images=60, colours=colours),
        config=config,
        head={"outputs": outputs},
        evaluation={"calibrate": True, "target_accuracy": 0.95, "per_class": True},
        name="run",
        runs=tmp_path / "runs",
    )
    export = tl.load(run.export(tmp_path / "export").path)
    test = run.manifest.split("test")
    assert export.decision == run.decision and run.decision.temperature != 1
    np.testing.assert_allclose(
        export.probabilities(test), run.probabilities(test), atol=1e-5
    )
    paths = run.manifest.paths
    known = [[one.known for one in model.predict(paths)] for model in (run, export)]
    assert known[0] == known[1]
    assert run.metrics["calibration"]["ece_before"] is not None


@pytest.mark.slow
def test_network_from_random_weights_is_calibrated_and_exported(tmp_path):
    run = tl.train(
        draw_squares(tmp_path / "squares", images=40),
        scratch={"name": "lenet5", "epochs": 8, "batch_size": 8},
        augment={"policy": "none"},
        data={"validation": 0.25, "cache_dir": str(tmp_path / "cache")},
        evaluation={"calibrate": True, "min_confidence": 0.6},
        name="run",
        runs=tmp_path / "runs",
    )
    export = run.export(tmp_path / "export")
    assert export.facts["decision"]["threshold"] == 0.6
    assert export.facts["decision"]["temperature"] == run.decision.temperature != 1
