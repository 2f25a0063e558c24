"""`tl-keras crossval`, `curve` and `compare`: what more than one training can tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from tl_keras.commands.quiet import load, load_pipeline
from tl_keras.commands.train import SOURCES, config_of
from tl_keras.config import Config
from tl_keras.errors import BusyError, UsageError


def crossval(options: Namespace) -> int:
    """Cross-validate: test every image by a network that never saw it."""
    module, name = _prepare(options, "cross_validation")
    found = _going_on(
        lambda: module.cross_validate(
            options.source,
            config=config_of(options),
            folds=options.folds,
            repeats=options.repeats,
            name=name,
            runs=options.runs,
        ),
        Path(options.runs, name),
    )
    if options.json:
        return _print_json(found.figures)
    tables, console = load("tl_keras.studies.tables"), Console(highlight=False)
    console.print(tables.of_folds(found.figures))
    suspects = tables.of_suspects(found)
    if suspects:
        console.print(suspects)
    console.print(tables.accuracy_of_folds(found.figures))
    files = [module.FIGURES, module.OUT_OF_FOLD]
    files += [] if found.suspects is None else [module.LABEL_ERRORS]
    console.print(f"{found.folder}: {', '.join(files)}", markup=False)
    return 0


def add_crossval(parser: ArgumentParser) -> None:
    """Declares what `crossval` takes."""
    _add_source(parser)
    help = "how many parts the images are dealt out to, equal shares of each class"
    parser.add_argument("--folds", type=int, default=5, help=help)
    help = "times that all images are dealt out anew"
    parser.add_argument("--repeats", type=int, default=1, help=help)
    _add_study(parser)


def curve(options: Namespace) -> int:
    """Draw the learning curve: are more training images worth the work?"""
    module, name = _prepare(options, "learning_curve")
    found = _going_on(
        lambda: module.learning_curve(
            options.source,
            config=config_of(options),
            sizes=options.sizes,
            repeats=options.repeats,
            with_scratch=not options.no_scratch,
            name=name,
            runs=options.runs,
        ),
        Path(options.runs, name),
    )
    if options.json:
        return _print_json(found.figures)
    tables, console = load("tl_keras.studies.tables"), Console(highlight=False)
    console.print(tables.of_curve(found.figures))
    for line in tables.answers(found.figures):
        console.print(line)
    files = f"{module.FIGURES}, {module.PICTURE}"
    console.print(f"{found.folder}: {files}", markup=False)
    return 0


def add_curve(parser: ArgumentParser) -> None:
    """Declares what `curve` takes."""
    _add_source(parser)
    help = "training images of each class; default: 5, 10, 20, 50, …; all come last"
    parser.add_argument("--sizes", type=int, nargs="+", help=help)
    help = "draws of each number"
    parser.add_argument("--repeats", type=int, default=3, help=help)
    help = (
        "do not train from random weights, too, which takes longest; --scratch "
        "ARCHITECTURE says what is trained"
    )
    parser.add_argument("--no_scratch", action="store_true", help=help)
    _add_study(parser)


def compare(options: Namespace) -> int:
    """Compare two runs or exports on the same images: which is better, is it chance?"""
    module = load("tl_keras.studies.comparison")
    found = module.compare(
        options.a, options.b, options.source, bad_files=options.bad_files
    )
    if options.json:
        return _print_json(found)
    tables, console = load("tl_keras.studies.tables"), Console(highlight=False)
    for name in ("a", "b"):
        accuracy = f"accuracy {found[f'accuracy_{name}']:.3f}"
        console.print(f"{name.upper()}: {found[name]}, {accuracy}", markup=False)
    console.print(tables.of_pairs(found))
    console.print(module.sentence(found))
    return 0


def add_compare(parser: ArgumentParser) -> None:
    """Declares what `compare` takes."""
    parser.add_argument("a", metavar="A", help="a run folder or an export's folder")
    parser.add_argument("b", metavar="B", help="another one")
    help = f"the images; without it, those in both runs' tests. {SOURCES}"
    parser.add_argument("source", nargs="?", type=str | None, help=help)
    parser.add_argument(
        "--bad_files",
        choices=["error", "skip", "convert"],
        default="error",
        help="what to do with files of SOURCE that cannot be used as they are",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _prepare(options: Namespace, module: str) -> tuple[Any, str]:
    """Returns a study's module, and the name of its folder.

    Raises:
        UsageError: If no source was given.
    """
    if options.source is None:
        raise UsageError(f"Give a source: {SOURCES}.")
    default_name = load_pipeline().preparation.default_name
    study = load(f"tl_keras.studies.{module}")
    return study, options.name or f"{study.KIND}-{default_name(options.source)}"


def _going_on(work: Callable[[], Any], folder: Path) -> Any:
    """Returns what a study found; says how to go on where it was ended early."""
    try:
        return work()
    except BaseException as stop:
        if folder.exists() and not isinstance(stop, UsageError | BusyError):
            stop.add_note(
                "What is finished is kept. Go on with the same command and --name "
                f"{folder.name}"
            )
        raise


def _print_json(figures: dict[str, Any]) -> int:
    """Prints figures for other programs."""
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    return 0


def _add_source(parser: ArgumentParser) -> None:
    """Declares the source, and the file that all options may come from."""
    parser.add_argument("source", nargs="?", type=str | None, help=SOURCES)
    parser.add_argument("--config", action="config", help="a YAML file of options")


def _add_study(parser: ArgumentParser) -> None:
    """Declares what all studies take, and the config."""
    help = (
        "name of the folder; where it is there, what is finished in it is not done "
        "again; default: command, source and time"
    )
    parser.add_argument("--name", type=str | None, help=help)
    parser.add_argument("--runs", default="runs", help="where such folders go")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_class_arguments(Config, as_group=False)
    parser.description += (
        " Only the head is trained, unless --fine_tune.epochs N is given."
    )
