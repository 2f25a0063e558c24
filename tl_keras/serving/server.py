"""The process that serves: its socket, its signals, and what it says of itself."""

import contextlib
import ipaddress
import signal
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import uvicorn

from tl_keras.errors import UsageError
from tl_keras.progress import say
from tl_keras.serving import heat, models
from tl_keras.serving.app import create
from tl_keras.serving.heat import Heat
from tl_keras.serving.limits import Limits
from tl_keras.serving.models import Shelf

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Quiet(uvicorn.Server):
    """A server that ends by a signal as by a wish: requests are answered, then 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server at Ctrl-C or SIGTERM, without raising them once more."""
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    folder: Path,
    *,
    host: str,
    port: int,
    runs: Path,
    run: Path | None = None,
    allowed: Iterable[str] = (),
    limits: Limits,
) -> None:
    """Serves an export until Ctrl-C or SIGTERM.

    Args:
        folder: Holds the export's versions; or one of them.
        host: Where to listen.
        port: The port; 0 takes any that is free.
        runs: Where the run of the export's name is looked for.
        run: The run, where it is elsewhere.
        allowed: Names that the server may be asked by, beside `localhost` and numbers.
        limits: What a request may take.

    Raises:
        UsageError: If there is no export, or the port cannot be had.
        ExportError: If no version can be loaded.
    """
    with listening(host, port) as listener:
        shelf = models.opened(folder)
        pictures = _pictures(shelf, runs, run)
        app = create(shelf, limits, pictures, (host, *allowed))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=int(limits.seconds) + 1,
        )
        _announce(shelf, listener, host, pictures)
        Quiet(config).run(sockets=[listener])


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Gives a socket that is bound: before a model is loaded it is known to be free.

    Raises:
        UsageError: If it cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"Host {host!r} cannot be used: {_why(error)}.") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise UsageError(
                f"Port {port} of {host} cannot be used: {_why(error)}. Give another "
                f"--port; 0 takes any that is free."
            ) from None
        yield listener


def _why(error: OSError) -> str:
    """Returns the system's reason."""
    return error.strerror or str(error)


def _pictures(shelf: Shelf, runs: Path, run: Path | None) -> Heat | None:
    """Returns what makes Grad-CAM pictures, if a run is at hand."""
    export = shelf.current.export
    if run is not None:
        return heat.of_run(export, run)
    return heat.of_export(export, runs / shelf.name)


def _announce(
    shelf: Shelf, listener: socket.socket, host: str, pictures: Heat | None
) -> None:
    """Says where the page is, and who can reach it."""
    if not _is_local(listener.getsockname()[0]):
        say(
            f"Warning: whoever reaches this machine can use the server at {host}. It "
            f"asks for no password."
        )
    if pictures:
        say(f"Grad-CAM pictures come from {pictures.run.folder}")
    port = listener.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    print(
        f"Serving {shelf.name}, version {shelf.current.number}, at "
        f"http://{name}:{port}/ (Ctrl-C ends it)",
        flush=True,
    )


def _is_local(address: str) -> bool:
    """Tells whether only this machine reaches an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
