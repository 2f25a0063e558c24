"""The test images with the greatest losses, from a run's `predictions.csv`."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from tl_keras.datasets.manifest import LABEL_SEPARATOR
from tl_keras.errors import StorageError

# Columns before the classes': path, label, predicted, probability.
BEFORE = 4
# What is written as 0 would have an infinite loss.
TINY = 1e-7


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What the classifier says of a test image.

    Attributes:
        path: As in the manifest.
        true: Its class, or classes.
        predicted: What the classifier says.
        probability: Of the most probable class, in [0, 1].
        loss: Cross-entropy in nats; with several labels its mean over the classes.
        wrong: Whether other classes are said than are true, in whatever order.
    """

    path: str
    true: str
    predicted: str
    probability: float
    loss: float
    wrong: bool


def greatest(
    path: Path, class_names: tuple[str, ...], count: int, *, multi_label: bool = False
) -> list[Loss]:
    """Returns the images with the greatest losses, the worst first.

    Args:
        path: What `predictions.save` wrote.
        class_names: In the order of the probabilities.
        count: How many, at most.
        multi_label: Whether an image has any number of classes.

    Raises:
        StorageError: If the file cannot be read, or is of other classes.
    """
    places = {name: place for place, name in enumerate(class_names)}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # By place: a class may be called `path`.
            header, *rows = csv.reader(file)
        if header[BEFORE:] != list(class_names):
            raise ValueError("it is of other classes")
        found = [_loss(row, places, multi_label) for row in rows]
    except (OSError, ValueError, KeyError, IndexError, csv.Error) as error:
        raise StorageError(f"{path} cannot be read: {error!r}.") from None
    return sorted(found, key=lambda one: -one.loss)[:count]


def _loss(row: list[str], places: dict[str, int], multi_label: bool) -> Loss:
    """Returns a line of the file with its loss."""
    path, true, predicted, probability, *values = row
    numbers = [float(value) for value in values]
    if multi_label:
        own, said = (_places(label, places) for label in (true, predicted))
        right = [v if n in own else 1 - v for n, v in enumerate(numbers)]
    else:
        own, said = places[true], places[predicted]
        right = [numbers[own]]
    each = [-math.log(max(value, TINY)) for value in right]
    return Loss(
        path=path,
        true=true,
        predicted=predicted,
        probability=float(probability),
        loss=sum(each) / len(each),
        wrong=own != said,
    )


def _places(label: str, places: dict[str, int]) -> set[int]:
    """Returns the classes in a label, which joins any number of them."""
    return {places[name] for name in label.split(LABEL_SEPARATOR) if name}
