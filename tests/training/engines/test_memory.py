"""What is remembered of a network, and of which."""

import os

import keras
import numpy as np
import parity
import pytest

from tl_keras.backbones import catalogue
from tl_keras.training.engines import memory
from tl_keras.training.engines.memory import Choice, Memory

SAMPLE = np.zeros((2, 32, 32, 3), np.uint8)
CHOICE = Choice("litert", workers=2, batch_size=16)


@pytest.fixture
def kept(tmp_path, backbone):
    """A memory that knows a network."""
    found = Memory(backbone.model, SAMPLE, tmp_path)
    found.remember("auto", CHOICE)
    found.keep(".tflite", b"converted")
    return found


def test_a_choice_is_known_again_for_the_same_network(kept, tmp_path, backbone):
    assert Memory(backbone.model, SAMPLE, tmp_path).choice("auto") == CHOICE


def test_names_that_keras_numbers_anew_make_no_other_network(kept, tmp_path):
    again = catalogue.load("tiny", weights=None)
    keras.layers.Conv2D(1, 1)
    memory = Memory(again.model, SAMPLE, tmp_path)
    assert memory.choice("auto") == CHOICE


def test_a_choice_does_not_depend_on_the_weights(kept, tmp_path, backbone):
    parity.blank(backbone.network)
    memory = Memory(backbone.model, SAMPLE, tmp_path)
    assert memory.choice("auto") == CHOICE
    assert not memory.has(".tflite")


def test_a_converted_network_is_known_by_its_weights(kept, tmp_path, backbone):
    memory = Memory(backbone.model, SAMPLE, tmp_path)
    assert memory.converted(".tflite") == b"converted"
    assert memory.converted(".onnx") is None


def test_another_request_input_or_network_has_no_choice(kept, tmp_path, backbone):
    floats = SAMPLE.astype(np.float16)
    part = backbone.prefix(backbone.stages[0])
    assert kept.choice("onnx") is None
    assert Memory(backbone.model, floats, tmp_path).choice("auto") is None
    assert Memory(part, SAMPLE, tmp_path).choice("auto") is None


@pytest.mark.parametrize("strides, epsilon", ((1, 1e-3), (2, 1e-2)))
def test_a_setting_of_a_layer_makes_another_network(strides, epsilon, tmp_path):
    def build(strides, epsilon):
        inputs = keras.Input((32, 32, 3))
        x = keras.layers.Conv2D(4, 3, strides, padding="same")(inputs)
        x = keras.layers.BatchNormalization(epsilon=epsilon)(x)
        pooled = keras.layers.GlobalAveragePooling2D()(x)
        return Memory(keras.Model(inputs, pooled), SAMPLE, tmp_path)

    build(2, 1e-3).remember("auto", CHOICE)
    assert build(2, 1e-3).choice("auto") == CHOICE
    assert build(strides, epsilon).choice("auto") is None


def test_connections_make_another_network(tmp_path):
    def build(crossed):
        inputs = keras.Input((32, 32, 3))
        a = keras.layers.ReLU(name="a")(inputs)
        b = keras.layers.ReLU(name="b")(a)
        x = keras.layers.Subtract()([b, a] if crossed else [a, b])
        return Memory(keras.Model(inputs, x), SAMPLE, tmp_path)

    build(False).remember("auto", CHOICE)
    assert build(False).choice("auto") == CHOICE
    assert build(True).choice("auto") is None


@pytest.mark.parametrize(
    ("owner", "name"), [(memory, "_processor"), (memory.cores, "usable")]
)
def test_another_machine_chooses_anew(
    owner, name, kept, tmp_path, backbone, monkeypatch
):
    monkeypatch.setattr(owner, name, lambda: 77)
    assert Memory(backbone.model, SAMPLE, tmp_path).choice("auto") is None


def test_another_version_of_a_library_chooses_anew(
    kept, tmp_path, backbone, monkeypatch
):
    monkeypatch.setattr(memory, "_version", lambda library: "77")
    other = Memory(backbone.model, SAMPLE, tmp_path)
    assert other.choice("auto") is None and not other.has(".tflite")


@pytest.mark.parametrize("text", ("", "{", "[]", '{"engine": "litert"}', "null"))
def test_a_damaged_choice_is_none(text, kept, tmp_path):
    (path,) = tmp_path.glob("choice-*.json")
    path.write_text(text)
    assert kept.choice("auto") is None


def test_only_the_newest_converted_networks_stay(kept, tmp_path):
    (old,) = tmp_path.glob("network-*")
    os.utime(old, (1, 1))
    others = [tmp_path / f"network-{number}.onnx" for number in range(4)]
    for age, path in enumerate(others):
        path.write_bytes(b"")
        os.utime(path, (10 + age, 10 + age))
    # To be read is to be of use.
    assert kept.converted(".tflite") == b"converted"
    kept.keep(".onnx", b"new")
    left = set(tmp_path.glob("network-*"))
    assert len(left) == 4 and old in left and not {*others[:2]} & left


def test_what_was_of_no_use_is_forgotten(kept):
    kept.forget("auto", ".tflite")
    assert kept.choice("auto") is None and not kept.has(".tflite")


def test_without_a_folder_nothing_is_remembered(backbone):
    memory = Memory(backbone.model, SAMPLE, None)
    memory.remember("auto", CHOICE)
    memory.keep(".tflite", b"converted")
    memory.forget("auto", ".tflite")
    assert memory.choice("auto") is None and memory.converted(".tflite") is None


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path, backbone, caplog):
    (tmp_path / "file").write_text("")
    memory = Memory(backbone.model, SAMPLE, tmp_path / "file")
    memory.remember("auto", CHOICE)
    memory.keep(".tflite", b"converted")
    assert memory.choice("auto") is None and len(caplog.records) == 2
