"""The steps of a run that has a time budget: it is planned, and once more corrected.

What was chosen stands in the run's config and `plan.json`, so that a resumed run does
the same without planning again.
"""

import dataclasses
import time
from dataclasses import dataclass
from typing import Self

from tl_keras import durations
from tl_keras.budget import planning
from tl_keras.budget.costs import HEAD_ALONE, Costs, Recipe
from tl_keras.budget.measuring import Measuring
from tl_keras.budget.planning import MARGIN, Plan
from tl_keras.config import Config
from tl_keras.progress import say
from tl_keras.run import Run
from tl_keras.training import phases

FINE_TUNE = "fine_tune"


@dataclass(frozen=True)
class Clock:
    """How much of a run's time is gone.

    Attributes:
        budget: Seconds for all of it.
        began: When it began, in seconds of `time.monotonic`, had it never been
            interrupted.
    """

    budget: float
    began: float

    @classmethod
    def of(cls, run: Run) -> Self:
        """Returns the clock of a run, by the durations that it noted."""
        noted = run.state.seconds
        gone = sum(noted.values())
        if FINE_TUNE not in noted:
            gone += sum(epoch.seconds for epoch in run.history.of(FINE_TUNE))
        budget = durations.seconds(run.config.time_budget, "time_budget")
        return cls(budget, time.monotonic() - gone)

    @property
    def spent(self) -> float:
        """Seconds that are gone."""
        return time.monotonic() - self.began


def make_plan(run: Run, clock: Clock) -> None:
    """Measures the machine and settles views, freeze boundary and epochs.

    A run that was killed behind the measuring keeps the plan that it made.
    """
    plan = planning.load(run.folder) or _new_plan(run, clock)
    run.settle(with_recipe(run.config, plan.chosen))
    for line in plan.lines():
        say(line)


def _new_plan(run: Run, clock: Clock) -> Plan:
    """Measures the machine, and writes down what there is time for."""
    asked = asked_of(run.config)
    costs = Measuring(run.classifier, run.classify, run.manifest, run.config).costs()
    plan = planning.plan(costs, budget=clock.budget, spent=clock.spent, asked=asked)
    plan.save(run.folder)
    return plan


def correct_epochs(run: Run, clock: Clock) -> None:
    """Settles the epochs anew, by the time that is left once the features are there."""
    plan, config = planning.load(run.folder), run.config
    if not phases.fine_tunes(config):
        return
    # A run that was killed in here has a new plan, and the old one in its config.
    before = asked_of(config)
    costs, slowness = plan.costs, _slowness(run, plan.costs, before)
    room = (clock.budget * (1 - MARGIN) - clock.spent) / slowness - costs.last_steps
    epochs = planning.epochs_in(costs, before, room, plan.asked.epochs)
    chosen = dataclasses.replace(before, epochs=epochs) if epochs else HEAD_ALONE
    rest = slowness * (costs.fine_tuning(chosen) + costs.last_steps)
    planned = clock.spent + rest
    changes = {"chosen": chosen, "slowness": slowness, "planned": planned}
    dataclasses.replace(plan, **changes).save(run.folder)
    if chosen == before:
        return
    run.settle(with_recipe(config, chosen))
    said = durations.readable(clock.budget - clock.spent)
    say(f"{said} of the time budget are left. Now planned: {chosen}")


def _slowness(run: Run, costs: Costs, recipe: Recipe) -> float:
    """Returns how many times longer than planned the head phase took; 1 at least.

    It took less where the features were in the cache: that says nothing. Its building
    of networks is not a part of the plan, and takes about as long as fine-tuning's.
    """
    expected = costs.first_pass(recipe) + costs.head + costs.starting
    return max(1.0, run.state.seconds["head"] / expected)


def deadline(plan: Plan, clock: Clock) -> float:
    """Returns when fine-tuning must end, in seconds of `time.monotonic`."""
    return clock.began + clock.budget - plan.slowness * plan.costs.last_steps


def asked_of(config: Config) -> Recipe:
    """Returns the recipe of a config."""
    if not phases.fine_tunes(config):
        return HEAD_ALONE
    phase = config.fine_tune
    return Recipe(
        unfreeze=phase.unfreeze, views=config.augment.views, epochs=phase.epochs
    )


def with_recipe(config: Config, recipe: Recipe) -> Config:
    """Returns a config with another recipe."""
    if recipe == HEAD_ALONE:
        return config.override(fine_tune={"unfreeze": 0, "start_size": None})
    whole = recipe.unfreeze == "all"
    changes = {"unfreeze": recipe.unfreeze, "epochs": recipe.epochs}
    if not whole:
        # Only a whole network trains at growing sizes.
        changes["start_size"] = None
    return config.override(augment={"views": recipe.views}, fine_tune=changes)
