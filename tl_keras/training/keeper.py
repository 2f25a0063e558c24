"""What happens between epochs: the best is kept, all is written down, time is up."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

from tl_keras.config import Phase
from tl_keras.errors import TlKerasError
from tl_keras.progress import say
from tl_keras.training import events
from tl_keras.training.checkpoint import Best
from tl_keras.training.history import Epoch, History
from tl_keras.training.profiling import Tracer


@dataclass(frozen=True)
class Task:
    """What is asked of a phase's epochs.

    Attributes:
        name: The phase's name.
        phase: How to train.
        validation_images: How many images choose the best; 0 keeps the last epoch.
        deadline: When the phase has to have ended, in seconds of `time.monotonic`.
    """

    name: str
    phase: Phase
    validation_images: int
    deadline: float | None = None


class Keeper(keras.callbacks.Callback):
    """Keeps the best weights and the history; stops early.

    Attributes:
        history: The epochs so far.
        best: The best of this phase's.
    """

    def __init__(
        self,
        task: Task,
        history: History,
        best: Best,
        write: Callable[[int, Best, bool], None],
    ):
        """Starts behind the epochs of `history`.

        Args:
            task: What is asked of the epochs.
            history: The epochs before.
            best: The best of this phase's so far.
            write: Writes the checkpoint, given finished epochs, the best, and whether
                the phase is over.
        """
        super().__init__()
        self.task, self.history, self.best = task, history, best
        self._write = write
        self._epoch, self._started = 0, 0.0
        self._averages: keras.callbacks.SwapEMAWeights | None = None

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Returns itself, the swap of averaged weights around validation, a tracer.

        Order matters: at the end of validation the keeper reads the averaged weights
        before they are swapped out again.
        """
        found: list[keras.callbacks.Callback] = [self]
        if self.task.phase.ema_momentum > 0:
            self._averages = keras.callbacks.SwapEMAWeights()
            found.append(self._averages)
        if self.task.phase.profile:
            found.append(Tracer(self.history.folder / events.LOGS / events.TRAIN))
        return found

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes which epoch it is, and the time."""
        self._epoch, self._started = epoch + 1, time.monotonic()

    def on_test_end(self, logs: dict | None = None) -> None:
        """Keeps the weights if validation finds them as good as the best."""
        accuracy = float(logs["accuracy"])
        if self.best.keeps(accuracy, self.task.validation_images):
            highest = max(accuracy, self.best.accuracy)
            self.best = Best(highest, self._epoch, self.model.get_weights())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the epoch down, so that a killed run goes on from here."""
        self._check(logs["loss"])
        if not self.task.validation_images:
            self._keep_last()
        self.history = self.history.add(
            Epoch(
                epoch=len(self.history.epochs) + 1,
                phase=self.task.name,
                **{key: float(logs[key]) for key in ("loss", "accuracy")},
                val_loss=float(logs.get("val_loss", math.nan)),
                val_accuracy=float(logs.get("val_accuracy", math.nan)),
                learning_rate=float(self.model.optimizer.learning_rate),
                seconds=time.monotonic() - self._started,
            )
        )
        patient = self._epoch - self.best.epoch < self.task.phase.patience
        over = not patient or self._out_of_time()
        self._write(self._epoch, self.best, over)
        if over:
            self.model.stop_training = True

    def _check(self, loss: float) -> None:
        """Stops what has gone astray."""
        if not math.isfinite(loss):
            name = self.task.name
            raise TlKerasError(
                f"The training loss is {loss} in epoch {self._epoch} of {name}: lower "
                f"{name}.learning_rate, now {self.task.phase.learning_rate:g}."
            )

    def _keep_last(self) -> None:
        """Keeps the weights of the epoch that ends, averaged ones where there are."""
        if self._averages:
            self._averages.on_test_begin()
        self.best = Best(math.nan, self._epoch, self.model.get_weights())
        if self._averages:
            self._averages.on_test_end()

    def _out_of_time(self) -> bool:
        """Tells whether one more epoch, as long as this one, would end too late."""
        left, now = self.task.phase.epochs - self._epoch, time.monotonic()
        if self.task.deadline is None or not left:
            return False
        late = now + (now - self._started) > self.task.deadline
        if late:
            say(
                f"{self.task.name}: no time for another epoch of "
                f"{now - self._started:.1f} s, {left} left out; epoch "
                f"{self.best.epoch} is kept"
            )
        return late
