"""Occlusion sensitivity (Zeiler and Fergus, 2014): https://arxiv.org/abs/1311.2901.

How much less probable a class becomes when a grey patch hides a part of the image
(section 4.2). It looks at no layer, only at the answers: any classifier will do.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tl_keras.evaluation.predictions import BATCH_SIZE
from tl_keras.fields import require
from tl_keras.progress import track

GREY = 127.5
# The patch's side is so many strides, a fifth of the image's: in equal parts, so that
# equally many patches cover every place but the edges.
STRIDES, PATCH = 3, 0.2


def of_batch(
    classify: Callable[[tf.Tensor], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
    """Returns a function from a batch of pixels and a class each to heat maps.

    Args:
        classify: From a batch of pixels to class probabilities.

    Returns:
        What `gradcam.of_batch` returns: the maps are the drops of the probability,
        those below 0 cut off, divided by the largest of the image.
    """

    def explain(images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
        found = np.maximum(drops(classify, images, classes), 0)
        largest = found.max(axis=(1, 2), keepdims=True)
        return found / np.where(largest > 0, largest, 1)

    return explain


def drops(
    classify: Callable[[tf.Tensor], np.ndarray],
    images: np.ndarray,
    classes: np.ndarray | None = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
) -> np.ndarray:
    """Returns how much the class's probability drops where a place is hidden.

    Args:
        classify: From a batch of pixels to class probabilities.
        images: Pixels in [0, 255], `(batch, side, side, 3)`.
        classes: Class indices, `(batch,)`; `None` for the most probable ones.
        patch: Side of the patch in pixels; `None` for a fifth of the image's.
        stride: Pixels that it moves by; `None` for a third of its side.

    Returns:
        float32 in [-1, 1], `(batch, side, side)`: the mean over the patches that
        cover a pixel.

    Raises:
        UsageError: If `patch` is not within the image, or `stride` not within it.
    """
    images = np.asarray(images)
    side = images.shape[1]
    if patch is None:
        patch = min(side, STRIDES * max(1, round(PATCH * side / STRIDES)))
    stride = max(1, patch // STRIDES) if stride is None else stride
    require(1 <= patch <= side, "patch", f"1 to {side}", patch)
    # A longer stride would leave pixels out that nothing is known of.
    require(1 <= stride <= patch, "stride", f"1 to {patch}, as the patch", stride)
    windows = _windows(side, patch, stride)
    whole = classify(images)
    classes = whole.argmax(axis=1) if classes is None else classes
    seen = np.zeros((side, side), np.float32)
    for window in windows:
        seen[window] += 1
    work = [
        (number, windows[first : first + BATCH_SIZE])
        for number in range(len(images))
        for first in range(0, len(windows), BATCH_SIZE)
    ]
    found = np.zeros(images.shape[:3], np.float32)
    total = -(-len(windows) // BATCH_SIZE) * len(images)
    for number, chunk in track(work, "Hiding patches", total):
        hidden = classify(_hide(images[number], chunk))[:, classes[number]]
        for window, probability in zip(chunk, hidden):
            found[number][window] += whole[number, classes[number]] - probability
    return found / seen


def _windows(side: int, patch: int, stride: int) -> list[tuple[slice, slice]]:
    """Returns where the patch lies, the last places at the very edge."""
    starts = sorted({*range(0, side - patch, stride), side - patch})
    spans = [slice(start, start + patch) for start in starts]
    return [(rows, columns) for rows in spans for columns in spans]


def _hide(image: np.ndarray, windows: Sequence[tuple[slice, slice]]) -> np.ndarray:
    """Returns the image once a window, grey there, `(windows, side, side, 3)`."""
    copies = np.repeat(image[np.newaxis].astype(np.float32), len(windows), axis=0)
    for copy, window in zip(copies, windows):
        copy[window] = GREY
    return copies
