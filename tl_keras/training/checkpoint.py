"""Everything that a phase needs to go on after its last finished epoch."""

import errno
import math
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import keras
import numpy as np

from tl_keras.errors import StorageError
from tl_keras.files import replacing
from tl_keras.progress import say

# How far two accuracies must lie apart to be different: about 95 % certainty.
STANDARD_ERRORS = 2


class Damaged(StorageError):
    """A checkpoint that holds something else than was written."""


@dataclass
class Best:
    """The epoch to keep: the latest of those that validation cannot tell apart.

    The highest of many noisy accuracies is high by luck, too. An epoch within two
    standard errors of it is as good, for all that the validation images can say, and
    the latest of those has seen the lowest learning rate and the longest average. (With
    one standard error the rule is that of Breiman et al., Classification and Regression
    Trees, 1984, section 3.4.3.) Not by loss: in fine-tuning it rises, as the network
    grows more certain of its errors, while accuracy still rises too.

    Attributes:
        accuracy: The highest validation accuracy so far.
        epoch: Number of the kept epoch within the phase, from 1; 0 is what the phase
            started from.
        weights: Its weights, averaged ones where averaging is on.
    """

    accuracy: float
    epoch: int
    weights: list[np.ndarray]

    @classmethod
    def none_yet(cls) -> Self:
        """Returns a best that any epoch beats."""
        return cls(accuracy=-1.0, epoch=0, weights=[])

    def keeps(self, accuracy: float, images: int) -> bool:
        """Tells whether a later epoch is as good as the best.

        Args:
            accuracy: Its validation accuracy.
            images: How many images that was measured on.
        """
        highest = max(accuracy, self.accuracy)
        error = math.sqrt(highest * (1 - highest) / images)
        return accuracy >= highest - STANDARD_ERRORS * error


@dataclass
class State:
    """What a phase has to know after an epoch.

    Attributes:
        epoch: Finished epochs.
        pieces: Steps whose gradients made up an update.
        best: The best epoch of them.
        over: Whether the phase ended with this epoch, for lack of progress or time.
        model: Weights and dropout seeds.
        optimizer: What `AdamW.state` gives.
    """

    epoch: int
    pieces: int
    best: Best
    over: bool
    model: list[np.ndarray]
    optimizer: list[np.ndarray]

    @classmethod
    def of(
        cls, model: keras.Model, *, epoch: int, pieces: int, best: Best, over: bool
    ) -> Self:
        """Copies the state of a compiled model."""
        values = [variable.numpy() for variable in model.variables]
        return cls(epoch, pieces, best, over, values, model.optimizer.state())

    def put(self, model: keras.Model) -> bool:
        """Puts it back into a compiled model, if it is one of the same graph.

        The number of pieces may be another one.

        Returns:
            Whether it is.
        """
        shapes = [tuple(variable.shape) for variable in model.variables]
        found = [value.shape for value in self.model]
        states = [value.shape for value in self.optimizer]
        if found != shapes or states != model.optimizer.shapes():
            return False
        for variable, value in zip(model.variables, self.model):
            variable.assign(value)
        model.optimizer.set_state(self.optimizer)
        return True


def save(path: Path, state: State) -> None:
    """Writes a state in one step, and keeps the one before.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
    """
    lists = dict(model=state.model, optimizer=state.optimizer, best=state.best.weights)
    arrays = {
        f"{name}_{index}": value
        for name, values in lists.items()
        for index, value in enumerate(values)
    }
    best, lengths = state.best, map(len, lists.values())
    numbers = [state.epoch, state.pieces, state.over, best.epoch, best.accuracy]
    # The sums of the format do not tell of a part that has lost its name.
    numbers += lengths
    with replacing(path) as temporary:
        np.savez(temporary, progress=np.array(numbers, float), **arrays)
        # Only now: a disk that is full has the old one under its name.
        if path.exists():
            os.replace(path, before(path))


def before(path: Path) -> Path:
    """Returns where the checkpoint before the last one lies."""
    return path.with_suffix(f".before{path.suffix}")


def exists(path: Path) -> bool:
    """Tells whether a phase has a checkpoint, the last one or the one before."""
    return path.exists() or before(path).exists()


def latest(path: Path) -> State | None:
    """Returns the last state that is whole, and says so where it is not the last one.

    A damaged file is put aside: it must not take the place of a whole one later.

    Returns:
        `None` where there is none: the phase starts anew.
    """
    for one in (path, before(path)):
        if not one.exists():
            continue
        try:
            return load(one)
        except Damaged as error:
            last = one != path or not before(path).exists()
            rest = "its phase starts anew" if last else "going on from the one before"
            say(f"warning: {error}: {rest}")
            os.replace(one, path.with_suffix(".damaged"))
    return None


def load(path: Path) -> State:
    """Reads what `save` wrote.

    A sum over each of its parts, which the format holds, tells whether it is whole.

    Raises:
        Damaged: If the file is no such thing.
        StorageError: If the disk does not give it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            epoch, pieces, over, best_epoch, accuracy, *lengths = file["progress"]
            names = ("model", "optimizer", "best")
            lists = [
                [file[f"{name}_{index}"] for index in range(int(length))]
                for name, length in zip(names, lengths, strict=True)
            ]
    except MemoryError:
        raise
    except Exception as error:
        # Of what stands in a damaged file the readers may make any error.
        number = error.errno if isinstance(error, OSError) else None
        if number not in (None, errno.EINVAL):
            raise StorageError(f"Checkpoint {path} cannot be read: {error}.") from None
        why = str(error).split("\n")[0] or type(error).__name__
        raise Damaged(f"Checkpoint {path} is damaged ({why})") from None
    model, optimizer, weights = lists
    best = Best(float(accuracy), int(best_epoch), weights)
    return State(int(epoch), int(pieces), best, bool(over), model, optimizer)


def load_weights(model: keras.Model, path: Path) -> None:
    """Reads the weights that a phase left.

    Raises:
        StorageError: If the file is damaged.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        # What Keras says of it goes over many lines.
        why = str(error).strip().split("\n")[0]
        raise StorageError(
            f"{path} is damaged ({why}). If the run is not finished, `tl-keras resume` "
            f"makes it again; else train again with --overwrite, or use the export."
        ) from None


class Writer:
    """Writes checkpoints beside the training, one at a time.

    In the block, `write` returns at once; behind it, all is on the disk.
    """

    def __enter__(self) -> Self:
        """Starts the thread that writes."""
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._last: Future | None = None
        return self

    def write(self, path: Path, state: State, then: Callable[[], None]) -> None:
        """Writes a state when the one before is written.

        Args:
            path: Where to.
            state: What is written; nobody changes it meanwhile.
            then: What is done behind it.

        Raises:
            StorageError: If the one before could not be written.
        """
        self._wait()
        self._last = self._thread.submit(_save_then, path, state, then)

    def __exit__(self, *error: object) -> None:
        """Waits for the last one.

        Raises:
            StorageError: If it could not be written.
        """
        with self._thread:
            self._wait()

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last:
            last.result()


def _save_then(path: Path, state: State, then: Callable[[], None]) -> None:
    """Writes a state, and does what comes behind it."""
    save(path, state)
    then()
