"""Keeps off the terminal what libraries in C++ write past Python."""

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

logger = logging.getLogger(__name__)

STANDARD_ERROR = 2
_lock = threading.RLock()


@contextlib.contextmanager
def silence(*loggers: str) -> Iterator[None]:
    """Sends standard error to the log's debug level while the block runs.

    The converters and XNNPACK tell there, by no setting to be stopped, what they do.
    An error that the block raises is not touched.

    Args:
        loggers: Names of Python's loggers that give errors alone meanwhile.
    """
    with contextlib.ExitStack() as stack:
        for name in loggers:
            stack.enter_context(_errors_alone(logging.getLogger(name)))
        stack.enter_context(_unprinted())
        yield


@contextlib.contextmanager
def _errors_alone(noisy: logging.Logger) -> Iterator[None]:
    """Keeps a logger from giving more than errors."""
    before = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        yield
    finally:
        noisy.setLevel(before)


@contextlib.contextmanager
def _unprinted() -> Iterator[None]:
    """Keeps what is written to the descriptor of standard error for the log."""
    with _lock, tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        before = os.dup(STANDARD_ERROR)
        os.dup2(kept.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, STANDARD_ERROR)
            os.close(before)
            kept.seek(0)
            logger.debug("%s", kept.read().decode(errors="replace"))
