"""What was chosen for a run, and what came of it, in TensorBoard's HParams."""

import dataclasses
from typing import Any

from google.protobuf.message import Message
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, summary, summary_v2

from tl_keras.config import Config
from tl_keras.training import events

# Fields that runs are compared by, as the command line names them, with their type:
# TensorBoard has columns of numbers and of text. `unfreeze` may be either.
NUMBER, TEXT = api_pb2.DATA_TYPE_FLOAT64, api_pb2.DATA_TYPE_STRING
SHARED = {
    "backbone.image_size": NUMBER,
    "augment.policy": TEXT,
    "data.few_shot": NUMBER,
    "data.imbalance": TEXT,
    "seed": NUMBER,
}
PRETRAINED = {
    "backbone.name": TEXT,
    "backbone.weights": TEXT,
    "augment.views": NUMBER,
    "head.pooling": TEXT,
    "head.hidden": TEXT,
    "head_phase.solver": TEXT,
    "head_phase.epochs": NUMBER,
    "head_phase.learning_rate": NUMBER,
    "fine_tune.unfreeze": TEXT,
    "fine_tune.epochs": NUMBER,
    "fine_tune.learning_rate": NUMBER,
    "fine_tune.batch_size": NUMBER,
    "fine_tune.mixup": NUMBER,
    "fine_tune.label_smoothing": NUMBER,
}
SCRATCH = {
    "scratch.name": TEXT,
    "scratch.epochs": NUMBER,
    "scratch.learning_rate": NUMBER,
    "scratch.batch_size": NUMBER,
    "scratch.mixup": NUMBER,
    "scratch.label_smoothing": NUMBER,
}
FIELDS = PRETRAINED | SCRATCH | SHARED
# The page shows five columns until it is asked for more: those that are said to differ.
FIRST = {
    "augment.policy",
    "backbone.name",
    "fine_tune.epochs",
    "fine_tune.learning_rate",
    "fine_tune.unfreeze",
}
# Scalars of the folder `test`, and how they are called.
FIGURES = {
    "test/accuracy": "Test accuracy",
    "test/f1": "Test F1 (macro)",
    "test/loss": "Test loss",
}


def chosen(config: Config) -> dict[str, str | float]:
    """Returns a config's fields that runs are compared by, by dotted name.

    Fields of sections that took no part are left out, and those without a value.

    Args:
        config: What was trained, settled.
    """
    taking_part = (SCRATCH if config.scratch.name else PRETRAINED) | SHARED
    values = dataclasses.asdict(config)
    found = {name: _value(values, name) for name in taking_part}
    return {
        name: str(value) if taking_part[name] == TEXT else float(value)
        for name, value in found.items()
        if value is not None
    }


def _value(values: dict[str, Any], name: str) -> Any:
    """Returns a field's value by its dotted name, several ones in one text."""
    for part in name.split("."):
        values = values[part]
    if isinstance(values, tuple):
        return ", ".join(str(value) for value in values) or None
    return values


def session(config: Config, name: str) -> Summary:
    """Returns a finished run for the HParams page.

    It belongs into the folder above that of the test figures.

    Args:
        config: What was trained, settled.
        name: The run's, which is unique among those beside it.
    """
    start = summary_v2.hparams_pb(chosen(config), trial_id=name)
    end = summary.session_end_pb(api_pb2.STATUS_SUCCESS)
    # Some of these are the protos of TensorFlow, others those of TensorBoard.
    return events.joined(
        Summary.FromString(part.SerializeToString())
        for part in (_experiment(), start, end)
    )


def _experiment() -> Message:
    """Returns the page's columns; each run tells them, as any may be the only one.

    Without them the page would have a column for each figure of each class.
    """
    columns = [
        api_pb2.HParamInfo(
            name=name, display_name=name, type=kind, differs=name in FIRST
        )
        for name, kind in FIELDS.items()
    ]
    figures = [
        api_pb2.MetricInfo(
            name=api_pb2.MetricName(group=events.TEST, tag=tag), display_name=title
        )
        for tag, title in FIGURES.items()
    ]
    return summary.experiment_pb(hparam_infos=columns, metric_infos=figures)
