"""The optimizer of a phase: AdamW, its schedules, and a share of the rate a layer."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule

from tl_keras.config import Phase
from tl_keras.training import heads

COSINE, ONE_CYCLE = "cosine", "one_cycle"
# Of one cycle: where the rate is highest, and how far below it begins and ends.
RISE, FIRST, LAST = 0.3, 1 / 25, 1e-5
# The momentum at the ends of one cycle, and where the rate is highest.
HIGH_MOMENTUM, LOW_MOMENTUM = 0.95, 0.85
MOMENTUM = 0.9


class OneCycle(LearningRateSchedule):
    """Goes from one number to a second, then to a third, by half a cosine each.

    With rates that is the policy of Smith and Topin (2017,
    https://arxiv.org/abs/1708.07120), with a momentum that goes the other way round
    (Smith, 2018, https://arxiv.org/abs/1803.09820); shape and numbers are those of
    fastai (Howard and Gugger, 2020, https://arxiv.org/abs/2002.04688). It depends on
    the step alone.

    Attributes:
        first: At step 0.
        middle: After three tenths of the steps.
        last: After all steps.
        steps: How many.
    """

    def __init__(self, first: float, middle: float, last: float, steps: int):
        """Makes a schedule of `steps` steps."""
        self.first, self.middle, self.last, self.steps = first, middle, last, steps

    def __call__(self, step: int | KerasTensor) -> KerasTensor:
        """Returns the number at a step."""
        done = ops.cast(step, "float32") / self.steps
        return ops.where(
            done < RISE,
            _half_cosine(self.first, self.middle, done / RISE),
            _half_cosine(self.middle, self.last, (done - RISE) / (1 - RISE)),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns what `__init__` takes."""
        names = ("first", "middle", "last", "steps")
        return {name: getattr(self, name) for name in names}


def _half_cosine(start: float, end: float, done: KerasTensor) -> KerasTensor:
    """Returns a number between two: `start` where nothing is done, `end` where all."""
    return end + (start - end) * (1 + ops.cos(math.pi * ops.minimum(done, 1.0))) / 2


def rate(phase: Phase, steps: int) -> LearningRateSchedule:
    """Returns a phase's learning rate by the number of updates before.

    Args:
        phase: Its schedule, highest rate, epochs and warm-up.
        steps: Updates an epoch.
    """
    highest = phase.learning_rate
    if phase.schedule == ONE_CYCLE:
        total = phase.epochs * steps
        return OneCycle(highest * FIRST, highest, highest * LAST, total)
    warmup = min(phase.warmup_epochs, phase.epochs - 1) * steps
    return CosineDecay(
        0.0 if warmup else highest,
        phase.epochs * steps - warmup,
        warmup_target=highest if warmup else None,
        warmup_steps=warmup,
    )


def momentum(phase: Phase, steps: int) -> float | LearningRateSchedule:
    """Returns a phase's momentum, Adam's `beta_1`; `steps` are updates an epoch."""
    if phase.schedule != ONE_CYCLE:
        return MOMENTUM
    total = phase.epochs * steps
    return OneCycle(HIGH_MOMENTUM, LOW_MOMENTUM, HIGH_MOMENTUM, total)


class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW, with a share of the rate a layer and a scheduled momentum.

    One optimizer, where Keras would have one a rate (`MultiOptimizer`): those clip
    the norm of their own gradients each. The decay of the weights goes with the
    layer's rate, as it goes with the rate.

    Where gradients of several steps make up one update, schedule and averages count
    updates. Keras 3.15 has them count steps.
    """

    def __init__(self, learning_rate: LearningRateSchedule, **options: Any):
        """Takes the options of Keras's AdamW; `beta_1` may be a schedule."""
        super().__init__(learning_rate, **options)
        self._shares: dict[str, float] = {}

    def share_rates(self, shares: Mapping[str, float], model: keras.Model) -> None:
        """Gives layers shares of the learning rate.

        Args:
            shares: By layer name; a layer that is not named has the whole rate.
            model: Whose layers are meant, those of models inside it, too. A name
                of such a model stands for its layers that are not named themselves.
        """
        for layer in model._flatten_layers():
            if layer.name in shares:
                keys = [self._var_key(weight) for weight in layer.weights]
                self._shares.update(dict.fromkeys(keys, shares[layer.name]))

    @property
    def beta_1(self) -> float | KerasTensor:
        """The momentum of the update that comes next."""
        scheduled = callable(self._beta_1)
        return self._beta_1(self.iterations) if scheduled else self._beta_1

    @beta_1.setter
    def beta_1(self, value: float | LearningRateSchedule) -> None:
        self._beta_1 = value

    def update_step(
        self, gradient: KerasTensor, variable: Any, learning_rate: KerasTensor
    ) -> None:
        """Updates a variable at its layer's rate."""
        kind, place = variable.dtype, self._get_variable_index(variable)
        share = self._shares.get(self._var_key(variable), 1.0)
        own = ops.cast(learning_rate, kind)
        own = own if share == 1.0 else own * share
        if self.weight_decay and self._use_weight_decay(variable):
            self.assign_sub(
                variable, variable * ops.cast(self.weight_decay, kind) * own
            )
        done = ops.cast(self.iterations + 1, kind)
        first, second = (ops.cast(beta, kind) for beta in (self.beta_1, self.beta_2))
        # One operation, where Keras has a dozen that go over all weights each.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=ops.power(first, done),
            beta2_power=ops.power(second, done),
            lr=own,
            beta1=first,
            beta2=second,
            epsilon=ops.cast(self.epsilon, kind),
            grad=ops.cast(gradient, kind),
        )

    def _clip_gradients(self, grads: list) -> list:
        """Clips what all replicas found together, where Keras clips each one's."""
        summed = super()._all_reduce_sum_gradients([(each, None) for each in grads])
        return super()._clip_gradients([gradient for gradient, _ in summed])

    def _all_reduce_sum_gradients(self, grads_and_vars: list) -> list:
        """Leaves the gradients: they were summed before they were clipped."""
        return list(grads_and_vars)

    def _apply_weight_decay(self, variables: list) -> None:
        """Leaves the decay to `update_step`, which knows the layer's rate."""

    def _get_current_learning_rate(self) -> KerasTensor:
        """Returns the rate of the update that comes next."""
        return self._learning_rate(self.iterations)

    def _update_model_variables_moving_average(self, variables: list) -> None:
        """Averages the weights once an update."""
        average = super()._update_model_variables_moving_average
        steps = self.gradient_accumulation_steps
        if not steps:
            return average(variables)
        updated = ops.equal((self._iterations + 1) % steps, 0)
        # What a condition calls has to return something on either side.
        return ops.cond(updated, lambda: average(variables), lambda: None)

    def state(self) -> list[np.ndarray]:
        """Returns what it has to know after an update, whatever makes one up."""
        _, *others = self._kept()
        return [np.asarray(self.iterations), *(part.numpy() for part in others)]

    def set_state(self, values: list[np.ndarray]) -> None:
        """Puts back what `state` gave; the shapes are to be those of `shapes`."""
        done, *others = self._kept()
        done.assign(values[0] * (self.gradient_accumulation_steps or 1))
        for variable, value in zip(others, values[1:], strict=True):
            variable.assign(value)

    def shapes(self) -> list[tuple[int, ...]]:
        """Returns the shapes of what `state` gives."""
        return [tuple(variable.shape) for variable in self._kept()]

    def _kept(self) -> list[keras.Variable]:
        """Returns its variables: steps first; without sums, which are empty."""
        sums = getattr(self, "_accumulated_gradients", ())
        return [
            variable
            for variable in self.variables
            if not any(variable is each for each in sums)
        ]


def build(
    model: keras.Model,
    phase: Phase,
    steps: int,
    *,
    multipliers: Mapping[str, float] | None = None,
    pieces: int = 1,
) -> AdamW:
    """Makes a phase's optimizer for a model.

    Args:
        model: What it is to train.
        phase: How to train.
        steps: Updates an epoch.
        multipliers: Shares of the learning rate by layer name; 1 for all others.
        pieces: Steps whose gradients make up an update.
    """
    optimizer = AdamW(
        rate(phase, steps),
        beta_1=momentum(phase, steps),
        weight_decay=phase.weight_decay,
        global_clipnorm=phase.clip_norm or None,
        use_ema=phase.ema_momentum > 0,
        ema_momentum=phase.ema_momentum,
        gradient_accumulation_steps=pieces if pieces > 1 else None,
    )
    # The power of a generalised mean is no kernel, although a dense layer holds it.
    powers = [w for w in model.trainable_weights if heads.GEM_POWER in w.path]
    optimizer.exclude_from_weight_decay(powers, ["bias", "gamma", "beta"])
    optimizer.share_rates(multipliers or {}, model)
    optimizer.build(model.trainable_variables)
    return optimizer
