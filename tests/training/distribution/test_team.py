"""One process, two devices, two and three processes: they train to the same."""

import json
import os
import signal
import time

import numpy as np
import pytest
from conftest import draw_squares
from team import Team, run_team
from team_worker import CASES

from tl_keras.run import CONFIG, load_run
from tl_keras.training.history import History

EXACT = [case for case in CASES if case not in ("usual", "long")]
WAYS = {
    "two devices": {"devices": 2},
    "two processes": {"processes": 2},
    "three processes": {"processes": 3},
}
# What the others have to end in when one is gone.
SECONDS_TO_END = 60


def pictures(folder):
    """Classes of 12 and 19 pictures: one batch more than a round number of some."""
    draw_squares(folder / "pictures")
    draw_squares(folder / "more", images=7, colours={"blue": (40, 60, 220)}, seed=5)
    for path in (folder / "more" / "blue").iterdir():
        path.rename(folder / "pictures" / "blue" / f"more_{path.name}")
    return folder


def trained(folder, cases, **how):
    """Trains the cases in a folder; returns it."""
    done = run_team("team_worker.py", pictures(folder), *cases, **how)
    for one in done:
        assert one.code == 0, one.said
    (folder / "said.txt").write_text("\n".join(one.said for one in done[1:]))
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("alone"), [*EXACT, "usual"])


@pytest.fixture(scope="module", params=WAYS)
def together(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    return trained(folder, [*EXACT, "usual"], **WAYS[request.param])


@pytest.mark.slow
@pytest.mark.parametrize("case", EXACT)
def test_losses_and_weights_are_those_of_one_process(alone, together, case):
    one, other = (folder / "runs" / case for folder in (alone, together))
    with np.load(f"{one}.npz") as expected, np.load(f"{other}.npz") as found:
        assert expected.files == found.files
        for name in expected.files:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    pairs = zip(History.load(one).epochs, History.load(other).epochs, strict=True)
    for expected, found in pairs:
        for field in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            expected_value, value = getattr(expected, field), getattr(found, field)
            assert value == pytest.approx(expected_value, abs=1e-5), field


@pytest.mark.slow
@pytest.mark.parametrize("case", EXACT)
def test_something_was_learned_that_could_differ(alone, case):
    with np.load(f"{alone / 'runs' / case}.npz") as end:
        with np.load(f"{alone / 'runs' / case}.begun.npz") as begun:
            moved = [np.abs(end[name] - begun[name]).max() for name in end.files]
    assert max(moved) > 1e-3


@pytest.mark.slow
def test_usual_recipe_is_as_good(alone, together):
    one, other = (
        json.loads((folder / "runs" / "usual" / "metrics.json").read_text())
        for folder in (alone, together)
    )
    images = len(load_run(alone / "runs" / "usual").manifest.split("test").rows)
    assert abs(one["accuracy"] - other["accuracy"]) * images <= 1 + 1e-6


@pytest.mark.slow
def test_chief_alone_shows_the_progress(together):
    said = (together / "said.txt").read_text()
    assert "epoch" not in said and "Predicting" not in said


@pytest.mark.slow
def test_killed_worker_ends_the_others_and_all_go_on_later(tmp_path):
    folder = pictures(tmp_path)
    team = Team("team_worker.py", folder, "long", processes=2)
    run = folder / "runs" / "long"
    until = time.monotonic() + 300
    while not (run / CONFIG).exists() or len(History.load(run).epochs) < 3:
        assert time.monotonic() < until and team.started[0].poll() is None
        time.sleep(0.1)
    os.kill(team.started[1].pid, signal.SIGKILL)
    killed = time.monotonic()
    chief, _ = team.wait(SECONDS_TO_END)
    assert time.monotonic() - killed < SECONDS_TO_END
    assert chief.code == 1 and "Traceback" not in chief.said
    assert "Worker 1 (127.0.0.1:" in chief.said and "is gone" in chief.said
    # Nothing is cut off.
    before = History.load(run).epochs
    assert len(before) >= 3 and "evaluate" not in load_run(run).state.done
    for one in run_team("team_worker.py", folder, "long", "--resume", processes=2):
        assert one.code == 0, one.said
    assert History.load(run).epochs[: len(before) - 1] == before[:-1]
    assert "evaluate" in load_run(run).state.done
