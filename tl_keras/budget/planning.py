"""The best recipe that fits into a time budget."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from tl_keras.budget.costs import HEAD_ALONE, Costs, Cut, Recipe
from tl_keras.durations import readable
from tl_keras.errors import StorageError
from tl_keras.files import write_json

PLAN = "plan.json"
# Of the budget, what measuring for seconds cannot tell of minutes.
MARGIN = 0.1
# Of the usual epochs, what a cut must leave time for: with 4 of 16 there is a warm-up
# and a fall of the learning rate, with fewer hardly either.
LEAST_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does to end in time.

    Attributes:
        budget: Seconds for all of it.
        spent: Seconds that were gone when it was planned.
        asked: What the config has without a budget: the most that is ever done.
        chosen: What is done.
        planned: Seconds that all of it takes, by what was measured.
        wanted: Seconds that all of `asked` would take.
        costs: What was measured.
        slowness: How many times longer than that its first half took.
    """

    budget: float
    spent: float
    asked: Recipe
    chosen: Recipe
    planned: float
    wanted: float
    costs: Costs
    slowness: float = 1.0

    @property
    def too_small(self) -> bool:
        """Tells whether not even what was chosen fits into the budget."""
        return self.planned > self.budget

    def save(self, folder: Path) -> None:
        """Writes it into a run folder."""
        write_json(folder / PLAN, asdict(self))

    def lines(self) -> list[str]:
        """Returns what was measured, what was chosen and why, for people."""
        costs = self.costs
        measured = (
            f"Time budget {readable(self.budget)}, {readable(self.spent)} of it gone. "
            f"Images a second: {1 / costs.features:,.0f} through the frozen network"
        )
        for cut in costs.cuts[:1]:
            measured += (
                f", {1 / cut.step:,.0f} in training from fine_tune.unfreeze "
                f"{cut.unfreeze}"
            )
        chosen = f"Planned: {self.chosen}: {readable(self.planned)} in all"
        if self.too_small:
            chosen = (
                f"Not even the head alone fits into the time budget: it is trained, "
                f"which takes about {readable(self.planned)} in all"
            )
        if self.chosen == self.asked:
            return [measured, f"{chosen}; more time would change nothing"]
        more = f"In {readable(self.wanted)} it would be: {self.asked}"
        return [measured, chosen, more]


def load(folder: Path) -> Plan | None:
    """Returns the plan in a run folder, or `None` where there is none.

    Raises:
        StorageError: If it cannot be read.
    """
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        recipes = {name: Recipe(**values[name]) for name in ("asked", "chosen")}
        costs = values["costs"]
        cuts = tuple(Cut(**cut) for cut in costs["cuts"])
        return Plan(**{**values, **recipes, "costs": Costs(**{**costs, "cuts": cuts})})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{path} cannot be read: {error!r}.") from None


def plan(costs: Costs, *, budget: float, spent: float, asked: Recipe) -> Plan:
    """Returns the best recipe that fits into what is left of a budget.

    Deeper cuts first, for what stays frozen cannot be learned at any number of epochs;
    then as many epochs as there is time for, with views in proportion. Never more than
    `asked`: with more epochs or views than the default the accuracy on test images
    rises no further, so a large budget is not used up.

    Args:
        costs: What the machine needs.
        budget: Seconds for all of it.
        spent: Seconds that are gone.
        asked: The most that may be done.
    """
    room = budget * (1 - MARGIN) - spent
    fitting = (one for one in recipes(costs, asked) if costs.seconds(one) <= room)
    chosen = next(fitting, HEAD_ALONE)
    return Plan(
        budget=budget,
        spent=spent,
        asked=asked,
        chosen=chosen,
        planned=spent + costs.seconds(chosen),
        wanted=spent + costs.seconds(asked),
        costs=costs,
    )


def recipes(costs: Costs, asked: Recipe) -> list[Recipe]:
    """Returns what may be chosen, the best first."""
    least = max(1, math.ceil(LEAST_SHARE * asked.epochs))
    return [
        Recipe(
            unfreeze=cut.unfreeze,
            views=max(1, round(asked.views * epochs / asked.epochs)),
            epochs=epochs,
        )
        for cut in costs.cuts
        for epochs in range(asked.epochs, least - 1, -1)
    ]


def epochs_in(costs: Costs, recipe: Recipe, room: float, most: int) -> int:
    """Returns how many epochs of fine-tuning there is time for.

    Args:
        costs: What the machine needs.
        recipe: What was chosen, and what is computed for it.
        room: Seconds.
        most: Epochs, at most.

    Returns:
        0 where not even one fits.
    """
    fitting = math.floor((room - costs.starting) / costs.epoch(recipe))
    return max(0, min(most, fitting))
