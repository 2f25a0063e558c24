"""How the command line ends when it is told to: Ctrl-C, SIGTERM, and what comes next.

Every file is written under another name and renamed, so that a process may be ended at
any moment: to stop is to let go of what is not finished.
"""

import contextlib
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from types import FrameType

# 128 and the signal's number, as shells have it.
INTERRUPTED, TERMINATED = 130, 143
# Clusters kill 30 s after they asked.
GRACE_SECONDS = 20.0
# What is to be done to go on with the work under way, the innermost last.
_ways: list[str] = []


class Terminated(KeyboardInterrupt):
    """The process was asked to end, as a cluster does before it takes the machine."""


def exit_code(stop: KeyboardInterrupt) -> int:
    """Returns the exit code of a process that was stopped so."""
    return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED


@contextlib.contextmanager
def way_on(how: str) -> Iterator[None]:
    """Says how to go on where the work inside ends early, whatever ends it.

    Args:
        how: A sentence with the command. It becomes a note of what is raised.
    """
    _ways.append(how)
    try:
        yield
    except BaseException as stop:
        stop.add_note(how)
        raise
    finally:
        _ways.pop()


def resuming(folder: object) -> str:
    """Returns how to go on with a run, as `way_on` takes it."""
    return f"Go on with: tl-keras resume {shlex.quote(str(folder))}"


@contextlib.contextmanager
def way_on_after_a_stop(how: str) -> Iterator[None]:
    """Says how to go on where the work inside is told to end, and nothing inside did.

    Args:
        how: As `way_on` takes it.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if not notes(stop):
            stop.add_note(how)
        raise


def notes(error: BaseException) -> list[str]:
    """Returns what `way_on` noted on what was raised."""
    return list(getattr(error, "__notes__", []))


@contextlib.contextmanager
def signals() -> Iterator[None]:
    """Lets SIGTERM end the work inside as Ctrl-C does, and a second Ctrl-C at once.

    Where the work does not end within `GRACE_SECONDS`, the process does: it may wait
    for a library that does not look at signals.
    """
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can be told what signals do.
        yield
        return
    handler = _Handler()
    before = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number, known in before.items():
        # Who started us in the background wants no Ctrl-C to reach us.
        if known != signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        handler.rest()
        for number, known in before.items():
            if known is not None:
                signal.signal(number, known)


class _Handler:
    """What signals do."""

    def __init__(self) -> None:
        """Starts with none received."""
        self._timer: threading.Timer | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Ends the work, or where that was asked before by Ctrl-C, the process."""
        if self._timer:
            if number == signal.SIGINT:
                _end(INTERRUPTED)
            return
        terminated = number == signal.SIGTERM
        code = TERMINATED if terminated else INTERRUPTED
        self._timer = threading.Timer(GRACE_SECONDS, _end, [code])
        self._timer.daemon = True
        self._timer.start()
        raise Terminated if terminated else KeyboardInterrupt

    def rest(self) -> None:
        """Waits for the work no longer: it has ended."""
        if self._timer:
            self._timer.cancel()


def _end(code: int) -> None:
    """Ends the process without ado; what it was writing keeps its old content."""
    said = " ".join(["Stopped at once.", *_ways[-1:]])
    # Not by the stream, which may be what is stuck.
    os.write(2, f"{said}\n".encode())
    os._exit(code)
