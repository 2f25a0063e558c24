"""What TensorBoard's own reader finds in a folder of event files."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

ALL = {"tensors": 0}


def opened(folder):
    """Reads a folder; nothing is sampled away."""
    return EventAccumulator(str(folder), size_guidance=ALL).Reload()


def tags(folder):
    """Returns the tags of a folder."""
    return set(opened(folder).Tags()["tensors"])


def values(folder, tag):
    """Returns a tag's values by step, in the order they are read, as pairs."""
    found = opened(folder).Tensors(tag)
    return [(one.step, tensor_util.make_ndarray(one.tensor_proto)) for one in found]


def curve(folder, tag):
    """Returns a tag's numbers by step, in the order they are read, as pairs."""
    return [(step, round(float(value), 4)) for step, value in values(folder, tag)]


def steps(folder, tag):
    """Returns the steps at which a tag has values."""
    return [step for step, _ in values(folder, tag)]
