"""Batches of images from a manifest, decoded in parallel."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from tl_keras import cores
from tl_keras.datasets import augmentation
from tl_keras.datasets.checking.reasons import reason
from tl_keras.datasets.formats import MAGIC
from tl_keras.datasets.images import UPRIGHT_JPEG, decode_and_resize
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError

PLAIN_VIEW = 0
NO_POLICY = "none"
# Finished batches that wait to be taken: at most so many, and so much of them.
MOST_READY, READY_BYTES = 8, 128 << 20


def images(
    manifest: Manifest,
    square: Square,
    batch_size: int,
    *,
    policy: str = "none",
    view: int | np.ndarray = PLAIN_VIEW,
    seed: int = 0,
    flip: bool = True,
) -> tf.data.Dataset:
    """Gives the images in the manifest's order, the last batch included.

    Args:
        manifest: The images.
        square: What to make of them.
        batch_size: Images a batch.
        policy: Name of the augmentation policy.
        view: Which of the policy's random views, one for all or one an image; view 0
            for all is the plain images.
        seed: Another seed draws other views.
        flip: Whether the policy may mirror images.

    Returns:
        A data set of uint8 in [0, 255], `(batch, side, side, 3)`.

    Raises:
        UsageError: If the policy is unknown.
    """
    augmentation.policy(policy)
    chosen = NO_POLICY if np.all(view == PLAIN_VIEW) else policy
    mirrors = not augmentation.unmirrored(chosen, flip)
    load = _loader(square, chosen, mirrors, _only_kind(manifest))
    seeds = _seeds(manifest, view, seed)
    dataset = tf.data.Dataset.from_tensor_slices((manifest.paths, seeds))
    return _in_batches(dataset, load, batch_size, square.bytes)


def all_views(
    manifest: Manifest,
    square: Square,
    batch_size: int,
    *,
    policy: str,
    views: Sequence[int],
    seed: int = 0,
    flip: bool = True,
) -> tf.data.Dataset:
    """Gives each image in several views, decoded once for all of them.

    Args:
        manifest: The images.
        square: What to make of them.
        batch_size: Images a batch.
        policy: Name of the augmentation policy.
        views: Which of the policy's random views; view 0 is the plain image.
        seed: Another seed draws other views.
        flip: Whether the policy may mirror images.

    Returns:
        A data set of tuples with one element a view: what `images` gives for it.

    Raises:
        UsageError: If the policy is unknown.
    """
    augmentation.policy(policy)
    chosen = tuple(NO_POLICY if view == PLAIN_VIEW else policy for view in views)
    mirrors = not augmentation.unmirrored(policy, flip)
    load = _loader_of_all(square, chosen, mirrors, _only_kind(manifest))
    seeds = np.stack([_seeds(manifest, view, seed) for view in views], axis=1)
    slices = (manifest.paths, seeds.astype(np.int32))
    dataset = tf.data.Dataset.from_tensor_slices(slices)
    return _in_batches(dataset, load, batch_size, len(views) * square.bytes)


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a data set that keeps the numbers that it was given.

    The thread that would tune them sleeps longer and longer, and who lets go of the
    data set waits for it: up to ten seconds at the end of a minute's training.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _in_batches(
    dataset: tf.data.Dataset, load: Callable, batch_size: int, image_bytes: int
) -> tf.data.Dataset:
    """Loads the images, one a core at a time, and keeps a few batches ready."""
    ready = READY_BYTES // (batch_size * image_bytes)
    dataset = dataset.map(load, num_parallel_calls=cores.usable())
    dataset = dataset.batch(batch_size).prefetch(min(MOST_READY, max(1, ready)))
    return untuned(dataset)


@cache
def _loader(
    square: Square, policy: str, flip: bool, only: str
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the function from a path and a seed to pixels, traced once a process.

    Decoding is a large graph: every data set would spend seconds on tracing it anew.
    """
    augment = augmentation.policy(policy, flip=flip)

    def load(path: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        image = decode_and_resize(tf.io.read_file(path), square, only)
        return augment(image, seed)

    signature = [tf.TensorSpec((), tf.string), tf.TensorSpec((2,), tf.int32)]
    return tf.function(load, input_signature=signature)


@cache
def _loader_of_all(
    square: Square, policies: tuple[str, ...], flip: bool, only: str
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the function from a path and a seed a view to the pixels of each view."""
    augments = [augmentation.policy(name, flip=flip) for name in policies]

    def load(path: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image = decode_and_resize(tf.io.read_file(path), square, only)
        drawn = zip(augments, tf.unstack(seeds))
        return tuple(augment(image, seed) for augment, seed in drawn)

    seeds = tf.TensorSpec((len(policies), 2), tf.int32)
    signature = [tf.TensorSpec((), tf.string), seeds]
    return tf.function(load, input_signature=signature)


def _only_kind(manifest: Manifest) -> str:
    """Returns what all files are, as `images.decode_and_resize` takes it; or nothing.

    The check has found that out; files of an unchecked manifest may be anything.
    """
    kinds = {(row.format, row.orientation == 1) for row in manifest.rows}
    formats = {name for name, _ in kinds}
    if kinds == {("JPEG", True)}:
        return UPRIGHT_JPEG
    return formats.pop() if len(formats) == 1 and formats < set(MAGIC) else ""


def views(
    decoded: np.ndarray,
    manifest: Manifest,
    batch_size: int,
    *,
    policy: str,
    view: int | np.ndarray,
    seed: int = 0,
    flip: bool = True,
) -> tf.data.Dataset:
    """Gives what `images` gives, of images that are decoded already.

    Args:
        decoded: The plain images in the manifest's order, uint8 in [0, 255],
            `(images, side, side, 3)`.
        manifest: The images.
        batch_size: Images a batch.
        policy: Name of the augmentation policy.
        view: Which of the policy's random views, from 1; one for all or one an image.
        seed: Another seed draws other views.
        flip: Whether the policy may mirror images.

    Raises:
        UsageError: If the policy is unknown.
    """
    augment = augmentation.policy(policy, flip=flip)
    seeds = _seeds(manifest, view, seed)
    signature = (
        tf.TensorSpec(decoded.shape[1:], tf.uint8),
        tf.TensorSpec((2,), tf.int32),
    )
    dataset = tf.data.Dataset.from_generator(
        lambda: zip(decoded, seeds), output_signature=signature
    )
    return _in_batches(dataset, augment, batch_size, decoded[0].nbytes)


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


def _seeds(
    manifest: Manifest, view: int | np.ndarray, seed: int
) -> list[tuple[int, int]]:
    """Returns two 31-bit numbers an image: of its picture, and of view and seed."""
    views = np.broadcast_to(view, len(manifest.rows)).tolist()
    return [
        (_picture(row.pixels), (seed * 1_000 + number) & 0x7FFFFFFF)
        for row, number in zip(manifest.rows, views)
    ]


def _picture(pixels: str) -> int:
    """Returns a 31-bit number that belongs to a picture."""
    return int(pixels[:8], 16) & 0x7FFFFFFF if pixels else 0
