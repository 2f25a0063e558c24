"""What a stopped run goes on from, and what it says when it stops."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tl_keras import locks, pipeline, restoring, stopping
from tl_keras.cli import main
from tl_keras.errors import BusyError, DataError, StorageError, TlKerasError
from tl_keras.run import Run
from tl_keras.state import STATE


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of a finished run."""
    return Run(shutil.copytree(trained.folder, tmp_path / "run"))


@pytest.fixture
def unfinished(finished):
    """A copy of a run that is trained and not evaluated."""
    steps = ("evaluate", "board", "report")
    state = dataclasses.replace(
        finished.state.without(steps), weights=finished.state.weights
    )
    state.save(finished.folder / STATE)
    return finished


def cut(run):
    path = run.folder / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-100])


def test_state_holds_the_digest_of_the_weights(finished):
    path = finished.folder / "model.weights.h5"
    assert finished.state.weights == (restoring._digest(path),)


def test_whole_weights_are_left_alone(unfinished):
    before = unfinished.state
    restoring.restore(unfinished)
    assert unfinished.state == before and unfinished.has_weights


def test_damaged_weights_are_made_again(unfinished, trained, capsys):
    cut(unfinished)
    resumed = pipeline.resume(unfinished.folder)
    assert "it is made again" in capsys.readouterr().err
    assert resumed.metrics == trained.metrics
    for ours, theirs in zip(
        resumed.classifier.model.get_weights(),
        trained.classifier.model.get_weights(),
        strict=True,
    ):
        # Two runs of many threads, not deterministic.
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert len(resumed.history.epochs) == len(trained.history.epochs)


def test_damaged_weights_of_an_evaluated_run_are_an_error(finished):
    cut(finished)
    with pytest.raises(StorageError, match="damaged or missing: train again"):
        restoring.restore(finished)


def test_other_libraries_are_a_warning(unfinished, capsys):
    versions = {**unfinished.state.versions, "keras": "2.0"}
    state = dataclasses.replace(unfinished.state, versions=versions)
    state.save(unfinished.folder / STATE)
    restoring.restore(unfinished)
    assert "other libraries (keras 2.0 is now 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
def test_used_up_memory_is_one_line_with_the_way_on(finished, error):
    with pytest.raises(TlKerasError, match="^The memory is used up") as caught:
        with restoring.way_on(finished.folder):
            raise error
    assert stopping.notes(caught.value) == [stopping.resuming(finished.folder)]


def test_error_in_a_run_is_printed_with_the_way_on(unfinished, capsys, monkeypatch):
    def fail(run):
        raise StorageError("Cannot write x: the disk is full: free some space.")

    monkeypatch.setattr("tl_keras.assessment.assess", fail)
    assert main(["resume", str(unfinished.folder)]) == 1
    error, hint = capsys.readouterr().err.strip().splitlines()[-2:]
    assert error == "error: Cannot write x: the disk is full: free some space."
    assert hint == f"Go on with: tl-keras resume {unfinished.folder}"


def test_error_of_the_system_is_no_traceback(unfinished, capsys, monkeypatch):
    def fail(run):
        raise OSError(28, "No space left on device", "logs/x")

    monkeypatch.setattr("tl_keras.assessment.assess", fail)
    assert main(["resume", str(unfinished.folder)]) == 1
    assert "error: Cannot write logs/x: the disk is full" in capsys.readouterr().err


def test_locked_run_is_refused_and_can_be_read(finished, red):
    with locks.held(finished.folder):
        with pytest.raises(BusyError, match="in use by process"):
            pipeline.resume(finished.folder)
        assert pipeline.load(finished.folder).predict([red])[0].label


def test_locked_run_is_not_overwritten(finished, squares, config):
    with locks.held(finished.folder), pytest.raises(BusyError):
        pipeline.train(
            squares,
            config=config,
            name=finished.folder.name,
            runs=finished.folder.parent,
            overwrite=True,
        )
    assert finished.metrics


def test_run_is_not_tested_on_other_images(unfinished, monkeypatch):
    rows = [
        dataclasses.replace(row, sha256="0" * 64) for row in unfinished.manifest.rows
    ]
    unfinished.manifest.with_rows(rows).save(unfinished.folder / "manifest.csv")
    with pytest.raises(DataError, match=r"are not what the manifest says: .*\(changed"):
        pipeline.resume(unfinished.folder)
    assert "evaluate" not in unfinished.state.done
