"""Runs with a time budget on a small network: planned, corrected, resumed."""

import dataclasses
import shutil
import time

import pytest
from conftest import draw_squares

import tl_keras as tl
from tl_keras import pipeline
from tl_keras.budget import measuring, planning, steps
from tl_keras.budget.costs import HEAD_ALONE, Costs, Cut, Recipe
from tl_keras.config import Config
from tl_keras.summary import print_summary
from tl_keras.training import phases

# A machine on which everything but the head and fine-tuning takes no time.
COSTS = Costs(
    train=20,
    validation=8,
    test=8,
    decode=0.0,
    augment=0.0,
    features=1e-9,
    forward=0.0,
    head=100.0,
    converting=0.0,
    starting=0.0,
    finishing=0.0,
    cuts=(
        Cut(unfreeze=2, prefix=0.0, step=300.0, check=0.0),
        Cut(unfreeze="block3", prefix=0.0, step=30.0, check=0.0),
    ),
)


@pytest.fixture
def train(squares, config, tmp_path, monkeypatch):
    """Trains on squares within an hour, on the machine above."""
    monkeypatch.setattr(measuring.Measuring, "costs", lambda self: COSTS)

    def call(name="run", budget="1h", **fine_tune):
        fine_tune = {"unfreeze": 2, "epochs": 16, "batch_size": 8, **fine_tune}
        return pipeline.train(
            squares,
            config=config,
            name=name,
            runs=tmp_path / "runs",
            fine_tune=fine_tune,
            time_budget=budget,
        )

    return call


def test_run_does_what_its_plan_says(train):
    run = train()
    plan = planning.load(run.folder)
    assert plan.asked == Recipe(unfreeze=2, views=4, epochs=16)
    # 54 minutes, 10 an epoch from block 3 and 100 from block 2.
    assert plan.chosen.unfreeze == "block3"
    assert (plan.chosen.epochs, plan.chosen.views) == (5, 1)
    assert steps.asked_of(run.config) == plan.chosen
    assert 1 <= len(run.history.of("fine_tune")) <= 5
    expected = "prepare plan head correct_epochs fine_tune evaluate board report"
    assert run.state.done == tuple(expected.split())


@pytest.mark.parametrize(
    ("budget", "said"),
    [("3m", "Planned: the head alone: 1 min"), ("10s", "Not even the head alone fits")],
)
def test_budget_for_the_head_alone_trains_the_head_alone(train, capsys, budget, said):
    run = train(budget=budget)
    assert {epoch.phase for epoch in run.history.epochs} == {"head"}
    assert run.config.fine_tune.unfreeze == 0
    assert said in capsys.readouterr().err


class Killed(BaseException):
    pass


def kill(*arguments, **options):
    raise Killed


@pytest.mark.parametrize("step", ["train_head", "fine_tune"])
def test_resumed_run_keeps_its_plan_and_measures_nothing(
    train, tmp_path, monkeypatch, step
):
    with monkeypatch.context() as patch:
        patch.setattr(phases, step, kill)
        with pytest.raises(Killed):
            train()
    folder = tmp_path / "runs" / "run"
    before = planning.load(folder)
    monkeypatch.setattr(measuring.Measuring, "costs", kill)
    run = tl.resume(folder)
    after = planning.load(folder)
    assert after.costs == before.costs and after.asked == before.asked
    assert after.chosen.unfreeze == before.chosen.unfreeze == "block3"
    assert steps.asked_of(run.config) == after.chosen


