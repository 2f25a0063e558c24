"""Runs a frozen network by LiteRT, whose XNNPACK kernels suit small networks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.training.engines.engine import Run, memory_errors
from tl_keras.training.engines.silence import silence

NAME = "litert"
PACKAGES = ("ai_edge_litert",)
INSTALL = "ai-edge-litert"
SUFFIX = ".tflite"


def convert(
    frozen: Callable[[tf.Tensor], list[tf.Tensor]],
    owner: tf.Module | None = None,
    **settings: Any,
) -> bytes:
    """Converts what `constant_graph` gives, in float32 unless a setting says else.

    Args:
        frozen: The concrete function.
        owner: The module whose function it is; the names of its arguments and results
            are kept, then.
        **settings: Attributes of TensorFlow's converter.
    """
    with silence("absl"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], owner)
        for name, value in settings.items():
            setattr(converter, name, value)
        return converter.convert()


def runs(converted: bytes, workers: int, threads: int) -> Sequence[Run]:
    """Opens a converted network.

    Args:
        converted: What `convert` gives.
        workers: Interpreters. Each packs the weights anew.
        threads: Threads of each.

    Returns:
        A function a worker.
    """
    return [_run(converted, threads) for _ in range(workers)]


def _run(converted: bytes, threads: int) -> Run:
    """Returns one interpreter as a function."""
    # It loads a library that others than the users of this engine need not have.
    from ai_edge_litert.interpreter import Interpreter

    with silence():
        interpreter = Interpreter(model_content=converted, num_threads=threads)
        interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    outputs = in_order(interpreter.get_output_details())
    shape = [None]

    def run(inputs: np.ndarray) -> list[np.ndarray]:
        if shape[0] != inputs.shape:
            # Until it has succeeded, the interpreter fits no shape at all.
            shape[0] = None
            interpreter.resize_tensor_input(given["index"], inputs.shape)
            with memory_errors(RuntimeError):
                interpreter.allocate_tensors()
            shape[0] = inputs.shape
        interpreter.set_tensor(given["index"], inputs)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run


def in_order(details: Sequence[dict]) -> list[int]:
    """Returns the outputs' tensors in the model's order.

    The details come in any order. The converter keeps the names that
    TensorFlow gives the results of a function: `Identity`, `Identity_1`, …
    """
    tensors = {one["name"]: one["index"] for one in details}
    names = ["Identity", *(f"Identity_{place}" for place in range(1, len(details)))]
    return [tensors[name] for name in names]
