"""TensorBoard's event files: what stands in them, and how they stay whole.

A run is written by several processes where it is killed and resumed. TensorBoard reads
all files of a folder, the one behind the other by name: what two of them hold is shown
twice. So every file here has a name of its own, and is replaced, not followed.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

from tl_keras.files import replacing, storage_errors

# Folders of a run, which TensorBoard shows as lines of their own: what was trained,
# the epochs on training and on validation images, the figures on test images.
LOGS = "logs"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
# What every event file begins with.
VERSION = "brain.Event:2"
# Bytes around each record: its length, and a checksum of each of the two.
RECORD_OVERHEAD = 16
PNG_START = b"\x89PNG\r\n\x1a\n"


def scalars(values: dict[str, float]) -> Summary:
    """Returns numbers as one summary, by tag."""
    return joined(scalar_pb(tag, value) for tag, value in values.items())


def markdown(tag: str, text: str) -> Summary:
    """Returns a text that TensorBoard shows as Markdown."""
    return text_pb(tag, text)


def verbatim(tag: str, text: str) -> Summary:
    """Returns a text that is shown as it is: four spaces make a block of code."""
    return text_pb(tag, "\n".join(f"    {line}" for line in text.splitlines()))


def histogram(tag: str, values: np.ndarray) -> Summary:
    """Returns how numbers are distributed."""
    return histogram_pb(tag, values)


def picture(tag: str, png: bytes) -> Summary:
    """Returns a picture, its bytes as they are.

    Args:
        tag: What it is called.
        png: A PNG file's content.

    Raises:
        ValueError: If it is not a PNG file's.
    """
    if not png.startswith(PNG_START):
        raise ValueError(f"`png` must hold a PNG file. Received: {png[:8]!r}")
    # The first chunk gives both sides, big end first.
    width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    content = [str(width).encode(), str(height).encode(), png]
    value = Summary.Value(
        tag=tag,
        metadata=image_metadata.create_summary_metadata(
            display_name=None, description=None
        ),
        tensor=tensor_util.make_tensor_proto(content, dtype=tf.string.as_datatype_enum),
    )
    return Summary(value=[value])


def joined(summaries: Iterable[Summary]) -> Summary:
    """Returns what several summaries hold, as one."""
    return Summary(value=[value for one in summaries for value in one.value])


def at(step: int, summary: Summary, wall_time: float | None = None) -> Event:
    """Returns a summary with its place on the axis.

    Args:
        step: Epoch, counted over all phases.
        summary: What to show there.
        wall_time: When it was, in seconds since 1970; `None` for now.
    """
    wall_time = time.time() if wall_time is None else wall_time
    return Event(step=step, summary=summary, wall_time=wall_time)


def write(folder: Path, name: str, events: Iterable[Event], *, number: int = 0) -> None:
    """Writes an event file in one step, in the place of the one of that name.

    Args:
        folder: What TensorBoard shows as one line.
        name: Of the file within the folder.
        events: All that the file holds.
        number: The file's place among those of the same name, lower steps first: what
            is read behind a higher step takes that step's place.

    Raises:
        StorageError: If the folder cannot be written.
    """
    with replacing(_path(folder, name, number)) as temporary:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for event in (_version(), *events):
                writer.write(event.SerializeToString())


def extend(
    folder: Path, name: str, before: Sequence[Event], new: Sequence[Event]
) -> None:
    """Adds events to a file, so that it holds those before, and these.

    A file that is longer or shorter than the events before make it belongs to a
    process that was killed, or to epochs that are repeated: another one with all
    events takes its place, of another name, so that a TensorBoard that reads the old
    one goes on to it.

    Args:
        folder: What TensorBoard shows as one line.
        name: Of the file within the folder.
        before: What it should hold so far. Their times are not compared.
        new: What to add.

    Raises:
        StorageError: If the folder cannot be written.
    """
    old = sorted(folder.glob(f"events.out.tfevents.*.{name}"))
    size = sum(_size(event) for event in (_version(), *before))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if len(old) == 1 and old[0].stat().st_size == size:
            return _append(old[0], new)
        number = 1 + max((int(path.name.split(".")[3]) for path in old), default=-1)
        _append(_path(folder, name, number), [_version(), *before, *new])
        for path in old:
            path.unlink()


def _path(folder: Path, name: str, number: int) -> Path:
    """Returns an event file's path; higher numbers are read later."""
    return folder / f"events.out.tfevents.{number:010d}.{name}"


def _version() -> Event:
    """Returns the event that a file begins with."""
    return Event(file_version=VERSION, wall_time=time.time())


def _size(event: Event) -> int:
    """Returns the bytes that an event takes in a file."""
    return event.ByteSize() + RECORD_OVERHEAD


def _append(path: Path, events: Sequence[Event]) -> None:
    """Writes events behind those of a file."""
    with path.open("ab") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
