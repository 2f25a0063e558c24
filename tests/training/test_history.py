"""The curves of a run in TensorBoard: one line, however often it was killed."""

import math
from dataclasses import replace

import event_reader
import numpy as np
import pytest
import small_phase
from small_phase import Killed

from tl_keras.training.history import Epoch, History
from tl_keras.training.keeper import Keeper

TRAIN, VALIDATION = "logs/train", "logs/validation"


def epoch(number, loss=0.5, **changes):
    values = dict(
        epoch=number,
        phase="fine_tune",
        loss=loss,
        accuracy=0.75,
        val_loss=2 * loss,
        val_accuracy=0.5,
        learning_rate=1e-3,
        seconds=2.0,
    )
    return Epoch(**{**values, **changes})


def history(folder, *epochs):
    found = History(folder)
    for one in epochs:
        found = found.add(one)
    return found


def test_training_and_validation_are_in_one_chart(tmp_path):
    history(tmp_path, epoch(1, 0.5))
    assert event_reader.curve(tmp_path / TRAIN, "epoch_loss") == [(1, 0.5)]
    assert event_reader.curve(tmp_path / VALIDATION, "epoch_loss") == [(1, 1.0)]


def test_learning_rate_and_seconds_have_charts(tmp_path):
    history(tmp_path, epoch(1))
    assert event_reader.curve(tmp_path / TRAIN, "epoch_learning_rate") == [(1, 0.001)]
    assert event_reader.curve(tmp_path / TRAIN, "epoch_seconds") == [(1, 2.0)]


def test_run_without_validation_images_has_no_such_line(tmp_path):
    history(tmp_path, epoch(1, val_loss=math.nan, val_accuracy=math.nan))
    assert not (tmp_path / VALIDATION).exists()


def test_epochs_that_are_repeated_stand_there_once(tmp_path):
    before = history(tmp_path, epoch(1, 0.9), epoch(2, 0.8), epoch(3, 0.7))
    before.until("fine_tune", 1).add(epoch(2, 0.4))
    for folder, losses in ((TRAIN, (0.9, 0.4)), (VALIDATION, (1.8, 0.8))):
        found = event_reader.curve(tmp_path / folder, "epoch_loss")
        assert found == [(1, losses[0]), (2, losses[1])]


def test_epoch_that_only_the_table_holds_is_made_up_for(tmp_path):
    """Killed between the two."""
    before = history(tmp_path, epoch(1, 0.9))
    replace(before, epochs=(*before.epochs, epoch(2, 0.8)))._save()
    History.load(tmp_path).add(epoch(3, 0.7))
    found = event_reader.curve(tmp_path / TRAIN, "epoch_loss")
    assert found == [(1, 0.9), (2, 0.8), (3, 0.7)]


def test_pause_does_not_show_on_the_axis_of_time(tmp_path):
    before = history(tmp_path, epoch(1), epoch(2), epoch(3))
    before.until("fine_tune", 2).add(epoch(3))
    times = [
        one.wall_time
        for one in event_reader.opened(tmp_path / TRAIN).Tensors("epoch_loss")
    ]
    # As long as the epochs themselves took.
    assert np.diff(times) == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize("moment", ["on_epoch_begin", "_write"])
def test_phase_that_is_killed_and_resumed_draws_one_line(tmp_path, monkeypatch, moment):
    """At the start of an epoch, and between its epoch and its checkpoint."""
    if moment == "_write":
        whole = Keeper.__init__

        def killing(keeper, task, history, best, write):
            def stop(epoch, best, over):
                if epoch == 3:
                    raise Killed
                write(epoch, best, over)

            whole(keeper, task, history, best, stop)

        replaced = ("__init__", killing)
    else:
        replaced = ("on_epoch_begin", small_phase.stop_at(2))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Keeper, *replaced)
        small_phase.run(tmp_path, small_phase.new_model())
    found = small_phase.run(
        tmp_path, small_phase.new_model(), history=History.load(tmp_path)
    )
    expected = [(one.epoch, round(one.loss, 4)) for one in found.epochs]
    assert [step for step, _ in expected] == [1, 2, 3, 4]
    assert event_reader.curve(tmp_path / TRAIN, "epoch_loss") == expected
