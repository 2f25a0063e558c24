"""The training images that a classifier finds most like an image."""

from dataclasses import dataclass

import numpy as np
import sklearn
from sklearn.neighbors import NearestNeighbors

from tl_keras.evaluation.explanation.losses import Judged, classes

COUNT = 5
# Of the distances that are held at a time, in MiB.
MEMORY = 64


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training image that is like an image.

    Attributes:
        path: As the manifest has it.
        label: Its class or classes.
        distance: 1 less the cosine of the angle between the features, in [0, 2].
        thumbnail: The image, as a PNG file's bytes.
    """

    path: str
    label: str
    distance: float
    thumbnail: bytes


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """An image that is predicted wrongly, with the training images like it.

    Attributes:
        judged: The image and what the classifier says of it.
        thumbnail: The image, as a PNG file's bytes.
        neighbours: The nearest first.
        sure: Whether the prediction is a sure one: see `sure`.
    """

    judged: Judged
    thumbnail: bytes
    sure: bool
    neighbours: tuple[Neighbour, ...]

    @property
    def votes(self) -> int:
        """How many of the neighbours are labelled as was predicted."""
        predicted = classes(self.judged.predicted)
        return sum(classes(one.label) == predicted for one in self.neighbours)

    @property
    def suspected(self) -> bool:
        """Whether most are and it is sure: the image's own label may be wrong, then.

        Of a network that was fine-tuned the neighbours nearly always agree with the
        prediction: they alone say little.
        """
        return self.sure and 2 * self.votes > len(self.neighbours)

    @property
    def statement(self) -> str:
        """What the neighbours say, in one line."""
        said = (
            f"{self.votes} of the {len(self.neighbours)} nearest training images are "
            f"labelled as was predicted"
        )
        return f"{said}: label error?" if self.suspected else said


def sure(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Tells which predictions are as sure as those of images that are of that class.

    The same measure as in confident learning (see `evaluation.label_errors`): the class
    is at least as probable as on the images labelled with it, on average; with several
    labels an image each class that is predicted.

    Args:
        targets: Class indices, `(images,)`, or 1 at each image's classes and 0
            elsewhere, `(images, classes)`.
        predicted: Probabilities, `(images, classes)`.

    Returns:
        bool, `(images,)`.
    """
    if targets.ndim == 2:
        truth, said = targets > 0.5, predicted > 0.5
    else:
        one = np.eye(predicted.shape[1], dtype=bool)
        truth, said = one[targets], one[predicted.argmax(axis=1)]
    images = truth.sum(axis=0)
    usual = np.full(len(images), np.inf)
    np.divide((predicted * truth).sum(axis=0), images, out=usual, where=images > 0)
    return (~said | (predicted >= usual)).all(axis=1)


def nearest(
    queries: np.ndarray, training: np.ndarray, count: int = COUNT
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest training images of each image, the nearest first.

    The distances are computed exactly, in blocks of bounded memory.

    Args:
        queries: Features, `(images, features)`.
        training: Features, `(training images, features)`.
        count: How many; all, where there are fewer.

    Returns:
        Places in `training` and cosine distances, `(images, count)` both.
    """
    found = NearestNeighbors(n_neighbors=min(count, len(training)), metric="cosine")
    with sklearn.config_context(working_memory=MEMORY):
        distances, places = found.fit(training).kneighbors(queries)
    return places, distances
