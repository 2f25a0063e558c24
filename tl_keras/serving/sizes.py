"""How many pixels decoding an image file would take, read from its header."""

import tensorflow as tf

from tl_keras.datasets import claims
from tl_keras.serving.refusals import bad


def require_small(contents: list[bytes], most: int) -> list[int]:
    """Returns the pixels of each of some image files.

    Args:
        contents: The files; what is no image counts as 0.
        most: Of one image.

    Raises:
        Refusal: If one is larger.
    """
    sizes = [pixels(content) for content in contents]
    for place, size in enumerate(sizes):
        if size > most:
            raise bad(
                f"Image {place} has {size / 1e6:,.1f} million pixels; at most "
                f"{most / 1e6:g} million are decoded."
            )
    return sizes


def pixels(content: bytes) -> int:
    """Returns the pixels that a file's header claims.

    Args:
        content: Any bytes; 0 is returned of what is no image or a damaged JPEG, for
            then nothing is decoded.
    """
    try:
        return int(_pixels(tf.constant(content)))
    except tf.errors.InvalidArgumentError:
        return 0


@tf.function(input_signature=[tf.TensorSpec((), tf.string)])
def _pixels(content: tf.Tensor) -> tf.Tensor:
    """Returns what the export itself goes by."""
    return claims.pixels_of(content)
