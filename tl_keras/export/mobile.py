"""LiteRT models: from pixels to probabilities, quantized or not."""

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.export.artifacts import DYNAMIC, FLOAT16, INT8, NONE
from tl_keras.export.frozen import Frozen
from tl_keras.training.engines import litert

# Names of the argument and of the result.
GIVEN, FOUND = "images", "probabilities"
LABELS = "labels.txt"


def convert(
    frozen: Frozen, quantize: str, sample: Callable[[], Iterator[np.ndarray]]
) -> bytes:
    """Converts a network; it takes uint8 pixels and gives float32 probabilities.

    Args:
        frozen: Of uint8 pixels; for `int8` of float32 ones, whose numbers become
            integers too.
        quantize: What is done to the weights: see `artifacts.QUANTIZATIONS`.
        sample: Gives training images by which `int8` finds the ranges of numbers,
            uint8 `(side, side, 3)` each.
    """
    function = frozen.function(1)
    pixels = function.inputs[0]
    module = tf.Module()
    module.call = tf.function(
        lambda images: {FOUND: function(images)[0]},
        input_signature=[tf.TensorSpec(pixels.shape, pixels.dtype, name=GIVEN)],
    )
    call = module.call.get_concrete_function()
    return litert.convert(call, module, **_settings(quantize, sample))


def _settings(
    quantize: str, sample: Callable[[], Iterator[np.ndarray]]
) -> dict[str, Any]:
    """Returns what TensorFlow's converter is told."""
    if quantize == NONE:
        return {}
    smaller = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    return (
        smaller
        | {
            DYNAMIC: {},
            FLOAT16: {"target_spec": tf.lite.TargetSpec(supported_types=[tf.float16])},
            # Operations that know no integers are an error so, not left in float32.
            INT8: {
                "representative_dataset": lambda: _calibrating(sample()),
                "target_spec": tf.lite.TargetSpec(
                    supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                ),
                "inference_input_type": tf.uint8,
            },
        }[quantize]
    )


def _calibrating(images: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Yields batches of one float32 image.

    The first gets a black and a white number, so that the range of pixels is that of
    uint8 and a pixel's number stays what it is.
    """
    for place, image in enumerate(images):
        batch = image[np.newaxis].astype(np.float32)
        if place == 0:
            batch[0, 0, 0, :2] = 0.0, 255.0
        yield [batch]


def with_labels(model: bytes, labels: str) -> bytes:
    """Returns a LiteRT model with a text file of labels packed into it.

    As its metadata wants it: the file is a ZIP archive behind the model, which any
    unzipper opens and the runtime does not see.
    """
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        # Without a time of its own: two exports are the same.
        archive.writestr(zipfile.ZipInfo(LABELS), labels)
    return file.getvalue()
