"""Workers that share a batch, and what happens where memory is short."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.errors import TlKerasError
from tl_keras.training.engines import engine
from tl_keras.training.engines.engine import Workers, memory_errors

INPUTS = np.arange(22, dtype=np.float32).reshape(11, 2)


def double(inputs):
    """Computes two outputs."""
    return [inputs * 2, inputs.sum(axis=1)]


def limited(most, error, seen):
    """Returns a function that takes no more than so many inputs."""

    def run(inputs):
        seen.append(len(inputs))
        if len(inputs) > most:
            raise error
        return double(inputs)

    return run


@pytest.fixture
def said(monkeypatch):
    """What is told to the user."""
    lines = []
    monkeypatch.setattr(engine, "say", lines.append)
    return lines


@pytest.mark.parametrize("workers", (1, 2, 3))
@pytest.mark.parametrize("batch_size", (1, 4, 16))
def test_outputs_come_in_the_order_of_the_inputs(workers, batch_size):
    found = Workers("graph", [double] * workers, batch_size)(INPUTS)
    for ours, expected in zip(found, double(INPUTS), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_more_inputs_than_the_batch_size_are_taken_in_parts():
    seen = []
    Workers("graph", [limited(99, None, seen)], 4)(INPUTS)
    assert seen == [4, 4, 3]


def test_two_workers_compute_at_the_same_time():
    # Neither gets past the barrier alone.
    barrier = threading.Barrier(2, timeout=30)

    def run(inputs):
        barrier.wait()
        return double(inputs)

    found = Workers("litert", [run, run], 4)(INPUTS[:4])
    np.testing.assert_array_equal(found[0], INPUTS[:4] * 2)


def test_a_worker_is_never_used_by_two_threads_at_once():
    busy = [threading.Lock(), threading.Lock()]

    def worker(lock):
        def run(inputs):
            assert lock.acquire(blocking=False)
            threading.Event().wait(0.005)
            lock.release()
            return double(inputs)

        return run

    found = Workers("litert", [worker(lock) for lock in busy], 2)(INPUTS)
    np.testing.assert_array_equal(found[0], INPUTS * 2)


@pytest.mark.parametrize(
    "error", (tf.errors.ResourceExhaustedError(None, None, "full"), MemoryError())
)
def test_batch_size_is_halved_until_the_memory_holds_it(error, said):
    seen = []
    workers = Workers("graph", [limited(2, error, seen)], 8)
    np.testing.assert_array_equal(workers(INPUTS)[0], INPUTS * 2)
    assert workers.batch_size == 2
    assert seen == [8, 4, 2, 2, 2, 2, 2, 1]
    workers(INPUTS)
    assert len(said) == 1 and "2 images at a time" in said[0]


@pytest.mark.parametrize("count", (1, 2))
def test_workers_go_down_to_one_input_each(count, said):
    workers = Workers("litert", [limited(1, MemoryError(), [])] * count, 8)
    np.testing.assert_array_equal(workers(INPUTS)[0], INPUTS * 2)
    assert workers.batch_size == count and len(said) == 1


def test_an_input_that_the_memory_does_not_hold_ends_with_a_cure(said):
    workers = Workers("graph", [limited(0, MemoryError(), [])], 8)
    with pytest.raises(TlKerasError, match="backbone.image_size"):
        workers(INPUTS)
    assert not said


def test_another_error_is_not_taken_for_short_memory():
    with pytest.raises(ZeroDivisionError):
        Workers("graph", [limited(0, ZeroDivisionError(), [])], 8)(INPUTS)


def test_a_failed_allocation_of_a_library_is_short_memory():
    with pytest.raises(MemoryError), memory_errors(RuntimeError):
        raise RuntimeError("Failed to allocate 12 bytes")
    with pytest.raises(RuntimeError), memory_errors(RuntimeError):
        raise RuntimeError("Wrong shape")
