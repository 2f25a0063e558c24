"""One phase of training on cached arrays: compile, fit, keep the best, be resumable."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tl_keras.config import Phase
from tl_keras.errors import TlKerasError
from tl_keras.training import checkpoint, heads, imbalance, mixing, outputs
from tl_keras.training.checkpoint import Best
from tl_keras.training.examples import Examples
from tl_keras.training.history import Epoch, History

PREDICT_BATCH_SIZE = 64


def train(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    *,
    name: str,
    phase: Phase,
    seed: int,
    history: History,
    save_to: Path,
    kind: str = outputs.MULTI_CLASS,
    balance: str = "none",
    deadline: float | None = None,
) -> History:
    """Trains `model` and leaves it with the weights of its best epoch.

    Starts behind the last finished epoch if `save_to` exists.

    Args:
        model: From the examples' inputs to logits.
        train: What it learns from: every epoch takes each image once, unless `balance`
            has it otherwise.
        validation: What chooses the epoch to keep (see `Best`). Where there is
            none, all epochs run and the last is kept.
        name: The phase's name.
        phase: How to train.
        seed: Of the order of the images, the views and the dropout.
        history: The epochs before.
        save_to: The phase's checkpoint, written at the end of every epoch.
        kind: What the logits stand for: see `training.outputs`.
        balance: What is done about classes of different size: `Data.imbalance`.
        deadline: When to be done, in seconds of `time.monotonic`: no epoch starts
            that would end later, were it as long as the one before. One epoch runs
            in any case.

    Returns:
        The history with this phase's epochs.
    """
    batch_size = min(phase.batch_size, len(train.labels))
    steps = len(train.labels) // batch_size
    _compile(model, phase, steps, kind)
    start, best = 0, Best.none_yet()
    if save_to.exists():
        start, best = checkpoint.restore(save_to, model)
    keeper = _Keeper(
        name, phase, history.until(name, start), save_to, best, len(validation.labels)
    )
    keeper.deadline = math.inf if deadline is None else deadline
    held_out = _in_order(validation, model) if len(validation.labels) else None
    if held_out and not keeper.best.weights:
        # What the phase starts from is the first candidate: training that makes
        # the model worse is thrown away.
        _, accuracy = model.evaluate(held_out, verbose=0)
        keeper.best = Best(accuracy, 0, model.get_weights())
    if start < phase.epochs and start - keeper.best.epoch < phase.patience:
        model.fit(
            _epochs(train, model, batch_size, steps, phase, seed, start, balance),
            steps_per_epoch=steps,
            initial_epoch=start,
            epochs=phase.epochs,
            validation_data=held_out,
            callbacks=_callbacks(keeper, phase),
            shuffle=False,
            verbose=0,
        )
    model.set_weights(keeper.best.weights)
    return keeper.history


def _compile(model: keras.Model, phase: Phase, steps: int, kind: str) -> None:
    """Sets the optimizer and the loss; the only place that compiles."""
    warmup = min(phase.warmup_epochs, phase.epochs - 1) * steps
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else phase.learning_rate,
        phase.epochs * steps - warmup,
        warmup_target=phase.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        weight_decay=phase.weight_decay,
        use_ema=phase.ema_momentum > 0,
        ema_momentum=phase.ema_momentum,
    )
    # The power of a generalised mean is no kernel, although a dense layer holds it.
    powers = [w for w in model.trainable_weights if heads.GEM_POWER in w.path]
    optimizer.exclude_from_weight_decay(powers, ["bias", "gamma", "beta"])
    loss = outputs.loss(kind, phase.label_smoothing)
    model.compile(optimizer, loss, metrics=[outputs.accuracy(kind)])


def _epochs(
    examples: Examples,
    model: keras.Model,
    batch_size: int,
    steps: int,
    phase: Phase,
    seed: int,
    start: int,
    balance: str = "none",
) -> tf.data.Dataset:
    """Gives endless epochs, each drawn from its number alone."""
    targets, labels = _targets(examples, model), examples.labels
    weights = None
    if balance == imbalance.WEIGHTS:
        weights = imbalance.class_weights(labels, max(2, targets.shape[1]))

    def order(random: np.random.Generator) -> np.ndarray:
        if balance == imbalance.SAMPLING:
            return imbalance.draw_equally(labels, steps * batch_size, random)
        return random.permutation(len(targets))[: steps * batch_size]

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        epoch = start
        while True:
            random = np.random.default_rng((seed, epoch))
            places = order(random)
            drawn = examples.drawn(places, epoch, random, batch_size)
            for step, inputs in enumerate(drawn):
                chosen = places[step * batch_size : (step + 1) * batch_size]
                batch = inputs.astype(np.float32), targets[chosen]
                inputs, mixed = mixing.mix(*batch, phase, random)
                if weights is None:
                    yield inputs, mixed
                else:
                    yield inputs, *imbalance.weigh(mixed, weights)
            epoch += 1

    weighted = weights is not None
    return _dataset(batches, model, tf.data.INFINITE_CARDINALITY, weighted)


def _in_order(examples: Examples, model: keras.Model) -> tf.data.Dataset:
    """Gives all images once, in order, the last batch included."""
    targets = _targets(examples, model)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        first = 0
        for inputs in examples.in_order(PREDICT_BATCH_SIZE):
            yield inputs.astype(np.float32), targets[first : first + len(inputs)]
            first += len(inputs)

    return _dataset(batches, model, math.ceil(len(targets) / PREDICT_BATCH_SIZE))


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
    return data.apply(tf.data.experimental.assert_cardinality(total)).prefetch(2)


def _callbacks(keeper: "_Keeper", phase: Phase) -> list[keras.callbacks.Callback]:
    """Returns the keeper, and the swap of averaged weights around validation.

    Order matters: at the end of validation the keeper reads the averaged weights
    before they are swapped out again.
    """
    if phase.ema_momentum > 0:
        keeper.averages = keras.callbacks.SwapEMAWeights()
        return [keeper, keeper.averages]
    return [keeper]


class _Keeper(keras.callbacks.Callback):
    """Keeps the best weights, the history and the checkpoint; stops early."""

    def __init__(
        self,
        name: str,
        phase: Phase,
        history: History,
        path: Path,
        best: Best,
        validation_images: int,
    ):
        super().__init__()
        self.name, self.phase, self.path = name, phase, path
        self.history, self.best = history, best
        self.validation_images = validation_images
        self.epoch, self.started = 0, 0.0
        self.deadline = math.inf
        self.averages: keras.callbacks.SwapEMAWeights | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes which epoch it is, and the time."""
        self.epoch, self.started = epoch + 1, time.monotonic()

    def on_test_end(self, logs: dict | None = None) -> None:
        """Keeps the weights if validation finds them as good as the best."""
        accuracy = float(logs["accuracy"])
        if self.best.keeps(accuracy, self.validation_images):
            highest = max(accuracy, self.best.accuracy)
            self.best = Best(highest, self.epoch, self.model.get_weights())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the epoch down, so that a killed run goes on from here."""
        if not math.isfinite(logs["loss"]):
            raise TlKerasError(
                f"The training loss is {logs['loss']} in epoch {self.epoch} of "
                f"{self.name}: lower {self.name}.learning_rate, now "
                f"{self.phase.learning_rate:g}."
            )
        if not self.validation_images:
            self._keep_last()
        self.history = self.history.add(
            Epoch(
                epoch=len(self.history.epochs) + 1,
                phase=self.name,
                **{key: float(logs[key]) for key in ("loss", "accuracy")},
                val_loss=float(logs.get("val_loss", math.nan)),
                val_accuracy=float(logs.get("val_accuracy", math.nan)),
                learning_rate=float(self.model.optimizer.learning_rate),
                seconds=time.monotonic() - self.started,
            )
        )
        checkpoint.save(self.path, self.model, epoch + 1, self.best)
        now = time.monotonic()
        if 2 * now - self.started > self.deadline:
            self.model.stop_training = True
        if self.epoch - self.best.epoch >= self.phase.patience:
            self.model.stop_training = True

    def _keep_last(self) -> None:
        """Keeps the weights of the epoch that ends, averaged ones where there are."""
        if self.averages:
            self.averages.on_test_begin()
        self.best = Best(math.nan, self.epoch, self.model.get_weights())
        if self.averages:
            self.averages.on_test_end()
