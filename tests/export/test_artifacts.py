"""What is asked for, and what is refused before anything is written."""

import pytest

from tl_keras.errors import UsageError
from tl_keras.export import artifacts


def files(*asked):
    return [artifact.file for artifact in artifacts.wanted(*asked)]


def test_saved_model_is_always_there_and_first():
    assert files() == ["saved_model.pb"]
    assert files(["onnx"]) == ["saved_model.pb", "model.onnx"]


def test_every_quantization_is_a_file_of_its_own():
    every = files(["litert"], ["none", "int8", "float16", "dynamic"])
    assert every[1:] == [
        "model.tflite",
        "model_dynamic.tflite",
        "model_float16.tflite",
        "model_int8.tflite",
    ]


def test_one_quantization_is_that_file_alone():
    assert files(["litert"], ["int8"]) == ["saved_model.pb", "model_int8.tflite"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((["tflite"],), r"Unknown format 'tflite'.*litert"),
        ((["litert"], ["int4"]), r"Unknown quantization 'int4'.*'int8'"),
        ((["onnx"], ["int8"]), r"Only LiteRT models are quantized: add litert"),
    ],
)
def test_what_is_unknown_is_refused(asked, said):
    with pytest.raises(UsageError, match=said):
        artifacts.wanted(*asked)


def test_missing_package_is_named_with_its_extra(monkeypatch):
    found = artifacts.importlib.util.find_spec
    monkeypatch.setattr(
        artifacts.importlib.util,
        "find_spec",
        lambda name: None if name == "tf2onnx" else found(name),
    )
    with pytest.raises(UsageError, match=r"needs tf2onnx.*pip install 'tl_keras\[onnx"):
        artifacts.wanted(["onnx"])
    assert files(["litert"]) == ["saved_model.pb", "model.tflite"]
