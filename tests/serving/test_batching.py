"""Requests joined: together under load, none spoiled by another, none forgotten."""

import asyncio

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.serving.batching import Batcher
from tl_keras.serving.limits import Limits
from tl_keras.serving.refusals import Refusal


class Doubling:
    """Stands for a signature: doubles numbers, and notes how many came together."""

    def __init__(self, fails=lambda values: None):
        self.sizes, self.fails = [], fails

    def __call__(self, inputs):
        values = inputs["x"]
        self.sizes.append(len(values))
        self.fails(values)
        return {"y": values * 2}


def run(conversation, **limits):
    """Runs a conversation with a batcher that works."""

    async def whole():
        batcher = Batcher(Limits(**limits))
        working = asyncio.create_task(batcher.work())
        try:
            async with asyncio.timeout(30):
                return await conversation(batcher)
        finally:
            working.cancel()
            batcher.close()

    return asyncio.run(whole())


async def asked(batcher, signature, *values, pixels=0):
    found = await batcher.classify(
        signature, {"x": np.array(values)}, [pixels] * len(values)
    )
    return found["y"].tolist()


def test_requests_that_come_together_go_together():
    signature = Doubling()

    async def conversation(batcher):
        many = [asked(batcher, signature, n, n + 100) for n in range(8)]
        return await asyncio.gather(*many), batcher.calls

    found, calls = run(conversation)
    assert found == [[2 * n, 2 * n + 200] for n in range(8)]
    assert signature.sizes == [16] and calls == 1


@pytest.mark.parametrize(
    ("limits", "most"), [({"batch": 4}, 4), ({"megapixels": 30e-6}, 3)]
)
def test_batch_is_never_larger_than_its_limits(limits, most):
    signature, sizes = Doubling(), [3, 1, 5, 2, 9, 4]

    async def conversation(batcher):
        many = [asked(batcher, signature, *range(n), pixels=10) for n in sizes]
        return await asyncio.gather(*many)

    found = run(conversation, **limits)
    assert found == [[2 * n for n in range(size)] for size in sizes]
    assert max(signature.sizes) <= most and sum(signature.sizes) == sum(sizes)


def test_signatures_are_not_mixed():
    signatures = [Doubling(), Doubling()]

    async def conversation(batcher):
        many = [asked(batcher, signatures[n % 2], n) for n in range(4)]
        return await asyncio.gather(*many)

    assert run(conversation) == [[0], [2], [4], [6]]
    assert [sum(signature.sizes) for signature in signatures] == [2, 2]


def test_request_of_no_rows_is_answered():
    async def conversation(batcher):
        return await asked(batcher, Doubling())

    assert run(conversation) == []


def test_one_waits_for_those_that_are_being_read_and_for_nobody_else():
    signature = Doubling()

    async def late(batcher):
        with batcher.coming():
            await asyncio.sleep(0.05)
        return await asked(batcher, signature, 2)

    async def conversation(batcher):
        await asyncio.gather(asked(batcher, signature, 1), late(batcher))
        started = asyncio.get_running_loop().time()
        await asked(batcher, signature, 3)
        return asyncio.get_running_loop().time() - started

    seconds = run(conversation, wait_ms=10_000)
    assert signature.sizes == [2, 1] and seconds < 5


def test_request_that_fails_spoils_no_other():
    def fail(values):
        if 13 in values:
            raise tf.errors.InvalidArgumentError(None, None, "Invalid PNG data")

    async def conversation(batcher):
        many = [asked(batcher, Doubling(fail), n) for n in (1,)]
        signature = Doubling(fail)
        many += [asked(batcher, signature, n) for n in (12, 13, 14)]
        return await asyncio.gather(*many, return_exceptions=True)

    one, twelve, thirteen, fourteen = run(conversation)
    assert (one, twelve, fourteen) == ([2], [24], [28])
    assert (thirteen.status, thirteen.reason) == (400, "the PNG is damaged or cut off")


@pytest.mark.parametrize(
    ("error", "status"), [(MemoryError(), 503), (RuntimeError("a secret"), 500)]
)
def test_failure_of_the_model_is_told_without_its_words(error, status):
    def fail(values):
        raise error

    async def conversation(batcher):
        with pytest.raises(Refusal) as refused:
            await asked(batcher, Doubling(fail), 1)
        return refused.value

    refusal = run(conversation)
    assert refusal.status == status and "secret" not in refusal.reason


def test_queue_that_is_full_refuses_and_goes_on():
    signature = Doubling()

    async def conversation(batcher):
        many = [asked(batcher, signature, *range(4)) for _ in range(5)]
        found = await asyncio.gather(*many, return_exceptions=True)
        return found, await asked(batcher, signature, 5)

    found, after = run(conversation, images=4, batch=4, queue=12)
    refused = [one for one in found if isinstance(one, Refusal)]
    assert [one.status for one in refused] == [503, 503]
    assert refused[0].headers == {"Retry-After": "1"} and after == [10]


def test_request_whose_asker_went_is_not_computed():
    signature = Doubling()

    async def conversation(batcher):
        gone = asyncio.create_task(asked(batcher, signature, 1))
        await asyncio.sleep(0)
        gone.cancel()
        return await asked(batcher, signature, 2)

    assert run(conversation) == [4]
    assert signature.sizes == [1]
