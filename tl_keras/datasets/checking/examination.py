"""Examines one file: reads it, decodes it as training does, and says what is odd."""

import hashlib
import os
import stat
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from tl_keras.datasets.checking import converting, headers, looks
from tl_keras.datasets.checking.findings import Facts
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.reasons import reason
from tl_keras.datasets.checking.results import Result, Stamp
from tl_keras.datasets.checking.serving import take_stderr
from tl_keras.datasets.images import decode
from tl_keras.datasets.orientation import EXIF_HEADER, exif_orientation
from tl_keras.datasets.square import WHITE
from tl_keras.errors import TlKerasError

# Words of the decoder's refusals.
REFUSALS = {
    "BMP": "palette_bmp",
    "animated": "animated_webp",
    "transparent": "transparent_gif",
}


class Refused(Exception):
    """A file without pixels: its kind of problem and the detail."""


def examine(
    path: str, target: str, background: list[int], limits: Limits
) -> tuple[Stamp, Result, bytes]:
    """Examines one file.

    Args:
        path: The file.
        target: Where it is converted to first; empty for not at all. What is
            examined then is the target.
        background: Colour behind transparent pixels.
        limits: What it may take.

    Returns:
        The file's stamp, what was found, and its thumbnail: uint8 RGB,
        `(16, 16, 3)`; empty where there are no pixels.
    """
    stamp, facts, content = Stamp(0, 0, 0), Facts(), b""
    try:
        if target:
            if not os.path.exists(target):
                _, content = _read(path)
                converting.convert(content, Path(target), tuple(background))
            path = target
        stamp, content = _read(path)
        found = _picture(content)
        facts, claimed = headers.facts_of(content, found, limits.pixels)
        if found.name == "JPEG":
            # Pillow and the decoder differ in what they take of a damaged header.
            facts = replace(facts, orientation=_orientation(content))
        if claimed > limits.pixels:
            raise Refused("enormous", f"its header claims {claimed:,} pixels")
        if found.name not in headers.DECODED:
            pages = f" of {facts.frames} pages" if facts.frames > 1 else ""
            raise Refused("unsupported", f"{found.name}{pages}")
        pixels, said = _decoded(content, tuple(background))
    except Refused as refusal:
        kind, detail = refusal.args
    except OSError as error:
        kind, detail = "unreadable", error.strerror or str(error)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        kind = "enormous"
        detail = f"needs more than {limits.bytes / 1e9:.1f} GB of memory"
    except TlKerasError as error:
        kind, detail = "unconverted", str(error)
    else:
        problems = looks.problems_of(path, content, found, facts, pixels, said)
        return (
            stamp,
            looks.result_of(content, facts, pixels, problems),
            looks.thumbnail_of(pixels),
        )
    sha256 = hashlib.sha256(content).hexdigest() if content else ""
    return stamp, Result(sha256=sha256, facts=facts, problems=((kind, detail),)), b""


def _read(path: str) -> tuple[Stamp, bytes]:
    """Reads a file; of what is no picture, the start."""
    # Opening a pipe would wait for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Refused("unreadable", "no file")
    with open(path, "rb") as file:
        stamp = Stamp.of(os.fstat(file.fileno()))
        head = file.read(headers.HEAD_BYTES)
        if head and not headers.format_of(head).picture:
            return stamp, head
        return stamp, head + file.read()


def _picture(content: bytes) -> headers.Format:
    """Returns the format of what holds a picture."""
    if not content:
        raise Refused("empty", "")
    found = headers.format_of(content[: headers.HEAD_BYTES])
    if not found.picture:
        raise Refused("not_image", found.name)
    return found


def _orientation(jpeg: bytes) -> int:
    """Returns the EXIF orientation by which the decoder turns a JPEG."""
    if EXIF_HEADER not in jpeg:
        return 1
    return int(_orientation_reader()(jpeg))


@cache
def _orientation_reader() -> tf.types.experimental.PolymorphicFunction:
    """Returns the decoder's reader of EXIF as a graph, traced once."""
    content = tf.TensorSpec([], tf.string)
    return tf.function(exif_orientation, input_signature=[content])


def _decoded(content: bytes, background: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """Returns the pixels as training sees them, and what libraries said of them."""
    take_stderr()
    try:
        return decoder(background)(content).numpy(), take_stderr()
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        said = reason(error)
        refusals = (kind for word, kind in REFUSALS.items() if said.startswith(word))
        is_refusal = "cannot be decoded rightly" in said
        kind = next(refusals, "damaged") if is_refusal else "damaged"
        raise Refused(kind, said) from None


@cache
def decoder(
    background: tuple[int, ...] = WHITE,
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the decoder of training as a graph, traced once a background."""
    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(partial(decode, background=background), signature)
