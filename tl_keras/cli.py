"""The command line `tl-keras`: reads arguments, calls the pipeline, shows results.

TensorFlow is imported only when a command runs, so that `--help` answers at once.
"""

import dataclasses
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from tl_keras.arguments import Parser, check_config_file, spelled_out
from tl_keras.config import Config
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.progress import say

INTERRUPTED = 130
DEFAULT_EXPORTS = "saved_models"
PRINT_CONFIG = "--print_config"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; `None` takes the process's.

    Returns:
        The exit code: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C.
    """
    arguments = spelled_out(sys.argv[1:] if arguments is None else list(arguments))
    try:
        check_config_file(arguments)
        # jsonargparse would print the flags beside the config too.
        print_config = PRINT_CONFIG in arguments
        arguments = [part for part in arguments if part != PRINT_CONFIG]
        options = _parser().parse_args(arguments)
        if options.subcommand is None:
            raise UsageError(f"Give a command: {', '.join(COMMANDS)}.")
        run, _ = COMMANDS[options.subcommand]
        chosen = options[options.subcommand]
        if print_config and options.subcommand == "train":
            print(_config(chosen).to_yaml(), end="")
            return 0
        return run(chosen)
    except TlKerasError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        # A second Ctrl-C must not cut off the message.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> ArgumentParser:
    """Builds the parser; the flags of `train` are made from `Config`."""
    parser = Parser(
        prog="tl-keras",
        description="Transfer learning for image classification.",
        allow_abbrev=False,
    )
    commands = parser.add_subcommands(required=False)
    for name, (run, add_arguments) in COMMANDS.items():
        command = Parser(
            prog=f"tl-keras {name}", description=run.__doc__, allow_abbrev=False
        )
        add_arguments(command)
        commands.add_subcommand(name, command, help=run.__doc__)
    return parser


def _pipeline() -> ModuleType:
    """Imports the pipeline, and with it TensorFlow, without what that prints.

    TensorFlow writes its first lines past Python, and past its own log level: only
    a closed file descriptor keeps them from the user.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        return importlib.import_module("tl_keras.pipeline")
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _train(options: Namespace) -> int:
    """Train on a folder of images (one sub-folder a class), evaluate and export."""
    if options.source is None:
        raise UsageError("Give a source: a folder with one sub-folder a class.")
    pipeline, config = _pipeline(), _config(options)
    name = options.name or pipeline.default_name(options.source)
    if config.export.folder is None and not options.no_export:
        config = config.override(export={"folder": f"{DEFAULT_EXPORTS}/{name}"})
    folder = Path(options.runs, name)
    return _with_way_back(
        folder,
        lambda: pipeline.train(
            options.source,
            config=config,
            name=name,
            runs=options.runs,
            overwrite=options.overwrite,
        ),
    )


def _config(options: Namespace) -> Config:
    """Returns the config that the flags and the file give together."""
    names = [field.name for field in dataclasses.fields(Config)]
    values = {name: options[name] for name in names}
    return Config().override(
        **{
            name: value.as_dict() if isinstance(value, Namespace) else value
            for name, value in values.items()
        }
    )


def _add_train(parser: ArgumentParser) -> None:
    help = "a folder, or the built-in source 'twemoji'"
    parser.add_argument("source", nargs="?", type=str | None, help=help)
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
    parser.add_class_arguments(Config, as_group=False)


def _resume(options: Namespace) -> int:
    """Go on with a run that was interrupted or killed."""
    pipeline = _pipeline()

    return _with_way_back(Path(options.run), lambda: pipeline.resume(options.run))


def _add_resume(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="the run folder")


def _with_way_back(folder: Path, work: Callable[[], Any]) -> int:
    """Trains, shows the summary, and says how to resume where it was stopped."""
    from tl_keras.run import find_run
    from tl_keras.summary import print_summary

    try:
        run = work()
    except KeyboardInterrupt:
        if find_run(folder):
            say(f"Stopped. Go on with: tl-keras resume {folder}")
        else:
            say("Stopped before anything was trained.")
        return INTERRUPTED
    print_summary(run)
    return 0


def _evaluate(options: Namespace) -> int:
    """Evaluate a run or an export on labelled images."""
    pipeline = _pipeline()
    from tl_keras.summary import metrics_table, per_class_table

    metrics = pipeline.evaluate(
        pipeline.load(options.model), options.source, bad_files=options.bad_files
    )
    if options.json:
        print(json.dumps(metrics, indent=2, ensure_ascii=False))
        return 0
    console = Console()
    console.print(metrics_table(metrics))
    console.print(per_class_table(metrics))
    return 0


def _add_evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="a run folder or an export's folder")
    parser.add_argument("source", help="a folder, or the built-in source 'twemoji'")
    parser.add_argument(
        "--bad_files",
        choices=["error", "skip"],
        default="error",
        help="what to do with files that cannot be decoded",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _predict(options: Namespace) -> int:
    """Classify image files with an export or a run."""
    pipeline = _pipeline()

    if options.json and options.csv:
        raise UsageError("Give --json or --csv, not both.")
    from tl_keras.summary import print_predictions

    found = pipeline.load(options.model).predict(options.images)
    shape = "json" if options.json else "csv" if options.csv else "table"
    print_predictions(found, shape)
    bad = [prediction for prediction in found if prediction.error]
    for prediction in bad:
        print(f"error: {prediction.path}: {prediction.error}", file=sys.stderr)
    return 1 if bad else 0


def _add_predict(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="an export's folder, or a run folder")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--csv", action="store_true", help="print CSV")


def _models(options: Namespace) -> int:
    """List the architectures and pretrained backbones with their figures."""
    _pipeline()
    from tl_keras.listing import print_models

    print_models(as_json=options.json)
    return 0


def _add_models(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _summary(options: Namespace) -> int:
    """Show a network's stages: output shapes, parameters, multiply-adds."""
    _pipeline()
    from tl_keras.listing import plot, print_stages

    network = print_stages(options.name, image_size=options.image_size)
    if options.plot:
        plot(network, Path(options.plot))
    return 0


def _add_summary(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="of an architecture: see `tl-keras models`")
    help = "side of the images in pixels; default: the native size"
    parser.add_argument("--image_size", type=int | None, help=help)
    help = "draw the network into this file (.png, .svg, .pdf)"
    parser.add_argument("--plot", type=str | None, help=help)


COMMANDS = {
    "train": (_train, _add_train),
    "evaluate": (_evaluate, _add_evaluate),
    "predict": (_predict, _add_predict),
    "resume": (_resume, _add_resume),
    "models": (_models, _add_models),
    "summary": (_summary, _add_summary),
}


if __name__ == "__main__":
    sys.exit(main())
