"""Files of TensorBoard's projector: features of images as points in space."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from tensorboard.plugins import projector

from tl_keras.datasets.report.names import visible
from tl_keras.evaluation.board.examples import Example

# More points make the page slow, and their pictures one that browsers refuse.
MOST_IMAGES = 2000
# TensorBoard reads the points as text: thousands of numbers an image take minutes. It
# draws two or three dimensions, and makes its maps of the neighbours.
MOST_DIMENSIONS = 64
THUMBNAIL = 64
# Sides in pixels beyond which browsers draw nothing.
LARGEST_SPRITE = 8192
FEATURES, METADATA, SPRITE = "features.tsv", "metadata.tsv", "sprite.png"
COLUMNS = ("label", "predicted", "result", "probability", "path")


def write(
    folder: Path,
    features: np.ndarray,
    examples: Sequence[Example],
    thumbnails: np.ndarray,
) -> None:
    """Writes points, their names and their pictures.

    Args:
        folder: Of an event file; TensorBoard looks for them there.
        features: float, `(images, features)`. Where there are many, their principal
            components are written instead.
        examples: The prediction of each image.
        thumbnails: uint8 RGB in [0, 255], `(images, side, side, 3)`.
    """
    points = components(features)
    np.savetxt(folder / FEATURES, points, fmt="%.5g", delimiter="\t")
    lines = [COLUMNS, *(_cells(example) for example in examples)]
    text = "".join("\t".join(cells) + "\n" for cells in lines)
    (folder / METADATA).write_text(text, encoding="utf-8", newline="")
    sprite(thumbnails).save(folder / SPRITE, "PNG")
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "features"
    embedding.tensor_path = FEATURES
    embedding.tensor_shape.extend(points.shape)
    embedding.metadata_path = METADATA
    embedding.sprite.image_path = SPRITE
    embedding.sprite.single_image_dim.extend([thumbnails.shape[2], thumbnails.shape[1]])
    projector.visualize_embeddings(str(folder), config)


def components(features: np.ndarray) -> np.ndarray:
    """Returns features as they are, or the principal components of many.

    Args:
        features: float, `(images, features)`.

    Returns:
        `(images, dimensions)`, at most 64 dimensions, at least two.
    """
    most = min(MOST_DIMENSIONS, len(features))
    if features.shape[1] > MOST_DIMENSIONS and most > 1:
        features = PCA(most, random_state=0).fit_transform(features)
    # TensorBoard takes a line of one number for no point.
    missing = max(0, 2 - features.shape[1])
    return np.pad(features, ((0, 0), (0, missing)))


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Returns a small copy of an image; a small image is returned as it is.

    Args:
        pixels: uint8 RGB in [0, 255], `(side, side, 3)`.
    """
    if pixels.shape[0] <= THUMBNAIL:
        return pixels
    size = THUMBNAIL, THUMBNAIL
    # Enough for a thumbnail, in a fraction of the time.
    return np.asarray(Image.fromarray(pixels).resize(size, reducing_gap=2.0))


def sprite(thumbnails: np.ndarray) -> Image.Image:
    """Returns small images side by side, row by row, in a square.

    Args:
        thumbnails: uint8 RGB in [0, 255], `(images, side, side, 3)`.

    Raises:
        ValueError: If a side would have more than 8,192 pixels.
    """
    count, side = thumbnails.shape[:2]
    columns = math.ceil(math.sqrt(count))
    if columns * side > LARGEST_SPRITE:
        raise ValueError(
            f"`thumbnails` must make a picture of at most {LARGEST_SPRITE} pixels a "
            f"side. Received: {count} of {side} pixels"
        )
    sheet = np.full((columns * columns, side, side, 3), 255, np.uint8)
    sheet[:count] = thumbnails
    rows = sheet.reshape(columns, columns, side, side, 3).swapaxes(1, 2)
    return Image.fromarray(rows.reshape(columns * side, columns * side, 3))


def _cells(example: Example) -> tuple[str, ...]:
    """Returns an example's line; tabs and line ends in names would break it."""
    result = "right" if example.right else "wrong"
    probability = f"{example.probability:.4f}"
    cells = example.label, example.predicted, result, probability, example.path
    return tuple(visible(cell) for cell in cells)
