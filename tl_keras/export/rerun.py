"""Runs an exported SavedModel in a process of its own, without tl_keras.

Started by `verify.py` as `python rerun.py MODEL INPUTS OUTPUTS`. INPUTS is an `.npz`
with `sizes` and `bytes` (the image files behind one another) and `pixels` (the same
images decoded); OUTPUTS gets the probabilities of both signatures, and
which images they know.
"""

import sys

import numpy as np
import tensorflow as tf

BATCH_SIZE = 16


def main() -> None:
    """Runs both signatures, and a batch with a bad image."""
    model_path, inputs_path, outputs_path = sys.argv[1:]
    model = tf.saved_model.load(model_path)
    classify = model.signatures["serving_default"]
    classify_pixels = model.signatures["pixels"]
    with np.load(inputs_path, allow_pickle=False) as inputs:
        sizes, pixels = inputs["sizes"], inputs["pixels"]
        content = inputs["bytes"].tobytes()
    ends = np.cumsum(sizes)
    files = [content[end - size : end] for size, end in zip(sizes, ends)]
    from_bytes = [
        classify(image_bytes=tf.constant(files[first : first + BATCH_SIZE]))
        for first in range(0, len(files), BATCH_SIZE)
    ]
    from_pixels = [
        classify_pixels(images=tf.constant(pixels[first : first + BATCH_SIZE]))
        for first in range(0, len(pixels), BATCH_SIZE)
    ]
    np.savez(
        outputs_path,
        bytes=np.concatenate([part["probabilities"] for part in from_bytes]),
        pixels=np.concatenate([part["probabilities"] for part in from_pixels]),
        bytes_known=np.concatenate([part["known"] for part in from_bytes]),
        pixels_known=np.concatenate([part["known"] for part in from_pixels]),
        # TensorFlow's texts are UTF-8; NumPy would take them for ASCII.
        labels=np.array(
            [label.decode() for part in from_bytes for label in part["label"].numpy()]
        ),
        bad_image_marked=marks_bad_image(classify, files[0], from_bytes[0]),
        alone=np.array("tl_keras" not in sys.modules),
    )


def marks_bad_image(classify, good: bytes, alone) -> bool:
    """Tells whether a bad image marks its own row and leaves the other as it was."""
    found = classify(image_bytes=tf.constant([b"this is no image", good]))
    expected = alone["probabilities"][0]
    return (
        found["ok"].numpy().tolist() == [False, True]
        and found["error"].numpy()[0] != b""
        and np.allclose(found["probabilities"][1], expected, atol=1e-5)
    )


if __name__ == "__main__":
    main()
