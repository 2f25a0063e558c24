"""One phase of training on cached arrays: compile, fit, keep the best, be resumable."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tl_keras.config import Phase
from tl_keras.errors import StorageError, TlKerasError
from tl_keras.progress import say
from tl_keras.state import note_epoch
from tl_keras.training import checkpoint, feeding, optimizers, outputs
from tl_keras.training.checkpoint import Best, State, Writer
from tl_keras.training.distribution.sharing import Share
from tl_keras.training.distribution.team import Team, current
from tl_keras.training.engines.engine import OUT_OF_MEMORY
from tl_keras.training.examples import Examples
from tl_keras.training.feeding import PREDICT_BATCH_SIZE, Plan
from tl_keras.training.history import History
from tl_keras.training.keeper import Keeper, Task
from tl_keras.training.watched import Watched, own_errors

# What Keras calls the state of a layer that draws random numbers.
SEEDS = "seed_generator_state"


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
    multipliers: Mapping[str, float] | None = None,
    deadline: float | None = None,
) -> History:
    """Trains `model` and leaves it with the weights of its best epoch.

    Starts behind the last finished epoch that `save_to` or the checkpoint before it
    holds. Where a batch is too
    large for the memory, its images go through the network in several steps, and
    their gradients make up the same update; but batch normalization that trains sees
    fewer images at once, and dropout draws other masks. With several devices a copy of
    the model trains on each, on its rows of every batch.

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
        save_to: The phase's checkpoint, written at the end of every epoch. The one
            before stays beside it, in case this one is damaged.
        kind: What the logits stand for: see `training.outputs`.
        balance: What is done about classes of different size: `Data.imbalance`.
        multipliers: Shares of the learning rate by layer name; 1 for all others.
        deadline: When to be done, in seconds of `time.monotonic`: no epoch starts
            that would end later, were it as long as the one before. One epoch runs
            in any case.

    Returns:
        The history with this phase's epochs.

    Raises:
        TlKerasError: If the loss is no longer a number, or the memory too small.
        StorageError: If the checkpoint is of another model or cannot be written.
    """
    batch_size = min(phase.batch_size, len(train.labels))
    steps = len(train.labels) // batch_size
    team = current()
    copy = team.replicate(model)
    training = _Training(
        copy,
        Watched(train),
        Watched(validation),
        Task(name, phase, len(validation.labels), deadline),
        Plan(phase, batch_size, steps, seed, balance),
        kind,
        multipliers or {},
        save_to,
        _beginning(copy, seed),
        team,
    )
    history = training.run(history)
    team.collect(copy, model)
    return history


def _beginning(model: keras.Model, seed: int) -> list[np.ndarray]:
    """Returns a model's variables, its random numbers as they are to begin.

    What was drawn before, in a phase or in building the network, is another thing in a
    run that was resumed.
    """
    found, generators = [], 0
    for variable in model.variables:
        value = variable.numpy()
        if variable.path.endswith(SEEDS):
            value = np.array([seed, generators]).astype(value.dtype)
            generators += 1
        found.append(value)
    return found


@dataclass(frozen=True)
class _Training:
    """One phase: what `train` was given, and the variables that it began with."""

    model: keras.Model
    train: Watched
    validation: Watched
    task: Task
    plan: Plan
    kind: str
    multipliers: Mapping[str, float]
    save_to: Path
    begun: list[np.ndarray]
    team: Team

    def run(self, history: History) -> History:
        """Trains with as many images a step as the memory holds."""
        saved = checkpoint.latest(self.save_to)
        pieces = saved.pieces if saved else 1
        while True:
            try:
                with own_errors(self.train, self.validation), self.team.mended():
                    return self._attempt(history, pieces)
            except OUT_OF_MEMORY:
                pieces = self._more_pieces(pieces)
            history = replace(history, epochs=History.load(history.folder).epochs)

    def _attempt(self, history: History, pieces: int) -> History:
        """Trains from the last finished epoch on, each update in some pieces."""
        model, task = self.model, self.task
        self._compile(pieces)
        start, best, over = self._resume()
        with Writer() as writer:

            def write(epoch: int, best: Best, over: bool) -> None:
                state = State.of(
                    model, epoch=epoch, pieces=pieces, best=best, over=over
                )
                settled = keeper.history.settled
                note = functools.partial(
                    note_epoch,
                    history.folder,
                    settled + epoch,
                    settled + best.epoch,
                    best.accuracy,
                )
                writer.write(self.save_to, state, note)

            keeper = Keeper(task, history.until(task.name, start), best, write)
            held_out = self._held_out(pieces)
            if held_out and not keeper.best.weights:
                # What the phase starts from is the first candidate: training that
                # makes the model worse is thrown away.
                _, accuracy = model.evaluate(
                    held_out, steps=self._held_out_steps(), verbose=0
                )
                keeper.best = Best(accuracy, 0, model.get_weights())
            if start < task.phase.epochs and not over:
                self._fit(keeper, start, pieces, held_out)
        model.set_weights(keeper.best.weights)
        return keeper.history

    def _compile(self, pieces: int) -> None:
        """Sets the optimizer and the loss; the only place that compiles."""
        phase = self.task.phase
        with self.team.scope():
            optimizer = optimizers.build(
                self.model,
                phase,
                self.plan.steps,
                multipliers=self.multipliers,
                pieces=pieces,
            )
            loss = outputs.loss(self.kind, phase.label_smoothing)
            if self.team.replicas > 1:
                metrics = {"weighted_metrics": [outputs.counted_accuracy(self.kind)]}
            else:
                metrics = {"metrics": [outputs.accuracy(self.kind)]}
            self.model.compile(optimizer, loss, **metrics)

    def _fit(
        self,
        keeper: Keeper,
        start: int,
        pieces: int,
        held_out: tf.data.Dataset | None,
    ) -> None:
        """Runs the epochs that are left."""
        plan = replace(self.plan, pieces=pieces)
        self.model.fit(
            self._fed(
                lambda share: feeding.epochs(self.train, self.model, plan, start, share)
            ),
            steps_per_epoch=plan.steps * pieces,
            initial_epoch=start,
            epochs=self.task.phase.epochs,
            validation_data=held_out,
            validation_steps=self._held_out_steps(),
            callbacks=keeper.callbacks(),
            shuffle=False,
            verbose=0,
        )

    def _held_out(self, pieces: int) -> tf.data.Dataset | None:
        """Returns the validation images, `None` where there are none."""
        if not len(self.validation.labels):
            return None
        if self.team.replicas > 1:
            return self._fed(
                lambda share: feeding.in_shares(self.validation, self.model, share)
            )
        batch_size = max(1, PREDICT_BATCH_SIZE // pieces)
        return feeding.in_order(self.validation, self.model, batch_size)

    def _held_out_steps(self) -> int | None:
        """Returns in how many steps replicas see the validation images."""
        images, share = len(self.validation.labels), self.team.share
        several = images and self.team.replicas > 1
        return feeding.shared_steps(images, share) if several else None

    def _fed(self, make: Callable[[Share], tf.data.Dataset]) -> tf.data.Dataset:
        """Returns a data set for all replicas."""
        team = self.team
        return team.distributed(make) if team.replicas > 1 else make(team.share)

    def _resume(self) -> tuple[int, Best, bool]:
        """Puts the model where the last finished epoch left it.

        Returns:
            Finished epochs of the phase, the best of them, and whether the phase ended
            early with the last.
        """
        state = checkpoint.latest(self.save_to)
        if state is None:
            for variable, value in zip(self.model.variables, self.begun):
                variable.assign(value)
            return 0, Best.none_yet(), False
        if not state.put(self.model):
            raise StorageError(
                f"Checkpoint {self.save_to} is of another model. Delete its folder to "
                "repeat the phase."
            )
        return state.epoch, state.best, state.over

    def _more_pieces(self, pieces: int) -> int:
        """Returns into how many steps to cut an update next, and says so."""
        name, batch_size = self.task.name, self.plan.batch_size
        if self.team.replicas > 1:
            raise TlKerasError(
                f"{name}: the memory of a device does not hold its part of "
                f"{batch_size} images a step: choose a smaller {name}.batch_size."
            ) from None
        finer = [
            number
            for number in range(2 * pieces, batch_size + 1)
            if batch_size % number == 0
        ]
        if not finer:
            raise TlKerasError(
                f"{name}: the memory does not hold {batch_size // pieces} image a "
                "step: choose a smaller backbone.image_size or backbone."
            ) from None
        say(
            f"{name}: {batch_size // pieces} images a step do not fit into the memory; "
            f"going on with {batch_size // finer[0]}, {finer[0]} steps an update"
        )
        return finer[0]
