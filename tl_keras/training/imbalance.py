"""Classes of different size: weighed alike in the loss, or drawn equally often."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

WEIGHTS, SAMPLING = "weights", "sampling"


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Returns each class's weight: images / (classes with images x images of it).

    Over all images the weights sum up to the number of images, in each class to the
    same. A class without images weighs nothing.

    Args:
        labels: Class indices, `(images,)`.
        classes: Number of classes.
    """
    present = np.unique(labels)
    weights = np.zeros(classes, np.float32)
    weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights


def weigh(targets: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns targets and a weight an image that make up a class-weighted loss.

    Mixed targets too: the cross-entropy of each class has that class's weight.

    Args:
        targets: `(images, classes)`, or `(images, 1)` for one logit of two classes.
        weights: Of the classes, `(classes,)`.
    """
    one_logit = targets.shape[1] == 1
    shares = np.concatenate([1 - targets, targets], axis=1) if one_logit else targets
    shares = shares * weights
    total = shares.sum(axis=1)
    shares = shares / total[:, np.newaxis]
    return shares[:, 1:] if one_logit else shares, total


def draw_equally(
    labels: np.ndarray, total: int, random: np.random.Generator
) -> np.ndarray:
    """Draws places in which every class is equally frequent, to the image.

    What does not divide goes to classes at random. Within a class each image comes
    equally often, again to the image.

    Args:
        labels: Class indices, `(images,)`.
        total: How many places to draw.
        random: What is drawn from.

    Returns:
        `(total,)`, in random order.
    """
    present = random.permutation(np.unique(labels))
    counts = np.full(len(present), total // len(present))
    counts[: total % len(present)] += 1
    drawn = []
    for label, count in zip(present, counts):
        places = np.flatnonzero(labels == label)
        rounds = -(-count // len(places))
        all_rounds = [random.permutation(places) for _ in range(rounds)]
        drawn.append(np.concatenate([places[:0], *all_rounds])[:count])
    return random.permutation(np.concatenate(drawn))


def repeats(places: np.ndarray) -> np.ndarray:
    """Returns how often each place stands further ahead in the same order."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    found = np.empty(len(places), int)
    found[order] = np.arange(len(places)) - np.searchsorted(ordered, ordered)
    return found
