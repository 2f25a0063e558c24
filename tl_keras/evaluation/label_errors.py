"""Images whose label is probably wrong, by confident learning.

Northcutt, Jiang & Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
Journal of Artificial Intelligence Research 70, 2021, https://arxiv.org/abs/1911.00068.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tl_keras.datasets.manifest import Manifest
from tl_keras.files import write_text


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
        place: Of the image in the manifest.
        suggested: Index of the class that it seems to be of.
        of_label: Probability of the label that it has.
        of_suggested: Probability of the suggested class.
    """

    place: int
    suggested: int
    of_label: float
    of_suggested: float

    @property
    def margin(self) -> float:
        """How much the label falls short, in [-1, 0): the lower, the surer."""
        return self.of_label - self.of_suggested


def find(labels: np.ndarray, probabilities: np.ndarray) -> list[Suspect]:
    """Finds labels that speak against what a model says of images it never saw.

    A class's threshold is the mean probability that the model gives it on the images
    labelled with it. An image counts as of the class that is most probable among those
    at or above their threshold; where that is another class than the label, and more
    probable than it, the label is suspected.

    Args:
        labels: Class indices as given, `(images,)`.
        probabilities: Out-of-fold ones, `(images, classes)`: a model that was trained
            on an image has learnt its label, right or wrong.

    Returns:
        The suspects, those with the lowest normalised margin (probability of the label
        less that of the suggested class) first.
    """
    probabilities = np.asarray(probabilities, float)
    places = np.arange(len(labels))
    confident = probabilities >= thresholds(labels, probabilities)
    candidates = np.where(confident, probabilities, -1.0)
    suggested = candidates.argmax(axis=1)
    own, other = probabilities[places, labels], candidates[places, suggested]
    chosen = np.flatnonzero((suggested != labels) & (other > own))
    order = chosen[np.argsort((own - other)[chosen], kind="stable")]
    return [
        Suspect(
            place=int(place),
            suggested=int(suggested[place]),
            of_label=float(own[place]),
            of_suggested=float(other[place]),
        )
        for place in order
    ]


def thresholds(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns each class's mean probability on the images labelled with it.

    Infinite for a class without images, `(classes,)`.
    """
    return np.array(
        [
            probabilities[labels == number, number].mean()
            if (labels == number).any()
            else np.inf
            for number in range(probabilities.shape[1])
        ]
    )


def save(path: Path, manifest: Manifest, suspects: list[Suspect]) -> None:
    """Writes one line a suspect: path, label, suggested class, probabilities, margin.

    Args:
        path: The CSV file.
        manifest: The images that `find` was told of, in that order.
        suspects: What it found.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    names = ("label", "suggested", "of_label", "of_suggested", "margin")
    writer.writerow(["path", *names])
    for one in suspects:
        row, suggested = manifest.rows[one.place], manifest.class_names[one.suggested]
        numbers = (one.of_label, one.of_suggested, one.margin)
        shown = [f"{number:.6f}" for number in numbers]
        writer.writerow([row.path, row.label, suggested, *shown])
    write_text(path, text.getvalue())
