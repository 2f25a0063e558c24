"""The devices and processes that train one run together.

A team is there from `join` on, before TensorFlow looks at its devices, and `current`
gives it to whoever trains, computes features or writes. Without one, all is done here.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from tl_keras.cluster import Cluster
from tl_keras.training.distribution.mends import mended
from tl_keras.training.distribution.sharing import ALL, Share

# A barrier has no limit of its own: who is dead is found out by the heartbeat.
FOREVER = 30 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Team:
    """The devices and processes that train one run together.

    Attributes:
        strategy: What TensorFlow trains under; `None` where one device does.
        cluster: The processes; `None` where this is the only one.
    """

    strategy: tf.distribute.Strategy | None = None
    cluster: Cluster | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @property
    def replicas(self) -> int:
        """Copies of the model in all processes."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @property
    def workers(self) -> int:
        """Processes."""
        return len(self.cluster.members) if self.cluster else 1

    @property
    def number(self) -> int:
        """This process's number among them; 0 is the chief."""
        return self.cluster.number if self.cluster else 0

    @property
    def is_chief(self) -> bool:
        """Tells whether this process writes the run folder and shows the progress."""
        return self.number == 0

    @property
    def share(self) -> Share:
        """The replicas of this process."""
        here = self.replicas // self.workers
        return Share(self.replicas, self.number * here, here) if self.strategy else ALL

    def scope(self) -> contextlib.AbstractContextManager:
        """Makes the variables that are created in the block those of all replicas."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def mended(self) -> contextlib.AbstractContextManager:
        """Has Keras's `fit` and `evaluate` run with several processes in the block."""
        return mended(self.strategy)

    def replicate(self, model: keras.Model) -> keras.Model:
        """Returns a copy of a model on every replica, all with the chief's weights.

        The model itself where there is one device. Batch normalization that trains
        takes its statistics from the rows of all replicas.

        Args:
            model: A functional model.
        """
        if not self.strategy:
            return model
        values = self.from_chief([variable.numpy() for variable in model.variables])
        with self.scope():
            copy = keras.models.clone_model(model, clone_function=_copy, recursive=True)
            _assign(copy, values)
        return copy

    def collect(self, copy: keras.Model, model: keras.Model) -> None:
        """Puts the weights of what `replicate` returned into the model."""
        if copy is not model:
            _assign(model, [variable.numpy() for variable in copy.variables])

    def align(self, model: keras.Model) -> None:
        """Gives a model the chief's weights, where it has others."""
        if self.workers == 1:
            return
        values = [variable.numpy() for variable in model.variables]
        digest = hashlib.sha256()
        for value in values:
            digest.update(value.tobytes())
        own = digest.hexdigest()
        differs = np.array(self.told(own) != own, np.float32)
        # All have to know whether one needs them.
        if self._sum(differs) > 0:
            _assign(model, self.from_chief(values))

    def distributed(self, make: Callable[[Share], tf.data.Dataset]) -> Any:
        """Returns a data set of which every replica gets its own batches.

        Args:
            make: Returns the batches of the replicas of this process, one after
                another.
        """
        return self.strategy.distribute_datasets_from_function(
            lambda _: make(self.share)
        )

    def barrier(self) -> None:
        """Waits until all processes are here; each has to come."""
        if self.workers > 1:
            name = f"tl_keras/{next(self._numbers)}"
            context.context().wait_at_barrier(name, FOREVER)

    def told(self, text: str = "") -> str:
        """Returns what the chief says; each process has to ask.

        Args:
            text: Of the chief; of others it does not matter.
        """
        if self.workers == 1:
            return text
        name = f"tl_keras/{next(self._numbers)}"
        if self.is_chief:
            context.context().set_config_key_value(name, text)
            return text
        return context.context().get_config_key_value(name)

    def agreed(self, choice: bool) -> bool:
        """Returns what the chief chose; each process has to ask."""
        return self.told(str(int(choice))) == "1"

    def from_chief(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Returns the chief's arrays; each process has to come, with equal shapes."""
        if self.workers == 1:
            return values
        found: list[np.ndarray] = [*values]
        for exact, kinds in ((np.int64, "iub"), (np.float32, "fV")):
            places = [n for n, value in enumerate(values) if value.dtype.kind in kinds]
            parts = [values[place].astype(exact).reshape(-1) for place in places]
            # TensorFlow crashes where it has nothing to sum up.
            if not sum(map(len, parts)):
                continue
            # All in one, as each costs a way to all the others.
            joint = np.concatenate(parts)
            joint = self._sum(joint if self.is_chief else np.zeros_like(joint))
            ends = np.cumsum([len(part) for part in parts])[:-1]
            for place, part in zip(places, np.split(joint, ends)):
                shape, kind = values[place].shape, values[place].dtype
                found[place] = part.reshape(shape).astype(kind)
        return found

    def _sum(self, value: np.ndarray) -> np.ndarray:
        """Returns the sum of the arrays of all processes."""
        mine = tf.constant(value)

        def part() -> tf.Tensor:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            first = tf.equal(replica, self.share.first)
            return mine * tf.cast(first, mine.dtype)

        @tf.function
        def total() -> tf.Tensor:
            return self.strategy.reduce("SUM", self.strategy.run(part), axis=None)

        return total().numpy()


_current = [Team()]


def current() -> Team:
    """Returns the team that this process belongs to, or one of itself alone."""
    return _current[-1]


@contextlib.contextmanager
def entered(team: Team) -> Iterator[Team]:
    """Makes a team the current one in the block."""
    _current.append(team)
    try:
        yield team
    finally:
        _current.pop()


def _assign(model: keras.Model, values: list[np.ndarray]) -> None:
    """Puts values into a model's variables, dropout's seeds among them."""
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


def _copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns a new layer like one; what holds nothing is shared."""
    if not isinstance(layer, keras.layers.Layer):
        return layer
    config = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
        config["synchronized"] = True
    copy = layer.__class__.from_config(config)
    copy.trainable = layer.trainable
    return copy
