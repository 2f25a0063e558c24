"""What is said of a classifier in words: one sentence, and what weakens it."""

from collections.abc import Mapping
from typing import Any

# Below so many test images of a class its figures say little.
FEW_OF_A_CLASS = 10
# An interval of the accuracy that is wider says little.
WIDE = 0.1
NAMED = 5


def sentence(metrics: Mapping[str, Any], *, multi_label: bool = False) -> str:
    """Returns how good the classifier is, in one sentence.

    Args:
        metrics: As `metrics.json` holds them.
        multi_label: Whether an image has any number of classes.
    """
    low, high = metrics["accuracy_interval"]
    images = metrics["images"]
    many = "1 test image" if images == 1 else f"{images:,} test images"
    right = "has every label right on" if multi_label else "is right on"
    return (
        f"The classifier {right} {percent(metrics['accuracy'])} of {many} "
        f"(95 % interval: {percent(low)} to {percent(high)})."
    )


def baseline(metrics: Mapping[str, Any]) -> str:
    """Returns what guessing would give; empty where images have several labels.

    Args:
        metrics: As `metrics.json` holds them.
    """
    if "confusion_matrix" not in metrics or not metrics["images"]:
        return ""
    rows = metrics["confusion_matrix"]
    most = max(sum(row) for row in rows) / metrics["images"]
    return (
        f"With {len(rows):,} classes, always naming the one that is most frequent "
        f"among the test images would be right on {percent(most)} of them."
    )


def warnings(
    metrics: Mapping[str, Any], splits: Mapping[str, int] | None = None
) -> list[str]:
    """Returns what weakens the figures: what the evaluation says, or what we count.

    Args:
        metrics: As `metrics.json` holds them; `warnings` of it are taken as they are.
        splits: Images by split.
    """
    found = list(metrics.get("warnings") or [])
    if "warnings" not in metrics:
        found = _counted(metrics)
    if splits and not splits.get("validation"):
        found.append(
            "There were no validation images: nothing tells when a phase began to "
            "learn the training images by heart."
        )
    return found


def _counted(metrics: Mapping[str, Any]) -> list[str]:
    """Returns the warnings of figures that came without any."""
    found = []
    low, high = metrics["accuracy_interval"]
    if high - low > WIDE:
        found.append(
            f"The test set is small: on other images the accuracy may well be "
            f"anything from {percent(low)} to {percent(high)}."
        )
    few = [row for row in metrics["per_class"] if row["images"] < FEW_OF_A_CLASS]
    if few:
        named = ", ".join(f"{row['class']} ({row['images']})" for row in few[:NAMED])
        named += f" and {len(few) - NAMED:,} more" if len(few) > NAMED else ""
        found.append(
            f"Classes with fewer than {FEW_OF_A_CLASS} test images, whose figures say "
            f"little: {named}."
        )
    return found


def percent(share: float) -> str:
    """Returns a share of 1 as a person reads it; 100 % is said only of all."""
    shown = f"{100 * share:.1f}"
    if shown == "100.0" and share < 1:
        shown = "99.9"
    return f"{shown.removesuffix('.0') if share in (0, 1) else shown} %"
