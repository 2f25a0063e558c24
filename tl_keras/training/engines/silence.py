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
def silence() -> Iterator[None]:
    """Sends standard error to the log's debug level while the block runs.

    The converters and XNNPACK tell there, by no setting to be stopped, what they do.
    An error that the block raises is not touched.
    """
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
