"""What a phase's model is fed with: endless epochs, and all images in order."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tl_keras.config import Phase
from tl_keras.datasets.batches import untuned
from tl_keras.training import imbalance, mixing, outputs
from tl_keras.training.examples import Examples

PREDICT_BATCH_SIZE = 64


@dataclass(frozen=True)
class Plan:
    """How the images of an epoch become updates.

    Attributes:
        phase: How inputs are mixed.
        batch_size: Images an update.
        steps: Updates an epoch.
        seed: Of the order of the images and the views.
        balance: What is done about classes of different size: `Data.imbalance`.
        pieces: Into how many steps each update is cut, where memory is short; a
            divisor of `batch_size`.
    """

    phase: Phase
    batch_size: int
    steps: int
    seed: int
    balance: str = "none"
    pieces: int = 1

    def order(self, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Returns which images an epoch takes, one after another."""
        total = self.steps * self.batch_size
        if self.balance == imbalance.SAMPLING:
            return imbalance.draw_equally(labels, total, random)
        return random.permutation(len(labels))[:total]


def epochs(
    examples: Examples, model: keras.Model, plan: Plan, start: int
) -> tf.data.Dataset:
    """Gives endless epochs, each drawn from its number alone.

    Args:
        examples: What is learned from.
        model: What is fed: the data set has the shapes of its input and output.
        plan: How the images become updates.
        start: Number of the first epoch, from 0.
    """
    targets = _targets(examples, model)
    weights = None
    if plan.balance == imbalance.WEIGHTS:
        classes = max(2, targets.shape[1])
        weights = imbalance.class_weights(examples.labels, classes)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        epoch = start
        while True:
            for inputs, chosen in _epoch(examples, targets, plan, epoch):
                batch = inputs, chosen
                if weights is not None:
                    batch = inputs, *imbalance.weigh(chosen, weights)
                # Mixed as a whole, so that what an update sees is the same.
                yield from zip(*(np.split(part, plan.pieces) for part in batch))
            epoch += 1

    weighted = weights is not None
    return _dataset(batches, model, tf.data.INFINITE_CARDINALITY, weighted)


def _epoch(
    examples: Examples, targets: np.ndarray, plan: Plan, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the mixed batches of one epoch."""
    random = np.random.default_rng((plan.seed, epoch))
    places = plan.order(examples.labels, random)
    drawn = examples.drawn(places, epoch, random, plan.batch_size)
    for first, inputs in zip(range(0, len(places), plan.batch_size), drawn):
        chosen = targets[places[first : first + plan.batch_size]]
        yield mixing.mix(inputs.astype(np.float32), chosen, plan.phase, random)


def in_order(
    examples: Examples, model: keras.Model, batch_size: int = PREDICT_BATCH_SIZE
) -> tf.data.Dataset:
    """Gives all images once, in order, the last batch included."""
    targets = _targets(examples, model)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        first = 0
        for inputs in examples.in_order(batch_size):
            yield inputs.astype(np.float32), targets[first : first + len(inputs)]
            first += len(inputs)

    return _dataset(batches, model, math.ceil(len(targets) / batch_size))


def _targets(examples: Examples, model: keras.Model) -> np.ndarray:
    """Returns what the logits are compared with, `(images, logits)`."""
    return outputs.targets(examples.labels, model.output.shape[-1])


def _dataset(
    batches: Callable[[], Iterator],
    model: keras.Model,
    total: int,
    weighted: bool = False,
) -> tf.data.Dataset:
    """Makes a data set of a generator of `total` pairs `(inputs, targets)`.

    Where it is `weighted`, of triples: each image's weight comes last.
    """
    signature = [
        tf.TensorSpec((None, *tensor.shape[1:]), tf.float32)
        for tensor in (model.input, model.output)
    ]
    signature += [tf.TensorSpec((None,), tf.float32)] * weighted
    data = tf.data.Dataset.from_generator(batches, output_signature=tuple(signature))
    # A generator's length is unknown to TensorFlow; Keras warns where it is missing.
    data = data.apply(tf.data.experimental.assert_cardinality(total))
    return untuned(data.prefetch(2))
