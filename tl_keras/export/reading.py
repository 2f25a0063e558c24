"""From a batch of image files' bytes to pixels, inside the exported graph.

A file that cannot be decoded marks its own row. TensorFlow's decoders fail the whole
call, so they run in a data set that drops what fails: stock operations, which
TensorFlow Serving has too.
"""

import tensorflow as tf

from tl_keras.datasets import formats
from tl_keras.datasets.checking.reasons import KNOWN
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.square import Square

EMPTY = KNOWN["Input is empty"]
NO_IMAGE = KNOWN["Unknown image file format"]
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
    images, decoded = _decode(image_bytes, refused, square)
    damaged = tf.map_fn(_damage, image_bytes, fn_output_signature=tf.string)
    errors = tf.where(decoded, "", tf.where(refused == "", damaged, refused))
    return images, errors


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
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the images, and which of them could be decoded, bool `(files,)`."""
    count = tf.size(image_bytes, out_type=tf.int64)
    places = tf.squeeze(tf.where(refused == ""), axis=1)
    files = (places, tf.gather(image_bytes, places))
    decode = lambda place, content: (place, decode_and_resize(content, square))  # noqa: E731
    good = (
        tf.data.Dataset.from_tensor_slices(files)
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
    )
    blank = tf.zeros((1, *square.shape), tf.uint8)
    # A batch needs one element at least; this one belongs to a row behind the last.
    last = tf.data.Dataset.from_tensors((count, blank[0]))
    options = tf.data.Options()
    # They rewrite a data set when it starts, which is here in every call.
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    data = good.concatenate(last).batch(count + 1).with_options(options)
    places, images = data.get_single_element()
    # Where the image of each row lies; 0 is a blank one.
    order = tf.range(1, tf.size(places) + 1)
    found = tf.scatter_nd(places[:, tf.newaxis], order, [count + 1])[:-1]
    images = tf.gather(tf.concat([blank, images], axis=0), found)
    return tf.ensure_shape(images, (None, *square.shape)), found > 0
