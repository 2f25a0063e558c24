"""A run of mixed precision is built anew in float32 before it is exported.

Converters make files of mixed precision without complaint, and they do not run.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import keras

from tl_keras.export.exportable import Trained
from tl_keras.progress import say

FLOAT32 = "float32"
Run = TypeVar("Run", bound=Trained)


def in_float32(run: Run, opened: Callable[[Path], Run]) -> Run:
    """Returns a run whose network computes in float32: itself, where it does.

    Args:
        run: Its weights are on the disk.
        opened: Opens a run's folder again; the weights, which are float32 under any
            policy, are read into a network of float32.
    """
    layers = run.classifier.model._flatten_layers(include_self=True, recursive=True)
    if all(layer.compute_dtype == FLOAT32 for layer in layers):
        return run
    say("The network is built in float32 for the export")
    with _policy(FLOAT32):
        again = opened(run.folder)
        # Built while the policy holds.
        _ = again.classifier
    return again


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    """Sets Keras's precision while the block runs."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
