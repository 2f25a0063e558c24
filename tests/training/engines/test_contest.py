"""The fastest engine wins, and none that is wrong."""

import numpy as np
import pytest

from tl_keras.training.engines import contest
from tl_keras.training.engines.contest import NotEqual, fastest, verify
from tl_keras.training.engines.engine import Workers

SAMPLE = np.arange(8, dtype=np.float32).reshape(4, 2)


class Clock:
    """Time that passes only while an engine works."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock that the contest reads."""
    found = Clock()
    monkeypatch.setattr(contest, "time", found)
    return found


def compute(inputs):
    """Computes what all engines should."""
    return [inputs * 2, inputs.sum(axis=1)]


def engine(name, clock, call=0.0, each=0.001, outputs=compute):
    """Returns an engine that takes some seconds a call and an input."""

    def run(inputs):
        clock.now += call + each * len(inputs)
        return outputs(inputs)

    return Workers(name, [run])


def wrong(inputs):
    """Computes one number in one output a little wrong."""
    first, second = compute(inputs)
    first[-1, 0] += 0.01 * np.abs(first).max()
    return [first, second]


def crash(inputs):
    """Fails as libraries do."""
    raise ValueError("no such operation\nat line 7")


def run(engines, seconds=100.0):
    """Runs a contest."""
    return fastest(engines, SAMPLE, compute(SAMPLE), seconds)


def test_the_engine_with_the_highest_rate_wins(clock):
    engines = [engine("graph", clock, each=0.002), engine("litert", clock, each=0.001)]
    assert run(engines) is engines[1]
    assert run(engines[::-1]) is engines[1]


def test_batch_size_is_the_one_with_the_highest_rate(clock):
    def run_best_at_four(inputs):
        clock.now += 0.001 * len(inputs) * (1 if len(inputs) == 4 else 2)
        return compute(inputs)

    winner = run([Workers("litert", [run_best_at_four])])
    assert winner.batch_size == 4


def test_calls_that_cost_much_in_themselves_lead_to_large_batches(clock):
    assert run([engine("graph", clock, call=0.1)]).batch_size == 64


def test_a_long_call_is_not_made_longer(clock):
    seen = []

    def slow(inputs):
        seen.append(len(inputs))
        clock.now += 0.2 * len(inputs)
        return compute(inputs)

    run([Workers("graph", [slow])])
    assert max(seen) == 8


def test_a_size_that_the_memory_does_not_hold_is_not_chosen(clock):
    def short(inputs):
        if len(inputs) > 16:
            raise MemoryError
        clock.now += 0.1
        return compute(inputs)

    assert run([Workers("graph", [short])]).batch_size == 16


def test_the_contest_ends_in_time(clock):
    run([engine("graph", clock, each=0.1), engine("litert", clock, each=0.1)], 2.0)
    # The call in which the time runs out is finished.
    assert clock.now < 2.0 + 2 * 8 * 0.1


def test_without_time_the_first_is_measured_nevertheless(clock):
    engines = [engine("graph", clock), engine("litert", clock)]
    assert run(engines, seconds=-1.0) is engines[0]


def test_a_slow_spell_does_not_decide(clock):
    calls = []

    def disturbed(inputs):
        calls.append(len(inputs))
        # A slow spell lasts for the first two calls of each size.
        slow = len(calls) <= 2 * len(contest.SIZES)
        clock.now += 0.001 * len(inputs) * (1.1 if slow else 1.0)
        return compute(inputs)

    steady = engine("graph", clock, each=0.00105)
    best = Workers("litert", [disturbed])
    assert run([steady, best]) is best


@pytest.mark.parametrize("outputs", (wrong, crash, lambda inputs: compute(inputs)[:1]))
def test_a_fast_engine_that_is_wrong_never_wins(outputs, clock, caplog):
    engines = [
        engine("graph", clock, each=0.01),
        engine("litert", clock, each=0.001, outputs=outputs),
        engine("litert", clock, each=0.001, outputs=outputs),
    ]
    assert run(engines) is engines[0]
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "litert" in record.getMessage()


def test_an_engine_that_is_wrong_at_one_size_alone_never_wins(clock):
    def odd(inputs):
        return wrong(inputs) if len(inputs) == 32 else compute(inputs)

    engines = [engine("graph", clock, each=0.01), engine("litert", clock, outputs=odd)]
    assert run(engines) is engines[0]


def test_a_warning_has_one_line_with_the_reason(clock, caplog):
    run([engine("litert", clock, outputs=crash)])
    assert caplog.messages == [
        "The engine litert is left out: ValueError: no such operation"
    ]


def test_nobody_wins_where_all_fail(clock):
    assert run([engine("litert", clock, outputs=crash)]) is None


def test_numbers_that_are_none_are_not_equal(clock):
    def undefined(inputs):
        return [part * np.nan for part in compute(inputs)]

    with pytest.raises(NotEqual, match="output 0"):
        verify(engine("onnx", clock, outputs=undefined), SAMPLE, compute(SAMPLE))


def test_each_output_is_compared_with_its_own_largest_number(clock):
    def small_one_is_wrong(inputs):
        return [inputs * 1e6, inputs.sum(axis=1) * 1.01]

    expected = [SAMPLE * 1e6, SAMPLE.sum(axis=1)]
    with pytest.raises(NotEqual, match="output 1"):
        verify(engine("onnx", clock, outputs=small_one_is_wrong), SAMPLE, expected)


def test_outputs_that_are_all_zero_are_equal(clock):
    zeros = [np.zeros((4, 3), np.float32)]
    verify(engine("onnx", clock, outputs=lambda inputs: zeros), SAMPLE, zeros)
