"""`tl-keras serve`: a server to try an export on."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load
from tl_keras.errors import UsageError
from tl_keras.fields import require
from tl_keras.serving.limits import Limits

# Whoever else can reach the machine has no business there unless told so.
HOST = "127.0.0.1"
# That of TensorFlow Serving's REST paths.
PORT, LAST_PORT = 8501, 65535
PACKAGES = ("fastapi", "uvicorn")


def serve(options: Namespace) -> int:
    """Serve an export: TensorFlow Serving's REST paths and a page, until Ctrl-C."""
    require(0 <= options.port <= LAST_PORT, "port", "in [0, 65535]", options.port)
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"Serving needs the package {missing[0]}: pip install 'tl_keras[serve]'."
        )
    names = [field.name for field in dataclasses.fields(Limits)]
    limits = Limits(**{name: options[name] for name in names})
    load("tl_keras.serving.server").serve(
        Path(options.export),
        host=options.host,
        port=options.port,
        runs=Path(options.runs),
        run=options.run and Path(options.run),
        allowed=options.allow_host,
        limits=limits,
    )
    return 0


def add_serve(parser: ArgumentParser) -> None:
    """Declares what `serve` takes."""
    help = "an export's folder: its newest version is served, and newer ones later"
    parser.add_argument("export", help=help)
    help = "where to listen; the default is this machine alone"
    parser.add_argument("--host", default=HOST, help=help)
    help = "0 takes any that is free"
    parser.add_argument("--port", type=int, default=PORT, help=help)
    help = "where the run of the export's name is looked for, for Grad-CAM pictures"
    parser.add_argument("--runs", default="runs", metavar="FOLDER", help=help)
    help = "the run of the export, where it is elsewhere"
    parser.add_argument("--run", type=str | None, metavar="FOLDER", help=help)
    help = "further name that the server may be asked by; may be given several times"
    parser.add_argument(
        "--allow_host", action="append", default=[], metavar="NAME", help=help
    )
    parser.add_class_arguments(Limits, as_group=False)
