"""What a reader of the figures must know beside them, in sentences."""

from typing import Any

import numpy as np

WIDE = 0.1
FEW = 10
NAMED = 5


def of(
    figures: dict[str, Any], truth: np.ndarray, class_names: tuple[str, ...]
) -> list[str]:
    """Returns warnings of what the figures do not tell.

    Args:
        figures: `images`, `accuracy`, `accuracy_interval` and `per_class`.
        truth: Class indices, `(images,)`, or which labels are true,
            `(images, classes)`.
        class_names: In the order of the classes.
    """
    counts = {row["class"]: row["images"] for row in figures["per_class"]}
    missing = [name for name in class_names if not counts[name]]
    few = [name for name in class_names if 0 < counts[name] < FEW]
    found = []
    if missing:
        found.append(
            f"No image here is of {_some(missing)}: averages over the classes leave "
            f"{'it' if len(missing) == 1 else 'them'} out."
        )
    low, high = figures["accuracy_interval"]
    if high - low > WIDE:
        found.append(
            f"{_images(figures['images'])} leave the accuracy open between {low:.3f} "
            f"and {high:.3f} (95 %): more would narrow it."
        )
    if few:
        found.append(
            f"Fewer than {FEW} images are of {_some(few)}: their figures are rough."
        )
    return found + _against_guessing(figures, truth, class_names)


def _against_guessing(
    figures: dict[str, Any], truth: np.ndarray, class_names: tuple[str, ...]
) -> list[str]:
    """Compares the accuracy with that of one answer to every image."""
    answers, counts = np.unique(truth, axis=0, return_counts=True)
    if len(answers) == 1:
        return []
    share = counts.max() / len(truth)
    answer = _named(answers[counts.argmax()], class_names)
    low, high = figures["accuracy_interval"]
    if high < share:
        how = "is below"
    elif low <= share:
        how = "cannot be told apart from"
    else:
        return []
    return [
        f"The accuracy of {figures['accuracy']:.3f} {how} that of always answering "
        f"{answer} ({share:.3f})."
    ]


def _named(answer: np.ndarray, class_names: tuple[str, ...]) -> str:
    """Returns an answer's classes in quotes."""
    if answer.ndim == 0:
        return repr(class_names[int(answer)])
    labels = [class_names[place] for place in np.flatnonzero(answer)]
    return _some(labels) if labels else "no label"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _some(names: list[str]) -> str:
    """Returns the first names in quotes, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:NAMED])
    more = len(names) - NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown
