"""A trace of a few steps: where the time of training goes."""

import contextlib
from pathlib import Path

import keras
import tensorflow as tf

# The first step is spent on building the graph. A trace of a few is megabytes already.
SKIPPED, TRACED = 1, 5


class Tracer(keras.callbacks.Callback):
    """Traces the first steps of a phase behind the very first, for TensorBoard.

    TensorBoard shows traces where its plugin `tensorboard-plugin-profile` is installed.
    """

    def __init__(self, folder: Path):
        """Traces nothing yet.

        Args:
            folder: Of an event file; the trace goes to `plugins/profile` in it.
        """
        super().__init__()
        self._folder, self._steps, self._tracing = folder, 0, False

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the trace in its step."""
        if self._steps == SKIPPED:
            # One that a step broke off, for lack of memory, is still under way.
            with contextlib.suppress(tf.errors.AlreadyExistsError):
                tf.profiler.experimental.start(str(self._folder))
            self._tracing = True
        self._steps += 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Ends the trace behind its last step."""
        if self._steps == SKIPPED + TRACED:
            self._stop()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Ends the trace of a phase that has fewer steps."""
        self._stop()

    def _stop(self) -> None:
        """Writes the trace, if there is one under way."""
        if self._tracing:
            tf.profiler.experimental.stop()
        self._tracing = False
