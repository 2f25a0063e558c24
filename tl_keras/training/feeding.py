"""What a phase's model is fed with: endless epochs, and all images in order."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tl_keras.config import Phase
from tl_keras.datasets.batches import untuned
from tl_keras.training import imbalance, mixing, outputs
from tl_keras.training.distribution.sharing import ALL, Share
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
    examples: Examples, model: keras.Model, plan: Plan, start: int, share: Share = ALL
) -> tf.data.Dataset:
    """Gives endless epochs, each drawn from its number alone.

    Args:
        examples: What is learned from.
        model: What is fed: the data set has the shapes of its input and output.
        plan: How the images become updates.
        start: Number of the first epoch, from 0.
        share: Of several replicas those that are fed: a batch each, one after another.
            Each image then has a weight.
    """
    targets = _targets(examples, model)
    weights = None
    if plan.balance == imbalance.WEIGHTS:
        classes = max(2, targets.shape[1])
        weights = imbalance.class_weights(examples.labels, classes)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        epoch = start
        while True:
            for inputs, chosen, counts in _epoch(examples, targets, plan, epoch, share):
                batch = inputs, chosen
                if weights is not None:
                    chosen, weighed = imbalance.weigh(chosen, weights)
                    batch = inputs, chosen, weighed * counts
                elif share.replicas > 1:
                    batch = inputs, chosen, counts
                # Mixed as a whole, so that what an update sees is the same.
                parts = plan.pieces * share.here
                yield from zip(*(np.split(part, parts) for part in batch))
            epoch += 1

    weighted = weights is not None or share.replicas > 1
    return _dataset(batches, model, tf.data.INFINITE_CARDINALITY, weighted)


def _epoch(
    examples: Examples, targets: np.ndarray, plan: Plan, epoch: int, share: Share
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields this process's rows of the mixed batches of one epoch, and their weights.

    All is drawn for the whole batches. Inputs are read of one's own rows alone, and of
    those that are mixed into them.
    """
    random = np.random.default_rng((plan.seed, epoch))
    places, size = plan.order(examples.labels, random), plan.batch_size
    views, shape = examples.draw(places, epoch, random), examples.shape(epoch)
    mixtures = [
        mixing.draw(size, shape, plan.phase, random) for _ in range(len(places) // size)
    ]
    own, weights = (part.reshape(-1) for part in share.places(size))
    needed = [
        np.unique(np.concatenate([own, mixture.other[own]]) if mixture else own)
        for mixture in mixtures
    ]
    read = np.concatenate([number * size + rows for number, rows in enumerate(needed)])
    found = _regrouped(
        examples.drawn(places[read], epoch, views[read], size), map(len, needed)
    )
    for number, (mixture, rows, inputs) in enumerate(zip(mixtures, needed, found)):
        chosen = targets[places[number * size : (number + 1) * size]]
        inputs = inputs.astype(np.float32)
        mine = np.searchsorted(rows, own)
        if mixture is None:
            yield _taken(inputs, mine), chosen[own], weights
            continue
        others = inputs[np.searchsorted(rows, mixture.other[own])]
        mixed = mixture.inputs(_taken(inputs, mine), others, own)
        yield mixed, mixture.targets(chosen)[own], weights


def _taken(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns some rows; all of them, in their order, are not copied."""
    whole = len(rows) == len(places) and (np.diff(places) == 1).all()
    return rows if whole else rows[places]


def _regrouped(
    batches: Iterator[np.ndarray], sizes: Iterable[int]
) -> Iterator[np.ndarray]:
    """Yields the rows of some batches in groups of other sizes."""
    held: list[np.ndarray] = []
    for size in sizes:
        while sum(map(len, held)) < size:
            held.append(next(batches))
        rows = held[0] if len(held) == 1 else np.concatenate(held)
        held = [rows[size:]] if len(rows) > size else []
        yield rows[:size]


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


def shared_steps(images: int, share: Share) -> int:
    """Returns in how many steps replicas see all images once in `in_shares`."""
    return math.ceil(images / (share.replicas * share.rows(PREDICT_BATCH_SIZE)))


def in_shares(examples: Examples, model: keras.Model, share: Share) -> tf.data.Dataset:
    """Gives all images in order again and again, to several replicas.

    Every `shared_steps` steps, each replica gets a batch a step; what the last step
    lacks is filled up with images of weight 0.

    Args:
        examples: The images.
        model: What is fed.
        share: The replicas that are fed here.
    """
    targets = _targets(examples, model)
    rows = share.rows(PREDICT_BATCH_SIZE)
    steps, total = shared_steps(len(targets), share), len(targets)
    numbers = np.arange(steps * share.replicas * rows)
    numbers = numbers.reshape(steps, share.replicas, rows)
    own = numbers[:, share.first : share.first + share.here].reshape(-1)
    counts = own < total
    own = np.where(counts, own, 0)
    # Over all steps, the mean is that of the images.
    weights = (counts * (numbers.size / total)).astype(np.float32)

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        while True:
            for number, inputs in enumerate(examples.plain(own, rows)):
                chosen = slice(number * rows, (number + 1) * rows)
                yield (
                    inputs.astype(np.float32),
                    targets[own[chosen]],
                    weights[chosen],
                )

    return _dataset(batches, model, tf.data.INFINITE_CARDINALITY, weighted=True)


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
