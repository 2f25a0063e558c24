"""`tl-keras board`: TensorBoard on a folder of runs, for this machine alone."""

import contextlib
import io
import socket
import threading
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load
from tl_keras.errors import UsageError
from tl_keras.fields import require
from tl_keras.progress import say

# Whoever else can reach the machine must not read the images of a run.
HOST = "127.0.0.1"
PORT, LAST_PORT = 6006, 65535


def board(options: Namespace) -> int:
    """Show runs in TensorBoard, on this machine alone, until Ctrl-C."""
    require(0 <= options.port <= LAST_PORT, "port", "in [0, 65535]", options.port)
    folder = Path(options.runs)
    _require_runs(folder)
    port = options.port if _is_free(options.port) else 0
    if port != options.port:
        say(f"Port {options.port} is taken: another one is used.")
    address = _launch(folder, port)
    print(f"TensorBoard shows {folder} at {address} (Ctrl-C ends it)", flush=True)
    # Ctrl-C is the way to end it, and no failure.
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    return 0


def add_board(parser: ArgumentParser) -> None:
    """Declares what `board` takes."""
    help = "a folder of run folders, or one of them"
    parser.add_argument("runs", nargs="?", default="runs", help=help)
    help = "another one is taken where this is not free"
    parser.add_argument("--port", type=int, default=PORT, help=help)


def _require_runs(folder: Path) -> None:
    """Refuses a folder without runs in it.

    Raises:
        UsageError: If there are none.
    """
    run = load("tl_keras.run")
    if not folder.is_dir():
        raise UsageError(f"There is no folder '{folder}': give one that holds runs.")
    states = folder.rglob(run.STATE)
    if not any(run.find_run(state.parent) for state in states):
        raise UsageError(
            f"No run in '{folder}': give a folder that `tl-keras train` wrote runs to."
        )


def _is_free(port: int) -> bool:
    """Tells whether a server can have a port; 0 stands for any that is free."""
    with socket.socket() as probe:
        # A port that a server has just left is free, too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _launch(folder: Path, port: int) -> str:
    """Starts TensorBoard in this process and returns its address.

    Raises:
        UsageError: If it cannot have the port.
    """
    program, plugins = load("tensorboard.program"), load("tensorboard.default")
    server = program.TensorBoard(plugins.get_plugins())
    flags = [f"--logdir={folder}", f"--host={HOST}", f"--port={port}"]
    server.configure(["", *flags])
    try:
        # It tells how to start it another way.
        with contextlib.redirect_stderr(io.StringIO()):
            return server.launch()
    except program.TensorBoardServerException as error:
        raise UsageError(f"Port {port} cannot be used: {error.msg}.") from None
