"""The loop of a process that examines files: it may crash, and nothing else is lost.

It reads orders from its standard input, a line of JSON each: a list of files and the
limits. It answers with a line for each file, so that the parent knows which file it
was on. Libraries' complaints go to a file, not to the screen: libjpeg patches over
damage and says so on file descriptor 2 alone.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.results import Answer, Result, Stamp

STDERR = 2
READY = "ready"
# Called with a file's path, target, background and limits.
Examine = Callable[..., tuple[Stamp, Result, bytes]]


def serve(examine: Examine, warm_up: Callable[[], None]) -> None:
    """Answers orders until there are no more.

    Args:
        examine: What is done with a file.
        warm_up: What is done first.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What a library prints must not pass for an answer.
    os.dup2(STDERR, sys.stdout.fileno())
    warm_up()
    take_stderr()
    own = _data_bytes()
    try:
        print(READY, file=answers, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            limits = Limits(**order["limits"])
            _limit_memory(own + limits.bytes)
            for file in order["files"]:
                _answer(examine, file, limits, answers)
    except BrokenPipeError:
        # The parent is gone. Closing the pipe again would complain.
        os._exit(0)


def _answer(
    examine: Examine, file: dict[str, Any], limits: Limits, answers: TextIO
) -> None:
    """Examines one file and writes the answer; the system ends what hangs."""
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    stamp, result, thumbnail = examine(**file, limits=limits)
    signal.setitimer(signal.ITIMER_REAL, 0)
    answer = Answer(result=result, stamp=stamp, thumbnail=thumbnail)
    print(answer.to_json(), file=answers, flush=True)


def take_stderr() -> str:
    """Returns what was written to file descriptor 2 since the last time."""
    written = os.lseek(STDERR, 0, os.SEEK_CUR)
    if not written:
        return ""
    text = os.pread(STDERR, written, 0)
    os.ftruncate(STDERR, 0)
    os.lseek(STDERR, 0, os.SEEK_SET)
    return text.decode(errors="replace")


def _data_bytes() -> int:
    """Returns the memory that the process has, where the system tells."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(re.search(r"VmData:\s+(\d+) kB", status)[1]) * 1024


def _limit_memory(most: int) -> None:
    """Lets larger allocations fail, where the system can."""
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    except (ImportError, AttributeError, ValueError, OSError):
        # Without a limit the system's own ends the process, which names the file.
        return
