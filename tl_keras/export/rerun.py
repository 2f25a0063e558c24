"""Runs one artifact of an export in a process of its own, without tl_keras.

Started by `verify.py` as `python rerun.py FORMAT MODEL INPUTS OUTPUTS`. INPUTS is an
`.npz` with `sizes` and `bytes` (image files behind one another) and `pixels` (the same
images decoded); OUTPUTS gets the probabilities, how long a call takes, and of a
SavedModel what its signatures of image files say.
"""

import functools
import os
import sys
import time

import numpy as np

BATCH_SIZE = 16
# Images a call whose time is taken; calls, and seconds, at most.
TIMED = (1, 32)
CALLS, SECONDS = 30, 2.0
TENSORFLOW = "tensorflow"


def main() -> None:
    """Runs the artifact."""
    kind, model_path, inputs_path, outputs_path = sys.argv[1:]
    with np.load(inputs_path, allow_pickle=False) as inputs:
        sizes, pixels = inputs["sizes"], inputs["pixels"]
        content = inputs["bytes"].tobytes()
    ends = np.cumsum(sizes)
    files = [content[end - size : end] for size, end in zip(sizes, ends)]
    run = RUNNERS[kind](model_path)
    parts = [run(part) for part in batches(pixels)]
    found = {
        "pixels": np.concatenate(parts),
        "milliseconds": np.array([1000 * seconds(run, pixels, n) for n in TIMED]),
        **(of_files(model_path, files, pixels) if kind == "saved_model" else {}),
    }
    # The runtime alone: of the other formats TensorFlow too has to stay out.
    strangers = {"tl_keras"} | ({TENSORFLOW} if kind != "saved_model" else set())
    alone = not strangers & set(sys.modules)
    np.savez(outputs_path, alone=np.array(alone), **found)


def batches(rows):
    """Returns rows in parts of `BATCH_SIZE`."""
    return [
        rows[first : first + BATCH_SIZE] for first in range(0, len(rows), BATCH_SIZE)
    ]


def seconds(run, pixels, images: int) -> float:
    """Returns the median time of a call with a number of images, behind a first one."""
    given = np.resize(pixels, (images, *pixels.shape[1:]))
    run(given)
    taken = []
    end = time.perf_counter() + SECONDS
    while not taken or (len(taken) < CALLS and time.perf_counter() < end):
        started = time.perf_counter()
        run(given)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def saved_model(path: str):
    """Returns a SavedModel as a function from pixels to probabilities."""
    import tensorflow as tf

    call = loaded(path).signatures["pixels"]
    return lambda pixels: call(images=tf.constant(pixels))["probabilities"].numpy()


@functools.cache
def loaded(path: str):
    """Returns a SavedModel; its signatures live as long as it does."""
    import tensorflow as tf

    return tf.saved_model.load(path)


def litert(path: str):
    """Returns a LiteRT model as a function from pixels to probabilities."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=os.cpu_count())
    call = interpreter.get_signature_runner()
    return lambda pixels: call(images=pixels)["probabilities"]


def onnx(path: str):
    """Returns an ONNX model as a function from pixels to probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["probabilities"], {"images": pixels})[0]


RUNNERS = {"saved_model": saved_model, "litert": litert, "onnx": onnx}


def of_files(path: str, files: list[bytes], pixels) -> dict:
    """Returns what a SavedModel's signatures say of image files and of pixels."""
    import tensorflow as tf

    model = loaded(path)
    classify = model.signatures["serving_default"]
    from_bytes = [classify(image_bytes=tf.constant(part)) for part in batches(files)]
    from_pixels = [
        model.signatures["pixels"](images=tf.constant(part)) for part in batches(pixels)
    ]
    return {
        "bytes": np.concatenate([part["probabilities"] for part in from_bytes]),
        "bytes_known": np.concatenate([part["known"] for part in from_bytes]),
        "pixels_known": np.concatenate([part["known"] for part in from_pixels]),
        # TensorFlow's texts are UTF-8; NumPy would take them for ASCII.
        "labels": np.array(
            [label.decode() for part in from_bytes for label in part["label"].numpy()]
        ),
        "bad_image_marked": marks_bad_image(classify, files[0], from_bytes[0]),
    }


def marks_bad_image(classify, good: bytes, alone) -> bool:
    """Tells whether a bad image marks its own row and leaves the other as it was."""
    import tensorflow as tf

    found = classify(image_bytes=tf.constant([b"this is no image", good]))
    expected = alone["probabilities"][0]
    return (
        found["ok"].numpy().tolist() == [False, True]
        and found["error"].numpy()[0] != b""
        and np.allclose(found["probabilities"][1], expected, atol=1e-5)
    )


if __name__ == "__main__":
    main()
