"""Batches of images from a manifest, decoded in parallel."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import tensorflow as tf

from tl_keras.datasets.augmentation import POLICIES
from tl_keras.datasets.check import reason
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError
from tl_keras.registry import lookup

PLAIN_VIEW = 0
NO_POLICY = "none"
# Finished images and batches that wait to be taken.
BUFFERED_BYTES = 256 << 20


def images(
    manifest: Manifest,
    square: Square,
    batch_size: int,
    *,
    policy: str = "none",
    view: int = PLAIN_VIEW,
    seed: int = 0,
) -> tf.data.Dataset:
    """Gives the images in the manifest's order, the last batch included.

    Args:
        manifest: The images.
        square: What to make of them.
        batch_size: Images a batch.
        policy: Name of the augmentation policy.
        view: Which of the policy's random views; view 0 is the plain image.
        seed: Another seed draws other views.

    Returns:
        A data set of uint8 in [0, 255], `(batch, side, side, 3)`.

    Raises:
        UsageError: If the policy is unknown.
    """
    lookup(POLICIES, policy, "augmentation policy")
    load = _loader(square, NO_POLICY if view == PLAIN_VIEW else policy)
    seeds = [_seed(row.pixels, view, seed) for row in manifest.rows]
    dataset = tf.data.Dataset.from_tensor_slices((manifest.paths, seeds))
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return dataset.with_options(_bounds())


def _bounds() -> tf.data.Options:
    """Limits what waits in buffers; of images in work there is one a core at most."""
    options = tf.data.Options()
    options.autotune.ram_budget = BUFFERED_BYTES
    return options


@cache
def _loader(square: Square, policy: str) -> tf.types.experimental.PolymorphicFunction:
    """Returns the function from a path and a seed to pixels, traced once a process.

    Decoding is a large graph: every data set would spend seconds on tracing it anew.
    """
    augment = POLICIES[policy]

    def load(path: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return augment(decode_and_resize(tf.io.read_file(path), square), seed)

    signature = [tf.TensorSpec((), tf.string), tf.TensorSpec((2,), tf.int32)]
    return tf.function(load, input_signature=signature)


def views(
    decoded: np.ndarray,
    manifest: Manifest,
    batch_size: int,
    *,
    policy: str,
    view: int,
    seed: int = 0,
) -> tf.data.Dataset:
    """Gives what `images` gives, of images that are decoded already.

    Args:
        decoded: The plain images in the manifest's order, uint8 in [0, 255],
            `(images, side, side, 3)`.
        manifest: The images.
        batch_size: Images a batch.
        policy: Name of the augmentation policy.
        view: Which of the policy's random views, from 1.
        seed: Another seed draws other views.

    Raises:
        UsageError: If the policy is unknown.
    """
    augment = lookup(POLICIES, policy, "augmentation policy")
    seeds = [_seed(row.pixels, view, seed) for row in manifest.rows]
    signature = (
        tf.TensorSpec(decoded.shape[1:], tf.uint8),
        tf.TensorSpec((2,), tf.int32),
    )
    dataset = tf.data.Dataset.from_generator(
        lambda: zip(decoded, seeds), output_signature=signature
    )
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return dataset.with_options(_bounds())


def read(dataset: tf.data.Dataset) -> Iterator[tf.Tensor]:
    """Yields a data set's batches.

    Raises:
        DataError: If a file is gone or was changed since the images were checked.
    """
    try:
        yield from dataset
    except tf.errors.OpError as error:
        raise DataError(
            f"An image was changed or removed after it was checked: {reason(error)}"
        ) from None


def _seed(pixels: str, view: int, seed: int) -> tuple[int, int]:
    """Returns two 31-bit numbers that belong to a picture, a view and a seed."""
    picture = int(pixels[:8], 16) if pixels else 0
    return picture & 0x7FFFFFFF, (seed * 1_000 + view) & 0x7FFFFFFF
