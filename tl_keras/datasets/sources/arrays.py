"""Images in NumPy arrays."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tl_keras.datasets.manifest import LABEL_SEPARATOR, Manifest
from tl_keras.datasets.sources import stored
from tl_keras.datasets.sources.stored import Picture
from tl_keras.errors import DataError, UsageError
from tl_keras.sections import Data

KEYS = ("images", "labels", "class_names")
CHANNELS = (1, 3, 4)


def fits(source: Any) -> bool:
    """Tells whether the source is no name or path."""
    return not isinstance(source, str | Path)


def read(source: Any, data: Data) -> Manifest:
    """Lists the images of arrays; they are written as PNGs once.

    Args:
        source: `(images, labels)`, or a dict of `images`, `labels` and, where they
            are needed or their order matters, `class_names`. Images are uint8 in
            [0, 255], `(images, height, width)`, or with 1, 3 or 4 channels behind.
            Labels are class indices or names, `(images,)`, or multi-hot,
            `(images, classes)`.
        data: Says where the files go.

    Raises:
        UsageError: If the source is none of that.
        DataError: If the arrays are of another kind, shape or length.
    """
    images, labels, class_names = _parts(source)
    images = _images(images)
    labels, multi_label = _labels(labels, class_names, len(images))
    found = stored.once(
        _digest(images, labels), data, lambda: pictures(images, labels), len(images)
    )
    return Manifest(found.root, found.rows, class_names, multi_label)


def pictures(images: np.ndarray, labels: list[str]) -> Iterator[Picture]:
    """Yields arrays as PNGs, one by one.

    Args:
        images: uint8 in [0, 255], with 1, 3, 4 or no channels as the last axis.
        labels: Of each image.
    """
    for image, label in zip(images, labels):
        if image.ndim == 3 and image.shape[-1] == 1:
            image = image[..., 0]
        content = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(content, "PNG")
        yield Picture(content=content.getvalue(), label=label)


def _parts(source: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """Returns images, labels and class names of a source."""
    if isinstance(source, tuple | list) and len(source) == 2:
        source = dict(zip(KEYS, source))
    is_record = isinstance(source, Mapping) and set(source) <= set(KEYS)
    if not is_record or not {"images", "labels"} <= set(source):
        raise UsageError(
            f"A source in Python is a path, a name, `(images, labels)`, or a dict of "
            f"{', '.join(KEYS)}. Received: {type(source).__name__}"
            f"{f' of {sorted(map(str, source))}' if isinstance(source, dict) else ''}"
        )
    names = source.get("class_names")
    return (
        source["images"],
        source["labels"],
        () if names is None else tuple(str(name) for name in names),
    )


def _images(images: Any) -> np.ndarray:
    """Returns the images, if they are pixels."""
    try:
        images = np.asarray(images)
    except ValueError:
        raise DataError(
            "The images differ in size: resize them alike, or write them as files."
        ) from None
    kind, shape = images.dtype.kind, images.shape
    channels = shape[3] if images.ndim == 4 else 1
    rules = (
        (images.size == 0, f"empty, of shape {shape}: give at least one"),
        (kind == "f" and bool(np.isnan(images).any()), "not numbers (NaN) in places"),
        (
            kind == "f",
            f"{images.dtype}: give uint8 in [0, 255]. Of values in [0, 1] that is "
            f"(images * 255).round().astype('uint8')",
        ),
        (
            images.dtype != np.uint8,
            f"{images.dtype}: give uint8 in [0, 255], as images.astype('uint8') does",
        ),
        (
            images.ndim not in (3, 4) or channels not in CHANNELS,
            f"of shape {shape}: give (images, height, width), or 1, 3 or 4 channels "
            f"behind",
        ),
    )
    for broken, what in rules:
        if broken:
            raise DataError(f"The images are {what}.")
    return images


def _labels(
    labels: Any, class_names: tuple[str, ...], images: int
) -> tuple[list[str], bool]:
    """Returns each image's label, and whether it is several ones."""
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise DataError("The labels differ in length: give one an image.") from None
    if labels.shape[:1] != (images,):
        count = len(labels) if labels.ndim else 1
        raise DataError(f"{images} images and {count} labels: give one an image.")
    if labels.ndim == 2 and labels.shape[1] == 1 and len(class_names) != 1:
        # A column of class indices, as Keras's own data sets have it.
        labels = labels[:, 0]
    if labels.ndim == 2:
        return _multi_hot(labels, class_names), True
    reader = {"i": _indices, "u": _indices, "U": _texts, "O": _texts}.get(
        labels.dtype.kind
    )
    if reader is None or labels.ndim != 1:
        raise DataError(
            f"The labels are {labels.dtype} of shape {labels.shape}: give class "
            f"indices or names, (images,), or multi-hot, (images, classes)."
        )
    return reader(labels, class_names), False


def _indices(labels: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Returns the names of class indices."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (class_names and high >= len(class_names)):
        top = len(class_names) - 1 if class_names else "any"
        raise DataError(
            f"The labels are indices from {low} to {high}: give them from 0 to {top}."
        )
    return [class_names[label] if class_names else str(label) for label in labels]


def _texts(labels: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Returns names as they are."""
    del class_names
    # As a list they are Python's own texts.
    names = labels.tolist()
    bad = [name for name in names if not isinstance(name, str) or not name]
    if bad:
        raise DataError(f"A label is {bad[0]!r}: give names, or class indices.")
    return names


def _multi_hot(labels: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Returns the names of each image's classes, joined."""
    if len(class_names) != labels.shape[1]:
        raise DataError(
            f"Multi-hot labels of {labels.shape[1]} classes come with "
            f"{len(class_names)} class names: give a dict with as many `class_names`."
        )
    if not np.isin(labels, (0, 1)).all():
        raise DataError("Multi-hot labels hold other numbers than 0 and 1.")
    bad = [name for name in class_names if not name or LABEL_SEPARATOR in name]
    if bad:
        raise DataError(
            f"The class name {bad[0]!r} is empty or holds {LABEL_SEPARATOR!r}, which "
            f"joins an image's labels: choose another."
        )
    return [
        LABEL_SEPARATOR.join(class_names[place] for place in np.flatnonzero(row))
        for row in labels
    ]


def _digest(images: np.ndarray, labels: list[str]) -> str:
    """Returns a name that belongs to the arrays' content."""
    content = hashlib.sha256(repr(images.shape).encode())
    for image in images:
        content.update(np.ascontiguousarray(image))
    return stored.digest("arrays", content.hexdigest(), *labels)
