"""What a finished run shows in TensorBoard."""

import dataclasses
import io
import shutil

import event_reader
import numpy as np
import pytest
from PIL import Image
from tensorboard.plugins.hparams import metadata

from tl_keras import monitoring
from tl_keras.evaluation.board import projection
from tl_keras.run import load_run
from tl_keras.training import events


@pytest.fixture(scope="module")
def logs(trained):
    return trained.folder / events.LOGS


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the run, to change."""
    shutil.copytree(trained.folder, tmp_path / "copy")
    return load_run(tmp_path / "copy")


@pytest.fixture(scope="module")
def changed(trained, tmp_path_factory):
    """A run with a hostile name and a wrong prediction, recorded once more."""
    folder = tmp_path_factory.mktemp("changed") / "run"
    shutil.copytree(trained.folder, folder)
    run = load_run(folder)
    state = dataclasses.replace(run.state, source="<script>|`\n")
    state.save(folder / "state.json")
    path = folder / "predictions.csv"
    text = path.read_text().replace('"blue","blue"', '"blue","red"', 1)
    path.write_text(text)
    monitoring.record(run)
    return run


def picture(folder, tag):
    """Returns a picture's pixels."""
    ((_, found),) = event_reader.values(folder, tag)
    return np.asarray(Image.open(io.BytesIO(found[2])))


def rows(run):
    """Returns the projector's points, and the cells of the lines behind its heads."""
    folder = run.folder / events.LOGS / events.TEST
    points = np.loadtxt(folder / projection.FEATURES, delimiter="\t")
    lines = (folder / projection.METADATA).read_text().splitlines()[1:]
    return points, [line.split("\t") for line in lines]


def test_both_phases_are_on_one_axis(trained, logs):
    expected = [epoch.epoch for epoch in trained.history.epochs]
    assert expected == [1, 2, 3]
    assert event_reader.steps(logs / events.TRAIN, "epoch_loss") == expected


def test_test_figures_stand_at_the_last_epoch(trained, logs):
    found = event_reader.curve(logs / events.TEST, "test/accuracy")
    assert found == [(3, round(trained.metrics["accuracy"], 4))]
    assert event_reader.steps(logs / events.TEST, "recall/red") == [3]


def test_confusion_matrix_is_the_file_of_the_run(trained, logs):
    shown = picture(logs / events.TEST, "confusion_matrix")
    drawn = np.asarray(Image.open(trained.folder / "confusion_matrix.png"))
    np.testing.assert_array_equal(shown, drawn)


def test_weights_of_the_head_are_shown_before_and_after_each_phase(logs):
    steps = event_reader.steps(logs / events.TRAIN, "head/logits/kernel")
    assert steps == [0, 1, 3]


def test_pictures_of_training_and_of_predictions_are_shown(logs):
    views = picture(logs / events.TRAIN, "what_training_sees")
    assert views.shape[1] > (monitoring.VIEWS + 1) * 100
    assert picture(logs / events.TEST, "predictions/least_sure_right").size
    assert "predictions/surest_wrong" not in event_reader.tags(logs / events.TEST)


def test_config_and_table_are_shown_as_text(trained, logs):
    ((_, config),) = event_reader.values(logs, "config")
    assert b"    seed: 0\n" in config.item() + b"\n"
    ((_, table),) = event_reader.values(logs, "run")
    assert b"| Test accuracy | 1\\.000 " in table.item()
    assert b"tiny \\(random weights\\), 32 pixels" in table.item()


def test_run_is_a_line_of_hparams_above_its_test_figures(logs):
    assert metadata.SESSION_START_INFO_TAG in event_reader.tags(logs)
    assert {"test/accuracy", "test/f1", "test/loss"} <= event_reader.tags(
        logs / events.TEST
    )


def test_projector_has_a_point_and_a_line_for_each_test_image(trained):
    test = trained.manifest.split("test")
    points, lines = rows(trained)
    assert len(points) == len(lines) == len(test.rows)
    assert [line[0] for line in lines] == [row.label for row in test.rows]
    assert [line[-1] for line in lines] == [row.path for row in test.rows]


def test_points_lie_with_their_like(trained):
    points, lines = rows(trained)
    reds = np.array([line[0] == "red" for line in lines])
    within = np.linalg.norm(points[reds] - points[reds].mean(0), axis=1).mean()
    across = np.linalg.norm(points[reds].mean(0) - points[~reds].mean(0))
    assert within < across


def test_recording_twice_shows_everything_once(changed):
    found = changed.folder / events.LOGS
    assert event_reader.steps(found / events.TEST, "test/accuracy") == [3]
    assert event_reader.steps(found, "run") == [3]


def test_wrong_predictions_are_shown(changed):
    found = event_reader.tags(changed.folder / events.LOGS / events.TEST)
    assert "predictions/surest_wrong" in found


def test_hostile_names_harm_no_text(changed):
    ((_, table),) = event_reader.values(changed.folder / events.LOGS, "run")
    assert rb"| Source | &lt;script&gt;\|\`\\n |" in table.item()


def test_projector_of_many_images_shows_some_and_says_so(copied, monkeypatch, capsys):
    total = len(copied.manifest.split("test").rows)
    monkeypatch.setattr(projection, "MOST_IMAGES", 4)
    monitoring.record(copied)
    points, lines = rows(copied)
    assert len(points) == len(lines) == 4
    assert f"4 of {total} test images" in capsys.readouterr().err
    labels = {row.path: row.label for row in copied.manifest.rows}
    assert all(line[0] == labels[line[-1]] for line in lines)


def test_network_without_features_has_all_but_the_projector(
    copied, monkeypatch, capsys
):
    def refuse(classifier):
        raise monitoring.UsageError("It ends in no dense layer.")

    monkeypatch.setattr(monitoring.features, "of_batch", refuse)
    monitoring.record(copied)
    folder = copied.folder / events.LOGS / events.TEST
    assert not (folder / projection.FEATURES).exists()
    assert "no projector" in capsys.readouterr().err
    assert "confusion_matrix" in event_reader.tags(folder)
