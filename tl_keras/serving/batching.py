"""Requests joined: while the model is busy they gather, and go through it together.

One thread calls the model, so that requests cannot take all cores from one another.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from tl_keras.datasets.checking.reasons import reason
from tl_keras.serving.limits import Limits
from tl_keras.serving.refusals import Refusal, bad, busy
from tl_keras.serving.versions import Signature

logger = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]
FAILED = 500


@dataclass(eq=False)
class Job:
    """Rows that go through the model together.

    Attributes:
        signature: What is called; it keeps its model while it waits.
        inputs: By name, each `(rows, …)`.
        rows: How many.
        pixels: That decoding them makes.
        done: Gets the outputs, or a `Refusal`.
    """

    signature: Signature
    inputs: Arrays
    rows: int
    pixels: int
    done: asyncio.Future = field(repr=False)


class Batcher:
    """What waits for the model, and who calls it.

    Attributes:
        calls: How many times the model was called.
    """

    def __init__(self, limits: Limits) -> None:
        """Starts the thread; `work` has to run, too."""
        self.calls = 0
        self._limits = limits
        self._jobs: deque[Job] = deque()
        self._rows = self._coming = 0
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")

    @contextlib.contextmanager
    def coming(self) -> Iterator[None]:
        """Says that a request is being read: it is worth waiting for."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._changed.set()

    async def classify(
        self, signature: Signature, inputs: Arrays, pixels: list[int]
    ) -> Arrays:
        """Returns a signature's outputs.

        Args:
            signature: What is called.
            inputs: By name, each `(rows, …)`.
            pixels: That decoding each row makes, `(rows,)`.

        Raises:
            Refusal: If too much waits, or the model refuses the inputs.
        """
        if self._rows + len(pixels) > self._limits.queue:
            raise busy(f"{self._rows} images wait already: try again in a moment.")
        jobs = self._cut(signature, inputs, pixels)
        self._jobs.extend(jobs)
        self._rows += len(pixels)
        self._changed.set()
        try:
            found = await asyncio.gather(*(job.done for job in jobs))
        finally:
            for job in jobs:
                job.done.cancel()
        return {
            name: np.concatenate([part[name] for part in found]) for name in found[0]
        }

    def _cut(
        self, signature: Signature, inputs: Arrays, pixels: list[int]
    ) -> list[Job]:
        """Cuts a request where a batch would take too many rows or pixels."""
        bounds, weight = [0], 0
        for place, size in enumerate(pixels):
            full = place - bounds[-1] == self._limits.batch
            if place and (full or weight + size > self._limits.pixels):
                bounds.append(place)
                weight = 0
            weight += size
        loop = asyncio.get_running_loop()
        return [
            Job(
                signature,
                {name: array[start:end] for name, array in inputs.items()},
                end - start,
                sum(pixels[start:end]),
                loop.create_future(),
            )
            for start, end in zip(bounds, [*bounds[1:], len(pixels)])
        ]

    async def work(self) -> None:
        """Answers what comes, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._gathered()
            jobs = self._take()
            if not jobs:
                continue
            self.calls += 1
            answers = await loop.run_in_executor(self._thread, _answers, jobs)
            for job, answer in zip(jobs, answers):
                # Whoever asked may have gone.
                if job.done.done():
                    continue
                if isinstance(answer, Refusal):
                    job.done.set_exception(answer)
                else:
                    job.done.set_result(answer)

    async def _gathered(self) -> None:
        """Waits until there is a job, and a moment for those that are being read."""
        while not self._jobs:
            await self._next_change()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.wait_ms / 1000):
                while self._coming and self._rows < self._limits.batch:
                    await self._next_change()

    async def _next_change(self) -> None:
        """Waits until a job comes, or a request is read."""
        self._changed.clear()
        await self._changed.wait()

    def _take(self) -> list[Job]:
        """Takes the first job, and what may go with it."""
        taken, rows, pixels = [], 0, 0
        while self._jobs:
            job = self._jobs[0]
            fits = (
                not taken
                or job.signature is taken[0].signature
                and rows + job.rows <= self._limits.batch
                and pixels + job.pixels <= self._limits.pixels
            )
            if not fits:
                break
            self._jobs.popleft()
            self._rows -= job.rows
            if not job.done.done():
                taken.append(job)
                rows, pixels = rows + job.rows, pixels + job.pixels
        return taken

    def close(self) -> None:
        """Ends the thread once its call is done."""
        self._thread.shutdown()


def _answers(jobs: list[Job]) -> list[Arrays | Refusal]:
    """Calls the model on some jobs; one that fails spoils no other."""
    try:
        return _called(jobs)
    except Exception as error:
        if len(jobs) > 1:
            return [_answers([job])[0] for job in jobs]
        return [_refusal(error)]


def _called(jobs: list[Job]) -> list[Arrays]:
    """Calls the model on some jobs together."""
    names = jobs[0].inputs
    joined = {
        name: np.concatenate([job.inputs[name] for job in jobs]) for name in names
    }
    found = jobs[0].signature(joined)
    ends = np.cumsum([job.rows for job in jobs])
    if any(len(array) != ends[-1] for array in found.values()):
        raise ValueError("an output has another number of rows than the inputs")
    return [
        {name: array[end - job.rows : end] for name, array in found.items()}
        for job, end in zip(jobs, ends)
    ]


def _refusal(error: Exception) -> Refusal:
    """Returns what whoever asked is told of a model that failed."""
    if isinstance(error, tf.errors.InvalidArgumentError):
        return bad(reason(error))
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return busy("The memory does not suffice: send fewer or smaller images.")
    logger.error("The model failed.", exc_info=error)
    return Refusal(FAILED, "The model failed: see the server's messages.")
