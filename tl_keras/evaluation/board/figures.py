"""Figures on the test images as TensorBoard's scalars."""

from collections.abc import Mapping
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary

from tl_keras.training import events

# Every figure of every class is a chart of its own, with a single point: three for each
# of a thousand classes are no overview, and slow the page down. The table of a run and
# `metrics.json` hold them all.
MOST_CLASSES = 50
# What does not measure the classifier, or stands elsewhere.
NOT_SHOWN = {"images"}
OF_A_CLASS = ("precision", "recall", "f1")


def overall(metrics: Mapping[str, Any]) -> Summary:
    """Returns every single number of an evaluation as `test/…`.

    Args:
        metrics: What `metrics.compute` or `multi_label.compute` returned.
    """
    found = {
        f"test/{name}": float(value)
        for name, value in metrics.items()
        if name not in NOT_SHOWN and _is_number(value)
    }
    error = metrics.get("calibration", {}).get("ece")
    if _is_number(error):
        found["test/calibration_error"] = float(error)
    return events.scalars(found)


def of_classes(metrics: Mapping[str, Any]) -> Summary:
    """Returns precision, recall and F1 of each class; nothing above 50 classes.

    Args:
        metrics: What `metrics.compute` or `multi_label.compute` returned.
    """
    rows = metrics["per_class"]
    if len(rows) > MOST_CLASSES:
        return Summary()
    return events.scalars(
        {f"{name}/{row['class']}": row[name] for name in OF_A_CLASS for row in rows}
    )


def _is_number(value: Any) -> bool:
    """Tells whether a figure is one number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
