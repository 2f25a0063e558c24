"""What is good enough to be kept, and what is not."""

import json

import numpy as np
import pytest

from tl_keras.errors import ExportError
from tl_keras.export import proof
from tl_keras.export.artifacts import TABLE

BY_FILE = {artifact.file: artifact for artifact in TABLE}


def proven(file, difference=0.0, agreement=1.0):
    return proof.Proof(
        artifact=BY_FILE[file],
        images=100,
        max_difference=difference,
        agreement=agreement,
        accuracy=1.0,
        bytes=1,
        milliseconds={1: 1.0, 32: 9.0},
    )


@pytest.mark.parametrize("file", ["saved_model.pb", "model.tflite", "model.onnx"])
def test_float_artifact_is_held_to_a_difference(file):
    proof.refuse(proven(file, 9e-4), 1e-3, False)
    for accept in (False, True):
        with pytest.raises(ExportError, match="differs from the Keras model by 0.002"):
            proof.refuse(proven(file, 2e-3), 1e-3, accept)


@pytest.mark.parametrize("file", ["model_int8.tflite", "model_dynamic.tflite"])
def test_quantized_artifact_is_held_to_its_answers(file):
    proof.refuse(proven(file, 0.3, 0.98), 1e-3, False)
    with pytest.raises(ExportError, match=r"97.0% of 100 images.*--accept-loss"):
        proof.refuse(proven(file, 0.0, 0.97), 1e-3, False)


def test_loss_is_accepted_where_that_is_asked_for():
    proof.refuse(proven("model_int8.tflite", 0.9, 0.1), 1e-3, True)
    proof.refuse(proven("model_float16.tflite", 0.9, 0.1), 1e-3, True)


def test_numbers_that_are_none_are_never_accepted():
    with pytest.raises(ExportError, match="no numbers"):
        proof.refuse(proven("model_int8.tflite", np.nan), 1e-3, True)


def test_proof_is_json():
    found = json.loads(json.dumps(proven("model.onnx").as_dict()))
    assert found["format"] == "onnx" and found["milliseconds"] == {"1": 1.0, "32": 9.0}


def test_answer_is_the_most_probable_class_or_all_likely_labels():
    rows = np.array([[0.6, 0.7], [0.1, 0.9]])
    other = np.array([[0.4, 0.7], [0.2, 0.8]])
    for kind, share in (("multi_class", 1.0), ("multi_label", 0.5)):
        said = [proof.answers(found, kind) for found in (rows, other)]
        assert proof.share_equal(*said) == share
