"""Traces of a few steps."""

import dataclasses

import pytest
import small_phase
import tensorflow as tf

from tl_keras.arguments import spelled_out
from tl_keras.training import profiling
from tl_keras.training.profiling import SKIPPED, TRACED, Tracer


@pytest.fixture
def calls(monkeypatch):
    """What the profiler was told, without profiling."""
    noted = []
    profiler = tf.profiler.experimental
    monkeypatch.setattr(profiler, "start", lambda folder: noted.append("start"))
    monkeypatch.setattr(profiler, "stop", lambda: noted.append("stop"))
    return noted


def train(tracer, steps, calls):
    for step in range(steps):
        tracer.on_train_batch_begin(step)
        calls.append("step")
        tracer.on_train_batch_end(step)
    tracer.on_train_end()


def test_first_step_is_skipped_and_a_few_are_traced(calls, tmp_path):
    train(Tracer(tmp_path), 20, calls)
    rest = 20 - SKIPPED - TRACED
    steps = ["step"]
    expected = [*steps * SKIPPED, "start", *steps * TRACED, "stop", *steps * rest]
    assert calls == expected


def test_trace_of_a_short_phase_ends_with_it(calls, tmp_path):
    train(Tracer(tmp_path), 3, calls)
    assert calls == ["step", "start", "step", "step", "stop"]


def test_trace_that_was_broken_off_is_gone_on_with(calls, tmp_path, monkeypatch):
    def refuse(folder):
        raise tf.errors.AlreadyExistsError(None, None, "another one")

    monkeypatch.setattr(profiling.tf.profiler.experimental, "start", refuse)
    train(Tracer(tmp_path), 3, calls)
    assert calls[-1] == "stop"


@pytest.mark.parametrize("profile", [True, False])
def test_phase_is_traced_where_it_is_asked_for(calls, tmp_path, profile):
    phase = dataclasses.replace(small_phase.PHASE, epochs=1, profile=profile)
    small_phase.run(tmp_path, small_phase.new_model(), phase)
    assert calls == (["start", "stop"] if profile else [])


@pytest.mark.slow
def test_trace_lies_where_tensorboard_looks_for_it(tmp_path):
    phase = dataclasses.replace(small_phase.PHASE, epochs=1, profile=True)
    small_phase.run(tmp_path, small_phase.new_model(), phase)
    folder = tmp_path / "logs" / "train" / "plugins" / "profile"
    assert len(list(folder.glob("*/*.xplane.pb"))) == 1


def test_one_flag_traces_every_phase():
    phases = ("head_phase", "fine_tune", "scratch")
    flags = [part for one in phases for part in (f"--{one}.profile", "true")]
    assert spelled_out(["train", "x", "--profile"]) == ["train", "x", *flags]
