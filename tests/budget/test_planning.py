"""The planner as a function: what a machine costs goes in, a recipe comes out."""

import dataclasses
import itertools

import pytest

from tl_keras.budget import planning
from tl_keras.budget.costs import HEAD_ALONE, Costs, Cut, Recipe
from tl_keras.errors import StorageError

COSTS = Costs(
    train=1000,
    validation=200,
    test=200,
    decode=0.001,
    augment=0.001,
    features=0.01,
    forward=0.02,
    head=1.0,
    converting=2.0,
    starting=5.0,
    finishing=10.0,
    cuts=(
        Cut(unfreeze=2, prefix=0.005, step=0.01, check=0.004),
        Cut(unfreeze="block6", prefix=0.007, step=0.006, check=0.002),
        Cut(unfreeze="top", prefix=0.009, step=0.002, check=0.001),
    ),
)
ASKED = Recipe(unfreeze=2, views=4, epochs=16)
ORDER = [2, "block6", "top", 0]


def plan(budget, spent=5.0, asked=ASKED, costs=COSTS):
    return planning.plan(costs, budget=budget, spent=spent, asked=asked)


BUDGETS = range(10, 400, 5)


def test_seconds_are_those_of_every_step():
    recipe = Recipe(unfreeze="block6", views=3, epochs=2)
    plain = 1200 * (0.001 + 0.01)
    further = 1000 * 2 * (0.001 + 0.007)
    tuning = 5.0 + 2 * (1000 * 0.006 + 200 * 0.002)
    ends = 10.0 + 2 * 200 * (0.001 + 0.02)
    expected = 2.0 + plain + further + 1.0 + tuning + ends
    assert COSTS.seconds(recipe) == pytest.approx(expected)


def test_head_alone_costs_no_views_and_no_epochs():
    expected = 2.0 + 1200 * 0.011 + 1.0 + 10.0 + 2 * 200 * 0.021
    assert COSTS.seconds(HEAD_ALONE) == pytest.approx(expected)


def test_whole_network_reads_images_in_every_epoch_and_caches_no_view():
    whole = Cut(unfreeze="all", prefix=0.0, step=0.03, check=0.02, streams=True)
    costs = dataclasses.replace(COSTS, cuts=(whole,))
    one, four = (
        costs.seconds(Recipe(unfreeze="all", views=views, epochs=2)) for views in (1, 4)
    )
    assert one == four
    epoch = 1000 * (0.001 + 0.03) + 200 * 0.02
    assert costs.epoch(Recipe(unfreeze="all", views=1, epochs=1)) == epoch


def test_prefix_whose_output_is_not_kept_runs_in_every_epoch():
    cut = Cut(unfreeze=2, prefix=0.005, step=0.03, check=0.02, streams=True)
    costs = dataclasses.replace(COSTS, cuts=(cut,))
    epoch = 1000 * (0.001 + 0.005 + 0.03) + 200 * (0.005 + 0.02)
    found = costs.epoch(Recipe(unfreeze=2, views=4, epochs=1))
    assert found == pytest.approx(epoch)


@pytest.mark.parametrize("budget", BUDGETS)
def test_plan_is_never_over_the_budget_but_where_the_head_alone_is(budget):
    found = plan(budget)
    assert found.planned <= budget or found.chosen == HEAD_ALONE
    assert found.too_small == (found.planned > budget)


def test_larger_budget_never_takes_anything_back():
    plans = [plan(budget).chosen for budget in BUDGETS]
    ranks = [
        (-ORDER.index(one.unfreeze), one.epochs, one.views)
        for one in dict.fromkeys(plans)
    ]
    assert all(before < after for before, after in itertools.pairwise(ranks))
    assert {one.unfreeze for one in plans} == set(ORDER)


def test_enough_time_gives_what_was_asked_and_no_more():
    assert plan(10_000).chosen == ASKED
    assert "more time would change nothing" in " ".join(plan(10_000).lines())


def test_cut_is_never_deeper_than_asked():
    costs = dataclasses.replace(COSTS, cuts=COSTS.cuts[1:])
    asked = dataclasses.replace(ASKED, unfreeze="block6")
    found = {plan(budget, asked=asked, costs=costs).chosen for budget in BUDGETS}
    assert {one.unfreeze for one in found} == {"block6", "top", 0}


def test_cut_leaves_time_for_a_quarter_of_the_epochs_and_views_go_along():
    for budget in BUDGETS:
        chosen = plan(budget).chosen
        if chosen != HEAD_ALONE:
            assert 4 <= chosen.epochs <= 16
            assert chosen.views == max(1, round(chosen.epochs / 4))


def test_time_that_is_gone_counts():
    later = plan(200, spent=60.0)
    assert later.chosen == plan(145 - 60 / 0.9 + 60, spent=5.0).chosen or (
        later.chosen.epochs < plan(200).chosen.epochs
    )
    assert later.planned == 60.0 + COSTS.seconds(later.chosen)


def test_head_alone_stays_the_head_alone():
    costs = dataclasses.replace(COSTS, cuts=())
    found = plan(10_000, asked=HEAD_ALONE, costs=costs)
    assert found.chosen == HEAD_ALONE
    assert "fine_tune" not in " ".join(found.lines())


def test_budget_too_small_for_the_head_says_how_long_that_takes():
    lines = plan(10).lines()
    assert "Not even the head alone fits" in lines[1]
    assert "about 40 s in all" in lines[1]


def test_plan_says_what_more_time_would_give():
    assert plan(120).lines()[-1] == (
        "In 3 min 55 s it would be: fine_tune.unfreeze 2, 16 epochs, 4 views an image"
    )


def test_epochs_are_what_the_time_holds():
    recipe = Recipe(unfreeze="top", views=1, epochs=8)
    # 2.2 seconds each, behind 5 to start.
    assert planning.epochs_in(COSTS, recipe, 5 + 3.5 * 2.2, 16) == 3
    assert planning.epochs_in(COSTS, recipe, 1000.0, 16) == 16
    assert planning.epochs_in(COSTS, recipe, 6.0, 16) == 0
    assert planning.epochs_in(COSTS, recipe, -60.0, 16) == 0


def test_plan_survives_the_run_folder(tmp_path):
    found = plan(120)
    found.save(tmp_path)
    assert planning.load(tmp_path) == found


def test_damaged_plan_is_named(tmp_path):
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(StorageError, match=r"plan\.json cannot be read"):
        planning.load(tmp_path)
