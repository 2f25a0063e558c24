"""`tl-keras train` and `tl-keras resume`."""

import dataclasses
import time
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tl_keras import cluster as clusters
from tl_keras import stopping
from tl_keras.commands.quiet import load_pipeline
from tl_keras.config import Config
from tl_keras.errors import UsageError

if TYPE_CHECKING:
    from tl_keras.run import Run

NOTHING_YET = "Nothing was trained yet: start it again by the same command."
DEFAULT_EXPORTS = "saved_models"
SOURCES = (
    "a folder with one sub-folder a class (or these below train, validation and "
    "test), a CSV table with path and label, tfds:NAME, or a built-in source "
    "(twemoji, mnist5k, digits)"
)


def train(options: Namespace) -> int:
    """Train on a folder of images (one sub-folder a class), evaluate and export."""
    if options.source is None:
        raise UsageError(f"Give a source: {SOURCES}.")
    _take_workers(options)
    started = time.monotonic()
    with stopping.way_on_after_a_stop(NOTHING_YET):
        pipeline, config = load_pipeline(), config_of(options)
        name = options.name or pipeline.preparation.default_name(options.source)
        if config.export.folder is None and not options.no_export:
            config = config.override(export={"folder": f"{DEFAULT_EXPORTS}/{name}"})
        run = pipeline.train(
            options.source,
            config=config,
            name=name,
            runs=options.runs,
            overwrite=options.overwrite,
            since=started,
        )
        return _show(run)


def config_of(options: Namespace) -> Config:
    """Returns the config that the flags and the file give together."""
    names = [field.name for field in dataclasses.fields(Config)]
    values = {name: options[name] for name in names}
    return Config().override(
        **{
            name: value.as_dict() if isinstance(value, Namespace) else value
            for name, value in values.items()
        }
    )


def add_train(parser: ArgumentParser) -> None:
    """Declares what `train` takes."""
    parser.add_argument("source", nargs="?", type=str | None, help=SOURCES)
    parser.add_argument("--config", action="config", help="a YAML file of options")
    help = "name of the run; default: source and time"
    parser.add_argument("--name", type=str | None, help=help)
    parser.add_argument("--runs", default="runs", help="where run folders go")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the run of that name"
    )
    parser.add_argument(
        "--no_export", action="store_true", help="do not write a SavedModel"
    )
    _add_workers(parser)
    parser.add_class_arguments(Config, as_group=False)


def resume(options: Namespace) -> int:
    """Go on with a run that was interrupted or killed."""
    _take_workers(options)
    with stopping.way_on_after_a_stop(stopping.resuming(options.run)):
        return _show(load_pipeline().resume(options.run))


def add_resume(parser: ArgumentParser) -> None:
    """Declares what `resume` takes."""
    parser.add_argument("run", help="the run folder")
    _add_workers(parser)


def _add_workers(parser: ArgumentParser) -> None:
    """Declares what says which processes train together."""
    help = "addresses of all processes, host:port,…; the first one is the chief"
    parser.add_argument("--workers", type=str | None, help=help)
    help = "number of this process among --workers, from 0"
    parser.add_argument("--worker_index", type=int | None, help=help)


def _take_workers(options: Namespace) -> None:
    """Puts --workers where TensorFlow looks for them, and checks what is there."""
    if options.workers is not None:
        clusters.put(clusters.of_flags(options.workers, options.worker_index))
    elif options.worker_index is not None:
        raise UsageError("--worker-index needs --workers host:port,….")
    # Before TensorFlow is loaded: a mistake is said at once.
    clusters.of_environment()


def _show(run: "Run") -> int:
    """Prints a finished run's summary."""
    from tl_keras.summary import print_summary

    # One process shows what all of them did.
    if clusters.is_chief() or run.config.strategy in ("none", "mirrored"):
        print_summary(run)
    return 0
