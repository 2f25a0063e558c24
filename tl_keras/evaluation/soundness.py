"""Refuses labels and probabilities that no figure can be computed of."""

import numpy as np

from tl_keras.errors import DataError

# In half precision a row's sum misses 1 by up to this.
TOLERANCE = 5e-3


def one_class(
    labels: np.ndarray, probabilities: np.ndarray, class_names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels as int64 and probabilities as float64 whose rows sum to 1.

    Args:
        labels: Class indices, `(images,)`.
        probabilities: `(images, classes)`.
        class_names: In the order of the columns.

    Raises:
        DataError: If they are none; it names the first bad image.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    found = _probabilities(probabilities, class_names)
    _require_shape(labels, (len(found),), "labels", "(images,)")
    require_numbers(labels, "label")
    whole = np.equal(np.mod(labels, 1), 0)
    _refuse(~whole, labels, "label", "a class index is a whole number")
    classes = len(class_names)
    outside = (labels < 0) | (labels >= classes)
    rule = f"with {classes} classes indices are 0 to {classes - 1}"
    _refuse(outside, labels, "label", rule)
    sums = found.sum(axis=1)
    _refuse(
        np.abs(sums - 1) > TOLERANCE,
        sums,
        "sum of its probabilities",
        "it has to be 1: give probabilities (a softmax of logits)",
    )
    return labels.astype(np.int64), found / sums[:, np.newaxis]


def any_classes(
    targets: np.ndarray, probabilities: np.ndarray, class_names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns targets as bool and probabilities as float64, any number of labels each.

    Args:
        targets: 1 at each image's labels and 0 elsewhere, `(images, classes)`.
        probabilities: Each label's own, `(images, classes)`.
        class_names: In the order of the columns.

    Raises:
        DataError: If they are none; it names the first bad image.
    """
    targets, probabilities = np.asarray(targets), np.asarray(probabilities)
    found = _probabilities(probabilities, class_names)
    _require_shape(targets, found.shape, "targets", "(images, classes)")
    require_numbers(targets, "target")
    odd = (targets != 0) & (targets != 1)
    _refuse(odd, targets, "target", "a label is there (1) or not (0)")
    return targets.astype(bool), found


def _probabilities(values: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
    """Returns probabilities as float64, one column a class."""
    if values.ndim != 2 or values.shape[1] != len(class_names):
        raise DataError(
            f"The probabilities must be of shape (images, {len(class_names)}), one "
            f"column a class. Received: {values.shape}"
        )
    if not len(values):
        raise DataError("There are no images to evaluate: give at least one.")
    require_numbers(values, "probability")
    outside = (values < 0) | (values > 1 + TOLERANCE)
    rule = "it has to be in [0, 1]: give probabilities, no logits"
    _refuse(outside, values, "probability", rule)
    return values.astype(float)


def _require_shape(
    values: np.ndarray, shape: tuple[int, ...], what: str, meaning: str
) -> None:
    """Refuses an array of another shape."""
    if values.shape != shape:
        raise DataError(
            f"The {what} must be of shape {shape}, {meaning}, as the probabilities "
            f"are. Received: {values.shape}"
        )


def require_numbers(values: np.ndarray, what: str) -> None:
    """Refuses what is no number, and numbers that are none.

    Args:
        values: Of each image, or of each image and class.
        what: One of them, in a word.

    Raises:
        DataError: If one is NaN or infinite; it names the first such image.
    """
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        raise DataError(f"A {what} must be a number. Received: {values.dtype} values")
    rule = "it has to be finite: look for NaN in the images or the weights"
    _refuse(~np.isfinite(values), values, what, rule)


def _refuse(bad: np.ndarray, values: np.ndarray, what: str, rule: str) -> None:
    """Refuses values of which some are bad, and names the first."""
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        column = f", class {place[1]}" if len(place) > 1 else ""
        raise DataError(
            f"The {what} of image {place[0]}{column} is {values[place]:g}: {rule} "
            f"({int(bad.sum()):,} of {bad.size:,} are wrong)."
        )
