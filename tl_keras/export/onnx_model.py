"""ONNX models: from pixels to probabilities, named, with any number of images."""

import json
from collections.abc import Sequence

from tl_keras.export.frozen import Frozen
from tl_keras.export.mobile import FOUND, GIVEN
from tl_keras.training.engines import onnx_runtime

BATCH = "batch"


def convert(frozen: Frozen, class_names: Sequence[str]) -> bytes:
    """Converts a network; it takes uint8 pixels and gives float32 probabilities.

    Args:
        frozen: Of uint8 pixels.
        class_names: Go into its metadata, as a list in JSON, by the name `labels`.
    """
    import onnx

    model = onnx.load_from_string(onnx_runtime.convert(frozen.function(1)))
    (given,), (found,) = model.graph.input, model.graph.output
    names = {given.name: GIVEN, found.name: FOUND}
    for node in model.graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
    for tensor in (given, found):
        tensor.name = names[tensor.name]
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH
    model.metadata_props.add(
        key="labels", value=json.dumps(list(class_names), ensure_ascii=False)
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()
