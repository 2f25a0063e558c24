"""`tl-keras launch`: several processes on this machine, for tests and many GPUs."""

from jsonargparse import ArgumentParser, Namespace

from tl_keras.errors import UsageError
from tl_keras.launching import launch as start

NAME = "launch"
COMMANDS = ("train", "resume")


def launch(options: Namespace) -> int:
    """Train or resume in several processes on this machine."""
    workers, command = options.local_workers, list(options.command)
    if workers < 1:
        raise UsageError(f"--local-workers must be at least 1. Received: {workers}")
    if not command or command[0] not in COMMANDS:
        raise UsageError(
            "Give the command behind two dashes, as in `tl-keras launch "
            f"--local-workers 2 -- train photos`: {' or '.join(COMMANDS)}. "
            f"Received: {' '.join(command) or 'nothing'}"
        )
    return start(command, workers)


def add_launch(parser: ArgumentParser) -> None:
    """Declares what `launch` takes; the command stands behind `--`."""
    help = "processes; the command to run in each comes behind `--`"
    parser.add_argument("--local_workers", type=int, default=2, help=help)
