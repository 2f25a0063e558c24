"""Runs a frozen network by ONNX Runtime, often the fastest for large convolutions."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tl_keras.training.engines.engine import Run, memory_errors
from tl_keras.training.engines.silence import silence

NAME = "onnx"
PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
INSTALL = "tl_keras[onnx]"
SUFFIX = ".onnx"
# Of ONNX's set of operations: the newest that tf2onnx 1.17 knows.
OPSET = 18
ERRORS_ONLY = 3


def convert(frozen: Callable[[tf.Tensor], list[tf.Tensor]]) -> bytes:
    """Converts what `constant_graph` gives.

    Not by `from_keras`, which does not know what Keras 3 calls its inputs.
    """
    import tf2onnx

    with silence("tf2onnx", "tensorflow"):
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[given.name for given in frozen.inputs],
            output_names=[found.name for found in frozen.outputs],
            opset=OPSET,
        )
    return model.SerializeToString()


def runs(converted: bytes, workers: int, threads: int) -> Sequence[Run]:
    """Opens a converted network.

    Args:
        converted: What `convert` gives.
        workers: Calls at once; they share the weights.
        threads: Threads of each.

    Returns:
        The same function for every worker.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    session = onnxruntime.InferenceSession(
        converted, options, providers=["CPUExecutionProvider"]
    )
    # In the order in which they were asked for, which is the model's.
    names = [found.name for found in session.get_outputs()]
    (given,) = session.get_inputs()

    def run(inputs: np.ndarray) -> list[np.ndarray]:
        with memory_errors(RuntimeException):
            return session.run(names, {given.name: inputs})

    return [run] * workers
