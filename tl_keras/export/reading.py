"""From a batch of image files' bytes to pixels, inside the exported graph.

A file that cannot be decoded marks its own row. TensorFlow's decoders fail the whole
call, so they run in a data set that drops what fails: stock operations, which
TensorFlow Serving has too.
"""

import tensorflow as tf

from tl_keras.datasets import claims, formats
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.reasons import KNOWN
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.square import Square

EMPTY = KNOWN["Input is empty"]
NO_IMAGE = KNOWN["Unknown image file format"]
# As the check before training refuses them.
MOST_PIXELS = Limits().pixels
ENORMOUS = f"its header claims more than {MOST_PIXELS:,} pixels"
DAMAGED = "the {} is damaged or cut off"


def read(image_bytes: tf.Tensor, square: Square) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a batch of image files as training does.

    Args:
        image_bytes: string, `(files,)`; there may be none.
        square: What to make of them.

    Returns:
        uint8 RGB in [0, 255], `(files, side, side, 3)`, zeros where a file is bad, and
        the reasons, string `(files,)`, empty where a file is good.
    """
    refused = tf.map_fn(refusal, image_bytes, fn_output_signature=tf.string)
    images, decoded, enormous = _decode(image_bytes, refused, square)
    damaged = tf.map_fn(_damage, image_bytes, fn_output_signature=tf.string)
    failed = tf.where(enormous, ENORMOUS, tf.where(decoded, "", damaged))
    return images, tf.where(refused == "", failed, refused)


def refusal(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns why a file is not to be decoded; empty if it may be tried.

    Args:
        image_bytes: Scalar string; any bytes.
    """

    def where(condition: tf.Tensor, what: str) -> tf.Tensor:
        return tf.where(condition, formats.REFUSAL.format(what), "")

    nothing = tf.strings.length(image_bytes) == 0
    allowed = lambda: tf.constant("")  # noqa: E731
    refusals = {
        "JPEG": allowed,
        "PNG": allowed,
        "WEBP": lambda: where(
            formats.is_animated_webp(image_bytes), formats.ANIMATED_WEBP
        ),
        "BMP": lambda: where(formats.has_palette(image_bytes), formats.PALETTE_BMP),
        "GIF": lambda: where(
            formats.is_transparent_gif(image_bytes), formats.TRANSPARENT_GIF
        ),
    }
    none = lambda: tf.where(nothing, EMPTY, NO_IMAGE)  # noqa: E731
    branches = [none, *(refusals[name] for name in formats.MAGIC)]
    return tf.switch_case(formats.number_of(image_bytes), branches)


def _damage(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns what is said of a file that may be tried and cannot be decoded."""
    said = ["", *(DAMAGED.format(name) for name in formats.MAGIC)]
    return tf.gather(tf.constant(said), formats.number_of(image_bytes))


def _decode(
    image_bytes: tf.Tensor, refused: tf.Tensor, square: Square
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decodes the files that may be tried.

    Returns:
        The images, and of each file whether it was decoded and whether it was left
        out for its size, bool `(files,)` both.
    """
    count = tf.size(image_bytes, out_type=tf.int64)
    places = tf.squeeze(tf.where(refused == ""), axis=1)
    blank = tf.zeros(square.shape, tf.uint8)

    def decode(place: tf.Tensor, content: tf.Tensor) -> tuple[tf.Tensor, ...]:
        enormous = claims.pixels_of(content) > MOST_PIXELS
        picture = lambda: decode_and_resize(content, square)  # noqa: E731
        return place, enormous, tf.cond(enormous, lambda: blank, picture)

    good = (
        tf.data.Dataset.from_tensor_slices((places, tf.gather(image_bytes, places)))
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
    )
    # A batch needs one element at least; this one belongs to a row behind the last.
    last = tf.data.Dataset.from_tensors((count, tf.constant(False), blank))
    options = tf.data.Options()
    # They rewrite a data set when it starts, which is here in every call.
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    data = good.concatenate(last).batch(count + 1).with_options(options)
    places, enormous, images = data.get_single_element()
    # Where the image of each row lies; 0 is a blank one.
    order = tf.range(1, tf.size(places) + 1)
    found = tf.scatter_nd(places[:, tf.newaxis], order, [count + 1])[:-1]
    images = tf.gather(tf.concat([blank[tf.newaxis], images], axis=0), found)
    enormous = tf.gather(tf.concat([[False], enormous], axis=0), found)
    return tf.ensure_shape(images, (None, *square.shape)), found > 0, enormous
