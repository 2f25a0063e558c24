"""The learning-rate range test: at which rates does a network learn?

Smith, Cyclical Learning Rates for Training Neural Networks, 2015, section 3.3:
https://arxiv.org/abs/1506.01186. The rate rises from step to step while the loss is
watched: too low a rate changes nothing, too high a one makes the loss explode. Here it
rises by the same factor each step, not by the same amount, for several magnitudes are
looked through.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.optimizers.schedules import ExponentialDecay

from tl_keras.config import Phase
from tl_keras.errors import TlKerasError
from tl_keras.training import feeding, optimizers, outputs
from tl_keras.training.engines.engine import OUT_OF_MEMORY
from tl_keras.training.examples import Examples
from tl_keras.training.feeding import Plan

# What one step tells is mostly luck: it has this share in the smoothed loss.
NEW_SHARE = 0.1
# A loss that is so many times the best one's explodes: all that follows does, too.
EXPLODED = 4.0
# Times that an image may be seen: what is learned by heart makes every rate look good.
MOST_EPOCHS = 10
# With fewer points there is no curve.
FEWEST_STEPS = 20
# The first losses are smoothed over too few to be a minimum.
UNSETTLED = 0.1


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """What a range test found, a point a step.

    Attributes:
        rates: Learning rates, rising.
        losses: Training loss of the step's batch, before the step.
        smoothed: The same without what the batch decides, averaged over the steps
            before: see `smooth`.
        steepest: The rate at which the smoothed loss falls fastest.
        tenth: A tenth of the rate at which it is lowest.
        suggestion: The higher of the two. Training gains most where the loss falls
            fastest, and the rate of a phase is the highest of its schedule; but where
            the curve is flat, noise decides where it falls fastest. The rate of the
            minimum itself is too high: there, rises and falls are in balance.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    steepest: float
    tenth: float
    suggestion: float


def range_test(
    model: keras.Model,
    train: Examples,
    *,
    phase: Phase,
    seed: int,
    kind: str = outputs.MULTI_CLASS,
    balance: str = "none",
    multipliers: Mapping[str, float] | None = None,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Trains a model at rising learning rates, and puts its weights back.

    Args:
        model: From the examples' inputs to logits.
        train: What it learns from.
        phase: The optimizer's other settings, label smoothing, mixing, batch size.
        seed: Of the order of the images, the views and the dropout.
        kind: What the logits stand for: see `training.outputs`.
        balance: What is done about classes of different size: `Data.imbalance`.
        multipliers: Shares of the learning rate by layer name; 1 for all others.
        lowest: The first rate.
        highest: The last rate, unless the loss explodes before.
        steps: How many rates to try; fewer where the images are few.

    Raises:
        TlKerasError: If the loss does not fall before it explodes, or the memory is
            too small.
    """
    before = model.get_weights()
    images = len(train.labels)
    batch_size = min(phase.batch_size, images)
    steps = min(steps, max(FEWEST_STEPS, MOST_EPOCHS * images // batch_size))
    _compile(model, phase, kind, multipliers or {}, _rise(lowest, highest, steps))
    plan = Plan(phase, batch_size, images // batch_size, seed, balance)

    def losses_of(work: Callable[..., Any]) -> Iterator[float]:
        for batch in feeding.epochs(train, model, plan, 0):
            yield float(work(*batch))

    losses: list[float] = []
    try:
        untrained = list(itertools.islice(losses_of(model.test_on_batch), steps))
        for loss in itertools.islice(losses_of(model.train_on_batch), steps):
            losses.append(loss)
            if _explodes(losses, untrained):
                break
    except OUT_OF_MEMORY:
        raise TlKerasError(
            f"The memory does not hold {batch_size} images a step: choose a smaller "
            f"{phase._section}batch_size or backbone.image_size."
        ) from None
    finally:
        model.set_weights(before)
    rates = np.geomspace(lowest, highest, steps).tolist()
    return judge(rates[: len(losses)], losses, untrained[: len(losses)])


def judge(
    rates: Sequence[float], losses: Sequence[float], untrained: Sequence[float]
) -> RangeTest:
    """Returns what the points of a range test say.

    Args:
        rates: Learning rates, rising.
        losses: The training loss at each; only the last may be infinite or NaN.
        untrained: The loss of the same batches before all training.

    Raises:
        TlKerasError: If the loss does not fall before it explodes.
    """
    curve = smooth(losses, untrained)
    # What explodes is shown, but is nothing to learn from.
    sound = len(losses) - _explodes(losses, untrained)
    first = math.ceil(UNSETTLED * sound)
    settled = np.array(curve[first:sound])
    if len(settled) < 2 or settled.argmin() == 0:
        raise TlKerasError(
            f"The loss falls at no learning rate from {rates[0]:g} to {rates[-1]:.1e}: "
            f"start lower than {rates[0]:g} or take more steps."
        )
    slopes = np.gradient(settled, np.log(rates[first:sound]))
    steepest = rates[first + int(slopes.argmin())]
    tenth = rates[first + int(settled.argmin())] / 10
    return RangeTest(
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(curve),
        steepest=steepest,
        tenth=tenth,
        suggestion=max(steepest, tenth),
    )


def smooth(losses: Sequence[float], untrained: Sequence[float]) -> list[float]:
    """Returns averaged losses that tell what was learned, not which batches are hard.

    Batches differ by more than a hundred steps teach, above all mixed ones. So the
    difference from the untrained loss of the same batch is averaged: exponentially,
    and corrected for the start at 0 (Kingma and Ba, 2014, section 3), without which
    the first averages would be near it.

    Args:
        losses: A training loss a batch.
        untrained: Of these batches, and others behind them, before all training.
    """
    averages, average, level = [], 0.0, float(np.mean(untrained))
    for step, (loss, start) in enumerate(zip(losses, untrained), start=1):
        average += NEW_SHARE * (loss - start - average)
        averages.append(level + average / (1 - (1 - NEW_SHARE) ** step))
    return averages


def _explodes(losses: Sequence[float], untrained: Sequence[float]) -> bool:
    """Tells whether the last of some losses is beyond all use."""
    curve = smooth(losses, untrained)
    return not math.isfinite(curve[-1]) or curve[-1] > EXPLODED * min(curve)


def _rise(lowest: float, highest: float, steps: int) -> ExponentialDecay:
    """Returns a rate that rises by the same factor each step."""
    return ExponentialDecay(lowest, steps - 1, highest / lowest)


def _compile(
    model: keras.Model,
    phase: Phase,
    kind: str,
    multipliers: Mapping[str, float],
    rates: ExponentialDecay,
) -> None:
    """Sets the optimizer and the loss of a phase, with other rates."""
    optimizer = optimizers.build(model, phase, 1, multipliers=multipliers)
    optimizer.learning_rate = rates
    model.compile(optimizer, outputs.loss(kind, phase.label_smoothing))
