"""A version of an export: loaded, checked, and called by its signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import saved_model_pb2

from tl_keras.errors import ExportError
from tl_keras.export.loaded import MODEL_FILE, Export
from tl_keras.serving.refusals import bad
from tl_keras.serving.sizes import require_small
from tl_keras.serving.tensors import DEFAULT_SIGNATURE

INPUT = "image_bytes"
# What the page and the REST paths say of an image.
OUTPUTS = frozenset(
    ("label", "class_id", "probability", "probabilities", "known", "ok", "error")
)


class Signature:
    """A signature of a loaded model, which it keeps alive.

    Attributes:
        inputs: Name to specification, each `(batch, …)`.
    """

    def __init__(self, model: Any, name: str) -> None:
        """Takes a signature of a model that `tf.saved_model.load` gave."""
        self._model, self._call = model, model.signatures[name]
        self.inputs: dict[str, tf.TensorSpec] = dict(
            self._call.structured_input_signature[1]
        )

    @property
    def outputs(self) -> set[str]:
        """The outputs' names."""
        return set(self._call.structured_outputs)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs it; texts are arrays of bytes objects."""
        tensors = {
            name: tf.constant(array.tolist(), spec.dtype, array.shape)
            if spec.dtype == tf.string
            else tf.constant(array, spec.dtype)
            for name, spec in self.inputs.items()
            for array in [inputs[name]]
        }
        found = self._call(**tensors)
        return {name: found[name].numpy() for name in sorted(found)}


@dataclass(eq=False)
class Version:
    """A version that is loaded.

    Attributes:
        export: Its folder, and what `export.json` says.
        signatures: By name.
        definitions: The signatures as TensorFlow Serving's metadata shows them.
        users: Requests that it answers right now.
    """

    export: Export
    signatures: dict[str, Signature]
    definitions: dict[str, Any]
    users: int = 0

    @property
    def number(self) -> int:
        """The folder's name."""
        return int(self.export.path.name)

    def signature(self, name: str) -> Signature:
        """Returns a signature.

        Raises:
            Refusal: If there is none of that name.
        """
        if name not in self.signatures:
            raise bad(f'Serving signature name: "{name}" not found in signature def')
        return self.signatures[name]


def load(path: Path) -> Version:
    """Loads a version, and does with it once all that takes long the first time.

    Raises:
        ExportError: If it is not of the form that is served.
    """
    export = Export(path)
    # Whether it is damaged has to be known before it is served.
    _ = export.class_names
    model = tf.saved_model.load(str(path))
    signatures = {name: Signature(model, name) for name in model.signatures}
    default = signatures.get(DEFAULT_SIGNATURE)
    if default is None or list(default.inputs) != [INPUT] or OUTPUTS - default.outputs:
        raise ExportError(
            f"it has no signature {DEFAULT_SIGNATURE} from {INPUT} to "
            f"{', '.join(sorted(OUTPUTS))}: export the run anew"
        )
    picture = tf.io.encode_png(tf.zeros((1, 1, 3), tf.uint8)).numpy()
    require_small([picture], 1)
    default({INPUT: np.array([picture], object)})
    return Version(export, signatures, _definitions(path))


def _definitions(path: Path) -> dict[str, Any]:
    """Returns the signatures of a SavedModel's file as JSON."""
    file = saved_model_pb2.SavedModel.FromString((path / MODEL_FILE).read_bytes())
    found = file.meta_graphs[0].signature_def
    return {
        name: MessageToDict(
            found[name],
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name in sorted(found)
    }
