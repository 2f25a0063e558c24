"""The command line `tl-keras`: reads arguments, calls the pipeline, shows results.

TensorFlow is imported only when a command runs, so that `--help` answers at once.
"""

import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from tl_keras import cluster as clusters
from tl_keras import stopping
from tl_keras.arguments import Parser, check_config_file, spelled_out
from tl_keras.commands import (
    augment,
    board,
    cache,
    check,
    explain,
    export,
    find_lr,
    launch,
    networks,
    report,
    serve,
    studies,
    train,
    use,
)
from tl_keras.commands.train import config_of
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.files import cure_of

PRINT_CONFIG = "--print_config"
DASHES = "--"
COMMANDS = {
    "check": (check.check, check.add_check),
    "train": (train.train, train.add_train),
    "find-lr": (find_lr.find_lr, find_lr.add_find_lr),
    "evaluate": (use.evaluate, use.add_evaluate),
    "predict": (use.predict, use.add_predict),
    "resume": (train.resume, train.add_resume),
    launch.NAME: (launch.launch, launch.add_launch),
    "explain": (explain.explain, explain.add_explain),
    "export": (export.export, export.add_export),
    "exports": (export.exports, export.add_exports),
    "report": (report.report, report.add_report),
    "serve": (serve.serve, serve.add_serve),
    "board": (board.board, board.add_board),
    "compare": (studies.compare, studies.add_compare),
    "crossval": (studies.crossval, studies.add_crossval),
    "curve": (studies.curve, studies.add_curve),
    "models": (networks.models, networks.add_models),
    "summary": (networks.summary, networks.add_summary),
    "augment": (augment.augment, augment.add_augment),
    "cache": (cache.cache, cache.add_cache),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; `None` takes the process's.

    Returns:
        The exit code: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C, 143 for
        SIGTERM.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with stopping.signals():
        try:
            return _run(arguments)
        except TlKerasError as error:
            _tell(f"error: {error}", error)
            return error.exit_code
        except OSError as error:
            where = f"Cannot write {error.filename}: " if error.filename else ""
            _tell(f"error: {where}{cure_of(error) or error}", error)
        except MemoryError as error:
            _tell("error: The memory is used up: end other programs.", error)
        except KeyboardInterrupt as stop:
            # One process says it for all that train together.
            if clusters.is_chief():
                _tell("Stopped.", stop)
            return stopping.exit_code(stop)
    return 1


def _run(arguments: list[str]) -> int:
    """Runs the command that the arguments name."""
    behind = []
    if arguments[:1] == [launch.NAME] and DASHES in arguments:
        # Another command, which reads it itself.
        place = arguments.index(DASHES)
        arguments, behind = arguments[:place], arguments[place + 1 :]
    arguments = spelled_out(arguments)
    check_config_file(arguments)
    # jsonargparse would print the flags beside the config too.
    print_config = PRINT_CONFIG in arguments
    arguments = [part for part in arguments if part != PRINT_CONFIG]
    options = _parser().parse_args(arguments)
    if options.subcommand is None:
        raise UsageError(f"Give a command: {', '.join(COMMANDS)}.")
    run, _ = COMMANDS[options.subcommand]
    chosen = options[options.subcommand]
    chosen.command = behind
    if print_config and options.subcommand == "train":
        print(config_of(chosen).to_yaml(), end="")
        return 0
    return run(chosen)


def _tell(line: str, raised: BaseException) -> None:
    """Prints what happened in a line, and how to go on in another."""
    print("\n".join([line, *stopping.notes(raised)]), file=sys.stderr)


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
        # First this: a command's own commands have to come behind it.
        commands.add_subcommand(name, command, help=run.__doc__)
        add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
