"""The chain from labelled images to a trained, evaluated and exported classifier."""

import contextlib
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from tl_keras import (
    assessment,
    locks,
    monitoring,
    preparation,
    reporting,
    restoring,
    workspace,
)
from tl_keras.budget import planning, steps
from tl_keras.config import Config
from tl_keras.datasets.sources.finding import Source, title
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.export.loaded import Export, find_export
from tl_keras.progress import say
from tl_keras.run import (
    Run,
    create,
    find_run,
    load_run,
    refuse_existing,
    remove_checkpoints,
)
from tl_keras.training import phases, scratch
from tl_keras.training.distribution import joining
from tl_keras.training.distribution.team import Team, current


def train(
    source: Source,
    *,
    config: Config | None = None,
    name: str | None = None,
    runs: str | os.PathLike = "runs",
    overwrite: bool = False,
    since: float | None = None,
    **overrides: Any,
) -> Run:
    """Trains a classifier on `source` and evaluates it on images it never saw.

    Args:
        source: A folder with one sub-folder of images a class, a CSV table, a
            built-in source (`twemoji`), a data set of TensorFlow Datasets
            (`tfds:NAME`), or arrays: see `datasets.sources.find`.
        config: What to train and how; `None` takes the defaults.
        name: The run folder's name; `None` makes one of the source and the time.
        runs: Where run folders go.
        overwrite: Replaces the run folder of that name.
        since: When `config.time_budget` began, in seconds of `time.monotonic`; `None`
            for now.
        **overrides: Changes to `config`: a section takes a dict of its fields, as in
            `fine_tune={"epochs": 5}`; `backbone="…"` takes a name.

    Returns:
        The run: `.metrics`, `.history`, `.folder`, `.predict(files)`,
        `.export(folder)`.

    Raises:
        UsageError: If a name, value or path is wrong, or the run folder exists.
        BusyError: If another process works in the run folder.
        DataError: If the images cannot be trained on, or change meanwhile.
        WeightsError: If the pretrained weights are missing or not the known ones.
        StorageError: If a folder is full or cannot be written.
        ExportError: If `config.export.folder` is set and the export differs.
    """
    since = time.monotonic() if since is None else since
    config = (config or Config()).override(**overrides)
    folder = Path(runs) / (name or preparation.default_name(source))

    def make() -> Run:
        refuse_existing(folder, overwrite)
        settled, manifest = preparation.prepare(source, config)
        built = preparation.build(settled, manifest)
        create(folder, title(source), manifest, settled)
        run = Run(folder, built)
        if settled.time_budget:
            run.finish("prepare", time.monotonic() - since)
        return run

    return _run(folder, config, make)


def resume(folder: str | os.PathLike) -> Run:
    """Goes on with a run behind its last finished epoch.

    Args:
        folder: The run folder.

    Raises:
        UsageError: If it is no run folder.
        BusyError: If another process works in it.
        DataError: If an image that is still needed was removed or changed.
    """
    folder = Path(folder)

    def make() -> Run:
        # Read under the lock: what was read before may be of another moment.
        run = load_run(folder)
        restoring.restore(run)
        return run

    return _run(folder, load_run(folder).config, make)


def load(path: str | os.PathLike) -> Run | Export:
    """Opens a run folder or an export; says so where a run is not finished.

    Raises:
        UsageError: If the path is neither.
    """
    found = find_run(path) or find_export(path)
    if found is None:
        raise UsageError(f"{str(path)!r} is neither a run folder nor an export.")
    if isinstance(found, Run) and "evaluate" not in found.state.done:
        say(
            f"warning: {path} is not finished, its weights are not the last ones: go "
            f"on with it by `tl-keras resume {path}`"
        )
    return found


