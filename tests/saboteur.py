"""Stand-ins for the process that examines files: one that files can bring down.

`main` takes the place of `datasets.checking.examiner.main` and starts at once, for it
needs no TensorFlow; `real` is the true one, brought down in the same ways.
"""

import os
import sys
import time

from tl_keras.datasets.checking.results import Result, Stamp
from tl_keras.datasets.checking.serving import serve

CRASH, HANG, PAUSE = b"crash", b"hang", b"pause"
GROW, EXHAUST = b"grow", b"exhaust"


def exhaust():
    """Ends as C++ does where memory is short."""
    os.write(2, b"terminate called after throwing 'std::bad_alloc'\n")
    os.abort()


DEEDS = {
    CRASH: os.abort,
    HANG: lambda: time.sleep(1000),
    PAUSE: lambda: time.sleep(1),
    GROW: lambda: bytearray(2 << 30),
    EXHAUST: exhaust,
}


def obey(path):
    """Does what the end of a file says."""
    with open(path, "rb") as file:
        content = file.read()
    for word, deed in DEEDS.items():
        if content.endswith(word):
            deed()
    return content


def examine(path, target, background, limits):
    """Takes the file's content for its digest."""
    content = obey(path)
    if content.endswith(b"speak"):
        print("not an answer")
    stamp = Stamp.of(os.stat(path))
    return stamp, Result(pixels=content.decode()), bytes(768)


def main():
    """Serves without TensorFlow."""
    serve(examine, lambda: None)


def silent():
    """Does not come up."""
    sys.exit("no room on this machine")


def real():
    """Serves with the true examination."""
    from tl_keras.datasets.checking import examination, examiner

    read = examination._read

    def read_and_obey(path):
        obey(path)
        return read(path)

    examination._read = read_and_obey
    examiner.main()
