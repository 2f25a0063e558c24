"""The command line `tl-keras`: reads arguments, calls the pipeline, shows results.

TensorFlow is imported only when a command runs, so that `--help` answers at once.
"""

import csv
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
from rich.table import Column, Table

from tl_keras.config import Config
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.progress import say

USAGE, INTERRUPTED = 2, 130
DEFAULT_EXPORTS = "saved_models"
PRINT_CONFIG = "--print_config"


class _Parser(ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:
        """Ends with the first line of the message that says something."""
        lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
        # jsonargparse wraps: the last line is the rule that was broken.
        text = lines[0] if len(lines) == 1 else f"{lines[0].rstrip(':')}: {lines[-1]}"
        print(f"error: {text} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; `None` takes the process's.

    Returns:
        The exit code: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C.
    """
    arguments = _spelled_out(sys.argv[1:] if arguments is None else list(arguments))
    try:
        _check_config_file(arguments)
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


def _spelled_out(arguments: list[str]) -> list[str]:
    """Completes the two short forms: `--backbone NAME` and a bare `--deterministic`."""
    full = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1 : place + 2]
        if argument == "--backbone":
            argument = "--backbone.name"
        full.append(argument)
        if argument == "--deterministic" and following not in (["true"], ["false"]):
            full.append("true")
    return full


def _check_config_file(arguments: list[str]) -> None:
    """Reads `--config FILE` as Python would, for the same clear errors."""
    for argument, following in zip(arguments, [*arguments[1:], None]):
        if argument == "--config" and following:
            Config.from_yaml(following)
        elif argument.startswith("--config="):
            Config.from_yaml(argument.removeprefix("--config="))


def _parser() -> ArgumentParser:
    """Builds the parser; the flags of `train` are made from `Config`."""
    parser = _Parser(
        prog="tl-keras",
        description="Transfer learning for image classification.",
        allow_abbrev=False,
    )
    commands = parser.add_subcommands(required=False)
    for name, (run, add_arguments) in COMMANDS.items():
        command = _Parser(
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
    found = pipeline.load(options.model).predict(options.images)
    write = _as_json if options.json else _as_csv if options.csv else _as_table
    write(found)
    bad = [prediction for prediction in found if prediction.error]
    for prediction in bad:
        print(f"error: {prediction.path}: {prediction.error}", file=sys.stderr)
    return 1 if bad else 0


def _add_predict(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="an export's folder, or a run folder")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--csv", action="store_true", help="print CSV")


def _as_json(found: list) -> None:
    """Prints all probabilities."""
    rows = [dataclasses.asdict(prediction) for prediction in found]
    print(json.dumps(rows, indent=2, ensure_ascii=False))


def _as_csv(found: list) -> None:
    """Prints one line an image; a bad image's line is empty but for its error."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "label", "probability", "error"])
    for one in found:
        shown = "" if one.probability is None else f"{one.probability:.6f}"
        writer.writerow([one.path, one.label or "", shown, one.error or ""])


def _as_table(found: list) -> None:
    """Prints the best class of each image, and the next two."""
    table = Table(Column("Image", overflow="fold"), "Label", "Probability", "Then")
    for one in found:
        if one.error:
            continue
        order = sorted(one.probabilities.items(), key=lambda item: -item[1])
        then = ", ".join(f"{name} {value:.2f}" for name, value in order[1:3])
        table.add_row(one.path, one.label, f"{one.probability:.3f}", then)
    if table.row_count:
        Console(markup=False).print(table)


COMMANDS = {
    "train": (_train, _add_train),
    "evaluate": (_evaluate, _add_evaluate),
    "predict": (_predict, _add_predict),
    "resume": (_resume, _add_resume),
}


if __name__ == "__main__":
    sys.exit(main())