def _run(folder: Path, config: Config, make: Callable[[], Run]) -> Run:
    """Opens a run with all devices and processes that there are, and goes on with it.

    Args:
        folder: The run's. The chief alone works in it.
        config: Says which devices.
        make: Creates or opens the run.
    """
    with joining.join(config.strategy) as team, _held(folder, team):
        if team.workers > 1 and config.time_budget:
            raise UsageError(
                "`time_budget` must be null with several processes, whose clocks "
                f"differ. Received: {config.time_budget!r}"
            )
        preparation.prepare_tensorflow(config)
        with workspace.opened(team, make) as (run, shared):
            with restoring.way_on(shared):
                _go_on(run)
    return run if team.is_chief else Run(shared)


def _held(folder: Path, team: Team) -> contextlib.AbstractContextManager:
    """Keeps other runs out of the folder; the processes of this one are let in."""
    return locks.held(folder) if team.is_chief else contextlib.nullcontext()


def _go_on(run: Run) -> Run:
    """Does the steps of a run that are not done yet."""
    config = run.config
    if config.scratch.name:
        _step(run, scratch.PHASE, lambda: _train(run, scratch.train))
    elif config.time_budget:
        _train_in_time(run)
    else:
        _step(run, "head", lambda: _train(run, phases.train_head))
        if phases.fine_tunes(config):
            _step(run, "fine_tune", lambda: _train(run, phases.fine_tune))
    if not current().is_chief:
        return run
    _step(run, "evaluate", lambda: _assess(run))
    if config.export.folder:
        _step(run, "export", lambda: _export(run, config.export.folder))
    remove_checkpoints(run)
    _show(run, "board", monitoring.record)
    _show(run, "report", reporting.report)
    return run


def _train_in_time(run: Run) -> None:
    """Runs both phases, or the head's alone, as the time budget allows."""
    clock = steps.Clock.of(run)
    _step(run, "plan", lambda: steps.make_plan(run, clock))
    _step(run, "head", lambda: _train(run, phases.train_head))
    _step(run, "correct_epochs", lambda: steps.correct_epochs(run, clock))
    if phases.fine_tunes(run.config):
        deadline = steps.deadline(planning.load(run.folder), clock)
        fine_tune = functools.partial(phases.fine_tune, deadline=deadline)
        _step(run, "fine_tune", lambda: _train(run, fine_tune))


def _step(run: Run, name: str, work: Callable[[], dict[str, Any] | None]) -> None:
    """Does one step, unless it is done, and notes its duration."""
    if name in run.state.done:
        return
    started = time.monotonic()
    restoring.begin(run, name)
    changes = work() or {}
    run.finish(name, time.monotonic() - started, **changes)


def _train(run: Run, phase: Callable) -> dict[str, Any]:
    """Runs a phase and keeps its weights."""
    classifier = run.classifier
    # Random weights are drawn in each process anew.
    current().align(classifier.model)
    if not run.has_weights:
        monitoring.record_weights(run, 0)
    # Each phase starts from the seed, behind the building of the network, which draws
    # numbers too: a resumed phase draws the same.
    keras.utils.set_random_seed(run.config.seed)
    phase(classifier, run.manifest, run.config, run.history)
    digest = restoring.save_weights(run)
    monitoring.record_weights(run, len(run.history.epochs))
    return {"weights": (digest,)}


def _assess(run: Run) -> None:
    """Evaluates a run on images that are those that were dealt out for it."""
    restoring.require_test_images(run)
    assessment.assess(run)
    # They are not looked at while they are read.
    restoring.require_test_images(run)


def _show(run: Run, name: str, draw: Callable[[Run], Any]) -> None:
    """Draws what a person looks at; the run is whole without it, whatever fails."""

    def work() -> None:
        draw(run)

    try:
        _step(run, name, work)
    except Exception as error:
        clear = isinstance(error, TlKerasError | OSError)
        why = str(error) if clear else repr(error)
        say(
            f"warning: the step {name!r} failed ({why}): "
            f"`tl-keras resume {run.folder}` tries again"
        )


def _export(run: Run, folder: str) -> dict[str, Any]:
    """Exports the classifier and notes where."""
    return {"export": str(run.export(folder).path)}
