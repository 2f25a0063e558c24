"""What every engine is: a function from a batch of inputs to a network's outputs."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import tensorflow as tf

from tl_keras.errors import TlKerasError
from tl_keras.progress import say

# From some inputs to the network's outputs, all at once.
Run = Callable[[np.ndarray], list[np.ndarray]]
OUT_OF_MEMORY = (tf.errors.ResourceExhaustedError, MemoryError)


class Engine(Protocol):
    """A frozen network, ready to run.

    It holds the weights as they were when it was made.

    Attributes:
        name: `graph`, `litert` or `onnx`.
        batch_size: Inputs a call with which it is fastest; of a larger batch it takes
            so many at a time.
    """

    name: str
    batch_size: int

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Computes the network's outputs.

        Args:
            inputs: A batch of any size: uint8 images in [0, 255],
                `(batch, side, side, 3)`, or float16 feature maps, as the network takes.

        Returns:
            Its outputs in their order, float32, `(batch, …)` each.

        Raises:
            TlKerasError: If the memory does not hold what one input needs.
        """


class Workers:
    """An engine of several workers that share a batch; often there is one.

    Where memory is short it goes on with half as many inputs at a time.

    Attributes:
        name: See `Engine`.
        batch_size: See `Engine`.
        workers: How many share a batch.
    """

    def __init__(self, name: str, runs: Sequence[Run], batch_size: int = 16):
        """Makes an engine of one function a worker, each used by one thread at once."""
        self.name = name
        self.batch_size = batch_size
        self._idle = SimpleQueue()
        for run in runs:
            self._idle.put(run)
        self.workers = len(runs)
        self._pool = ThreadPoolExecutor(self.workers, f"engine-{name}")

    def __call__(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Computes the network's outputs."""
        before = self.batch_size
        while True:
            try:
                outputs = self._run(inputs)
                break
            except OUT_OF_MEMORY:
                self._shrink(len(inputs))
        if self.batch_size < before:
            say(
                f"Memory is short: the frozen part of the network takes "
                f"{self.batch_size} images at a time from now on."
            )
        return outputs

    def _run(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Deals the inputs out to the workers and joins what they compute."""
        # A last batch is smaller: it is shared as well.
        at_once = min(self.batch_size, len(inputs))
        share = max(1, -(-at_once // self.workers))
        pieces = [inputs[at : at + share] for at in range(0, len(inputs), share)]
        if min(self.workers, self.batch_size) == 1 or len(pieces) <= 1:
            found = [self._work(piece) for piece in pieces or [inputs]]
        else:
            found = list(self._pool.map(self._work, pieces))
        return found[0] if len(found) == 1 else list(map(np.concatenate, zip(*found)))

    def _work(self, inputs: np.ndarray) -> list[np.ndarray]:
        """Runs some inputs on an idle worker."""
        run = self._idle.get()
        try:
            return run(inputs)
        finally:
            self._idle.put(run)

    def _shrink(self, given: int) -> None:
        """Halves the batch size, counted from what was given."""
        if self.batch_size == 1:
            raise TlKerasError(
                "The memory does not hold what the network needs for one image: choose "
                "a smaller `backbone.image_size` or a smaller backbone, or end other "
                "programs."
            ) from None
        self.batch_size = max(1, min(self.batch_size, given) // 2)


@contextlib.contextmanager
def memory_errors(kind: type[Exception]) -> Iterator[None]:
    """Turns a library's own error of failed allocation into a `MemoryError`."""
    try:
        yield
    except kind as error:
        if "alloc" not in str(error).lower():
            raise
        raise MemoryError(str(error)) from error
