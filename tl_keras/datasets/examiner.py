"""The process that examines files: it may crash, and nothing else is lost.

It reads orders from its standard input, a line of JSON each: a list of files and the
limits. It answers with a line for each file, so that the parent knows which file it
was on. Libraries' complaints go to a file, not to the screen: libjpeg patches over
damage and says so on file descriptor 2 alone.
"""

import base64
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

import tensorflow as tf
from PIL import Image

from tl_keras.datasets import looks
from tl_keras.datasets.examination import STDERR, decoder, examine, take_stderr
from tl_keras.datasets.findings import Facts
from tl_keras.datasets.limits import Limits


def main() -> None:
    """Answers orders until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(STDERR, sys.stdout.fileno())
    # Phone cameras pass Pillow's limit; ours is checked by the header.
    Image.MAX_IMAGE_PIXELS = None
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _warm_up()
    own = _data_bytes()
    try:
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            limits = Limits(**order["limits"])
            _limit_memory(own + limits.bytes)
            for file in order["files"]:
                _answer(file, limits, answers)
    except BrokenPipeError:
        # The parent is gone. Closing the pipe again would complain.
        os._exit(0)


def _answer(file: dict[str, Any], limits: Limits, answers: TextIO) -> None:
    """Examines one file and writes the answer; the system ends what hangs."""
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    stamp, result, thumbnail = examine(**file, limits=limits)
    signal.setitimer(signal.ITIMER_REAL, 0)
    line = {
        "stamp": [stamp.size, stamp.mtime_ns, stamp.ctime_ns],
        "result": result.to_json(),
        "thumbnail": base64.b64encode(thumbnail).decode(),
    }
    print(json.dumps(line), file=answers, flush=True)


def _warm_up() -> None:
    """Traces the decoder and loads what is loaded at first use."""
    pixels = decoder()(tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8))).numpy()
    looks.result_of(b"", Facts(), pixels, {})
    take_stderr()


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
