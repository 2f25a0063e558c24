"""A picture of what an augmentation policy does: images beside views of them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tl_keras.datasets import augmentation, batches
from tl_keras.datasets.batches import PLAIN_VIEW
from tl_keras.datasets.manifest import Manifest, Row, natural_key
from tl_keras.datasets.square import Square
from tl_keras.errors import UsageError
from tl_keras.fields import require
from tl_keras.files import replacing

# In pixels. Smaller images are enlarged by a whole number: digits have 28.
SMALLEST_CELL = 112
MARGIN, FONT_SIZE, LINE = 8, 16, 24
PAPER, INK = (236, 236, 236), (32, 32, 32)


def choose(manifest: Manifest, images: int, seed: int) -> Manifest:
    """Takes a few images at random, of as many classes as there can be.

    Args:
        manifest: All images.
        images: How many to take; fewer where there are not so many.
        seed: Another seed takes others.

    Raises:
        UsageError: If `images` is below 1.
    """
    require(images >= 1, "images", "at least 1", images)
    random = np.random.default_rng(seed)
    shuffled = [
        manifest.rows[place] for place in random.permutation(len(manifest.rows))
    ]
    seen: dict[str, int] = {}

    def turn(row: Row) -> int:
        """Returns how many of the row's class stand before it."""
        seen[row.label] = seen.get(row.label, -1) + 1
        return seen[row.label]

    # Every class's first one comes before any second one.
    chosen = sorted(shuffled, key=turn)[:images]
    return manifest.with_rows(sorted(chosen, key=lambda row: natural_key(row.label)))


def draw(
    manifest: Manifest,
    path: Path,
    *,
    policy: str,
    flip: bool = True,
    views: int,
    square: Square,
    seed: int = 0,
) -> None:
    """Draws each image, and the views of it that training would see, in one row.

    Args:
        manifest: The images, checked: a view belongs to an image's pixels.
        path: The PNG file to write.
        policy: Name of the augmentation policy.
        flip: Whether the policy may mirror images.
        views: How many beside the original.
        square: What is made of the images.
        seed: Of the augmentation, as `Config.seed`.

    Raises:
        UsageError: If a number is below 1, the policy is unknown, or `path` is no name
            of a PNG file.
        StorageError: If the file cannot be written.
    """
    require(views >= 1, "views", "at least 1", views)
    require(square.side >= 1, "image_size", "at least 1", square.side)
    augmentation.policy(policy)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise UsageError(f"`out` must be a file that ends in .png. Received: '{path}'")
    plain = _read(manifest, square, view=PLAIN_VIEW)
    # One data set for all of them: to set one up takes longer than to read it.
    repeated = manifest.with_rows(row for row in manifest.rows for _ in range(views))
    numbers = np.tile(np.arange(1, views + 1), len(manifest.rows))
    drawn = _read(repeated, square, policy=policy, view=numbers, seed=seed, flip=flip)
    drawn = drawn.reshape(len(manifest.rows), views, *square.shape)
    mirror = "" if flip else ", nothing mirrored"
    caption = f"policy {policy}, seed {seed}{mirror}"
    columns = np.concatenate([plain[:, np.newaxis], drawn], axis=1)
    grid = _grid(columns, caption, manifest.rows)
    with replacing(path) as temporary:
        grid.save(temporary, format="PNG")


def _read(manifest: Manifest, square: Square, **view: Any) -> np.ndarray:
    """Returns views of all images, `(images, side, side, 3)`."""
    data = batches.images(manifest, square, len(manifest.rows), **view)
    (pixels,) = (batch.numpy() for batch in batches.read(data))
    return pixels


def _grid(pixels: np.ndarray, caption: str, rows: tuple[Row, ...]) -> Image.Image:
    """Puts images, `(rows, columns, side, side, 3)`, on one sheet, with captions."""
    count, columns, side = pixels.shape[:3]
    cell = side * max(1, -(-SMALLEST_CELL // side))
    step = cell + MARGIN
    size = columns * step + MARGIN, LINE + count * (step + LINE) + MARGIN
    sheet = Image.new("RGB", size, PAPER)
    write = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    write.text((MARGIN, MARGIN // 2), caption, INK, font)
    for number, row in enumerate(rows):
        top = LINE + number * (step + LINE)
        name = f"{row.label}: {Path(row.path).name}, as it is and {columns - 1} views"
        write.text((MARGIN, top + MARGIN // 2), name, INK, font)
        for column in range(columns):
            image = Image.fromarray(pixels[number, column])
            image = image.resize((cell, cell), Image.Resampling.NEAREST)
            sheet.paste(image, (MARGIN + column * step, top + LINE))
    return sheet
