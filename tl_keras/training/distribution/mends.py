"""Mends of Keras's `fit` with several worker processes, while it runs.

With them, training under a `MultiWorkerMirroredStrategy` is what it is in one process.
Keras 3.15 fails there in two places of `keras/src/backend/tensorflow/trainer.py`
(keras#20585):

- `_maybe_symbolic_build` takes the mean of a batch over all replicas to learn its
  shape, which a strategy of one device a process refuses;
- `reduce_per_replica` takes the mean of scalars along their first axis.

A test runs both places without the mends and fails once they are needed no longer.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import trainer

from tl_keras.errors import TlKerasError

# Known to need them; what a later one needs, nobody has looked at.
FIRST, BEYOND = (3, 15), (3, 16)


@contextlib.contextmanager
def mended(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """Has Keras fit with several worker processes in the block.

    Args:
        strategy: What is trained under. Nothing is mended where it has one process.

    Raises:
        TlKerasError: If this version of Keras is none that the mends are for.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        yield
        return
    require_known(keras.__version__)
    owner, build = trainer.TensorFlowTrainer, trainer.TensorFlowTrainer.__dict__
    build, reduce = build["_maybe_symbolic_build"], trainer.reduce_per_replica
    owner._maybe_symbolic_build = _build
    trainer.reduce_per_replica = _reduce_with(reduce)
    try:
        yield
    finally:
        owner._maybe_symbolic_build = build
        trainer.reduce_per_replica = reduce


def require_known(version: str) -> None:
    """Refuses versions of Keras that the mends were not made for.

    Raises:
        TlKerasError: If it is one.
    """
    number = tuple(int(part) for part in version.split(".")[:2])
    if not FIRST <= number < BEYOND:
        raise TlKerasError(
            f"Training with several processes needs Keras 3.15, and this is {version}: "
            "install `keras==3.15.*`."
        )


def _build(model: keras.Model, iterator: Any = None, data_batch: Any = None) -> None:
    """Builds the metrics by one replica's batch."""
    strategy = model.distribute_strategy
    if iterator is not None:
        for _, _, batches in iterator:
            data_batch = next(batches)
            break
    local = keras.tree.map_structure(
        lambda part: strategy.experimental_local_results(part)[0], data_batch
    )
    with strategy.scope():
        model._symbolic_build(data_batch=local)


def _reduce_with(original: Any) -> Any:
    """Returns a `reduce_per_replica` that takes the mean of scalars as they are."""

    def reduce(values: Any, strategy: tf.distribute.Strategy, reduction: str) -> Any:
        if reduction not in ("auto", "mean"):
            return original(values, strategy, reduction)
        return keras.tree.map_structure(
            lambda value: strategy.reduce("MEAN", value, axis=None), values
        )

    return reduce