def test_run_killed_while_it_was_planned_keeps_its_plan(train, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(steps, "say", kill)
        with pytest.raises(Killed):
            train()
    folder = tmp_path / "runs" / "run"
    before = planning.load(folder)
    monkeypatch.setattr(measuring.Measuring, "costs", kill)
    run = tl.resume(folder)
    assert planning.load(folder).asked == Recipe(unfreeze=2, views=4, epochs=16)
    assert run.config.fine_tune.unfreeze == before.chosen.unfreeze == "block3"


@pytest.fixture
def planned(trained, tmp_path):
    """A run, planned: 16 epochs of 10 minutes at most, 5 of them chosen."""
    folder = shutil.copytree(trained.folder, tmp_path / "planned")
    run = tl.load(folder)
    asked = Recipe(unfreeze="block3", views=4, epochs=16)
    plan = planning.plan(COSTS, budget=3600, spent=2.0, asked=asked)
    plan = dataclasses.replace(
        plan, chosen=Recipe(unfreeze="block3", views=1, epochs=5)
    )
    plan.save(run.folder)
    config = run.config.override(time_budget="1h")
    run.settle(steps.with_recipe(config, plan.chosen))
    return run


def clock(budget, spent):
    return steps.Clock(budget, time.monotonic() - spent)


@pytest.mark.parametrize(
    ("spent", "epochs"), [(1.0, 5), (1800.0, 2), (-900.0, 6), (-90000.0, 16)]
)
def test_epochs_are_corrected_by_the_time_that_is_left(planned, spent, epochs):
    steps.correct_epochs(planned, clock(3600, spent))
    assert planned.config.fine_tune.epochs == epochs
    plan = planning.load(planned.folder)
    assert plan.chosen == Recipe(unfreeze="block3", views=1, epochs=epochs)
    assert Config.from_yaml(planned.folder / "config.yaml") == planned.config


@pytest.mark.parametrize(("spent", "epochs"), [(1800.0, 2), (3000.0, 0)])
def test_correction_killed_before_the_config_is_written_is_made_again(
    planned, monkeypatch, spent, epochs
):
    with monkeypatch.context() as patch:
        patch.setattr(type(planned), "settle", kill)
        with pytest.raises(Killed):
            steps.correct_epochs(planned, clock(3600, spent))
    run = tl.load(planned.folder)
    steps.correct_epochs(run, clock(3600, spent))
    found = steps.asked_of(run.config)
    assert found.epochs == epochs
    assert found == planning.load(run.folder).chosen


def test_machine_that_is_slower_than_measured_is_given_fewer_epochs(planned):
    planned.finish("head", 200.0)
    steps.correct_epochs(planned, clock(3600, 1.0))
    plan = planning.load(planned.folder)
    assert plan.slowness == pytest.approx(2.0, rel=0.3)
    assert plan.chosen.epochs == 2
    assert plan.planned == pytest.approx(1 + plan.slowness * 1200, abs=5)


def test_slow_machine_is_given_more_time_for_the_last_steps():
    costs = dataclasses.replace(COSTS, finishing=50.0)
    plan = planning.plan(costs, budget=3600, spent=0.0, asked=HEAD_ALONE)
    slow = dataclasses.replace(plan, slowness=2.0)
    began = clock(3600, 0.0)
    assert steps.deadline(plan, began) - steps.deadline(slow, began) == pytest.approx(
        50
    )


def test_no_time_left_for_an_epoch_leaves_the_head_alone(planned):
    steps.correct_epochs(planned, clock(3600, 3000.0))
    assert not phases.fine_tunes(planned.config)
    assert planning.load(planned.folder).chosen == HEAD_ALONE


def test_fine_tuning_must_end_before_the_last_steps(train, monkeypatch):
    noted = []
    fine_tune = phases.fine_tune

    def note(*arguments, deadline):
        noted.append(deadline - time.monotonic())
        return fine_tune(*arguments, deadline=deadline)

    monkeypatch.setattr(phases, "fine_tune", note)
    finishing = dataclasses.replace(COSTS, finishing=1000.0)
    monkeypatch.setattr(measuring.Measuring, "costs", lambda self: finishing)
    train(budget="1h", unfreeze="block3", epochs=1)
    (left,) = noted
    assert 2000 < left < 2600


def test_clock_counts_what_was_noted_and_the_epochs_of_an_unfinished_phase(trained):
    noted = trained.state.seconds
    run = tl.load(trained.folder)
    run.__dict__["config"] = trained.config.override(time_budget="1h")
    found = steps.Clock.of(run)
    assert found.budget == 3600
    assert found.spent == pytest.approx(sum(noted.values()), abs=1.0)


def test_growing_images_are_for_the_whole_network_only():
    config = Config().override(fine_tune={"unfreeze": "all", "start_size": 64})
    whole = Recipe(unfreeze="all", views=2, epochs=3)
    assert steps.with_recipe(config, whole).fine_tune.start_size == 64
    for recipe in (Recipe(unfreeze=1, views=2, epochs=3), HEAD_ALONE):
        assert steps.with_recipe(config, recipe).fine_tune.start_size is None


def test_summary_shows_budget_plan_and_what_it_took(planned, capsys):
    print_summary(planned)
    said = " ".join(capsys.readouterr().out.split())
    assert "Time budget │ 1 h 00 min" in said
    assert "Planned, taken" in said
    assert "block3, 5 epochs, 1 view" in said


@pytest.mark.slow
def test_small_budget_on_a_real_machine_is_planned_and_kept(config, tmp_path):
    run = pipeline.train(
        draw_squares(tmp_path / "many", images=60),
        config=config,
        name="run",
        runs=tmp_path / "runs",
        fine_tune={"unfreeze": 2, "epochs": 16, "batch_size": 8},
        export={"folder": str(tmp_path / "saved")},
        time_budget="1m",
    )
    plan = planning.load(run.folder)
    assert plan.budget == 60 and 0 < plan.spent < plan.planned
    assert plan.asked == Recipe(unfreeze=2, views=4, epochs=16)
    assert plan.chosen.unfreeze in (2, "block3", 0)
    assert steps.asked_of(run.config) == plan.chosen
    assert plan.costs.finishing > 0 and run.state.export
    assert run.metrics["accuracy"] == 1.0
