"""The page of a run, `report.html`: what the run folder knows, put together."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from tl_keras import explaining
from tl_keras.assessment import PREDICTIONS
from tl_keras.budget import planning
from tl_keras.config import Config
from tl_keras.datasets.report import class_counts, templates, thumbnails
from tl_keras.durations import readable
from tl_keras.errors import StorageError, TlKerasError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.explanation import losses
from tl_keras.evaluation.report import card, notes, page, usage
from tl_keras.evaluation.report.contents import Miss, Report, Step
from tl_keras.progress import say
from tl_keras.run import Run, load_run
from tl_keras.training import phases
from tl_keras.training.outputs import MULTI_LABEL

REPORT = "report.html"
MISSES = 24
# Sides of the pictures in the page, in pixels.
SIDE = 160
PACKAGES = ("tl_keras", "tensorflow", "keras", "numpy")


def report(run: Run | str | os.PathLike, out: str | os.PathLike | None = None) -> Path:
    """Writes the page of a run: figures, curves, errors, data, use, model card.

    It is one HTML file that asks for nothing outside itself. It is made of what the
    run folder holds, old or new; what is missing there is missing in it.

    Args:
        run: The run, evaluated; or its folder.
        out: The file; `None` puts `report.html` into the run folder.

    Returns:
        The file.

    Raises:
        UsageError: If there is no run, it is not evaluated yet, or `out` is a folder
            or does not end in `.html`.
        StorageError: If the disk is full or the folder cannot be written.
    """
    run = run if isinstance(run, Run) else load_run(run)
    path = run.folder / REPORT if out is None else Path(out)
    templates.require_page(path)
    page.write(path, of_run(run))
    return path


def of_run(run: Run) -> Report:
    """Returns what the page of a run shows.

    Raises:
        UsageError: If the run is not evaluated yet.
        StorageError: If a file of the run cannot be read.
    """
    config, state, metrics = run.config, run.state, run.metrics
    splits = class_counts.by_split(run.manifest.rows)
    ways = usage.of_export(state.export) if state.export else None
    return Report(
        name=run.folder.name,
        metrics=metrics,
        class_names=run.class_names,
        multi_label=run.outputs == MULTI_LABEL,
        facts=facts(run, splits),
        epochs=run.history.epochs,
        splits=splits,
        misses=misses(run, MISSES),
        notes=notes.of_images(run.manifest, config.data.bad_files),
        steps=tuple(
            Step(name=name, seconds=seconds, epochs=len(run.history.of(name)))
            for name, seconds in state.seconds.items()
        ),
        ways=ways or usage.of_run(str(run.folder)),
        card=card.sections(made(run), metrics, splits),
        config=config.to_yaml(),
        made=templates.now(),
    )


def misses(run: Run, count: int) -> tuple[Miss, ...]:
    """Returns the test images with the greatest losses, the worst first.

    Each with what speaks for the answer, as Grad-CAM sees it, where that can be drawn.

    Args:
        run: An evaluated run. Without `predictions.csv` there are none.
        count: How many, at most.
    """
    path, test = run.folder / PREDICTIONS, run.manifest.split("test")
    if not path.is_file():
        return ()
    predicted = predictions.load(path, run.class_names)
    if len(predicted) != len(test.rows):
        raise StorageError(
            f"{path} has {len(predicted):,} images, the test split "
            f"{len(test.rows):,}: it is of another run."
        )
    found = losses.judge(test, predicted, run.class_names)[:count]
    overlays = _overlays(run, predicted, count)
    return tuple(
        Miss(
            path=one.path,
            true=one.true,
            predicted=one.predicted,
            probability=one.probability,
            loss=one.loss,
            wrong=losses.is_wrong(one),
            picture=thumbnails.data_uri(
                test.root / one.path, run.background, side=SIDE
            ),
            overlay=overlays.get(one.path),
        )
        for one in found
    )


def _overlays(run: Run, predicted: np.ndarray, count: int) -> dict[str, str]:
    """Returns pictures under their heat maps by path; none where that fails.

    An image may be gone, and not every network has a last feature map.
    """
    try:
        found = explaining.top_losses(run, count=count, predicted=predicted)
    except TlKerasError as error:
        say(f"{REPORT}: no heat maps. {error}")
        return {}
    return {one.judged.path: thumbnails.of_png(one.overlay, side=SIDE) for one in found}


def made(run: Run) -> card.Made:
    """Returns how a run's classifier was made, for its model card."""
    config = run.config
    from_random = bool(config.scratch.name)
    return card.Made(
        source=run.state.source,
        network=config.scratch.name or config.backbone.name,
        weights=None if from_random else config.backbone.weights,
        trained=trained(config),
        image_size=config.backbone.image_size,
        grouped=config.data.group_by is not None,
        multi_label=run.outputs == MULTI_LABEL,
    )


def facts(run: Run, splits: dict[str, int]) -> dict[str, str]:
    """Returns what was trained on what, by title."""
    config, source = run.config, run.state.source
    images = ", ".join(f"{number:,} {name}" for name, number in splits.items())
    size = config.backbone.image_size
    head = config.head.outputs.replace("_", "-")
    hidden = f", hidden layers of {', '.join(map(str, config.head.hidden))}"
    found = {
        "Source": source,
        "Images": images,
        "Classes": f"{len(run.class_names):,}, {head}",
        **_network(config),
        "Image size": f"{size} × {size} pixels, {config.data.resize}",
        "Trained": trained(config),
        "Head": f"{config.head.pooling} pooling{hidden if config.head.hidden else ''}",
        "Augmentation": config.augment.policy,
        "Seed": f"{config.seed}, of the split {config.data.split_seed}",
        **_budget(run),
        "Versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
        + " (when this page was made)",
        "Run folder": str(run.folder),
    }
    if config.scratch.name:
        del found["Head"]
    return found


def _network(config: Config) -> dict[str, str]:
    """Returns which network it is, and what it started from."""
    if config.scratch.name:
        return {"Architecture": f"{config.scratch.name}, from random weights"}
    weights = config.backbone.weights
    return {"Backbone": config.backbone.name, "Weights": weights or "random"}


def _budget(run: Run) -> dict[str, str]:
    """Returns what a time budget allowed; nothing where there was none."""
    plan = planning.load(run.folder)
    if plan is None:
        return {}
    spent = readable(sum(run.state.seconds.values()))
    return {
        "Time budget": f"{readable(plan.budget)}; planned {readable(plan.planned)}, "
        f"taken {spent}; it allowed {plan.chosen}"
    }


def trained(config: Config) -> str:
    """Returns which weights were trained, and which were left as they were."""
    if config.scratch.name:
        return "all layers trained, nothing frozen"
    if not phases.fine_tunes(config):
        return "only the head trained, the whole backbone frozen"
    part = config.fine_tune.unfreeze
    if part == "all":
        which, rest = "the head, then all of the backbone", "nothing frozen"
    elif isinstance(part, str):
        which, rest = f"the head, then the backbone from {part} on", "the rest frozen"
    elif isinstance(part, float):
        which = f"the head, then the last {100 * part:g} % of the backbone's blocks"
        rest = "the rest frozen"
    else:
        stages = "stage" if part == 1 else f"{part} stages"
        which, rest = f"the head, then the backbone's last {stages}", "the rest frozen"
    norm = "" if config.fine_tune.train_batch_norm else "; batch normalization frozen"
    return f"{which} trained; {rest}{norm}"


def _version(package: str) -> str:
    """Returns the version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
