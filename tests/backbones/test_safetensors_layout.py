"""Safetensors: Keras's names, torchvision's, others' and broken ones."""

import json
import struct

import numpy as np
import parity
import pytest
from safetensors.numpy import load_file, save_file
from small_networks import draw, equal, small, values

from tl_keras.backbones import safetensors_layout
from tl_keras.backbones.safetensors_layout import load_safetensors, save_safetensors
from tl_keras.errors import StorageError, WeightsError

CLASSES = 5


@pytest.fixture(scope="module")
def theirs():
    return draw(small())


@pytest.fixture(scope="module")
def tensors(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    save_safetensors(theirs, path)
    return load_file(path)


@pytest.fixture
def ours(theirs):
    """Another network with the same names."""
    return parity.blank(theirs.__class__.from_config(theirs.get_config()))


def refused(network, path, words):
    """Asserts that a file is refused and the network left as it was."""
    before = values(network)
    with pytest.raises(WeightsError, match=words):
        load_safetensors(network, path)
    assert equal(before, values(network))


def test_names_are_those_of_layer_and_variable(tensors):
    assert tensors["conv1/kernel"].shape == (3, 3, 3, 4)


def test_old_file_is_replaced_in_one_step(tmp_path, theirs, ours):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    save_safetensors(theirs, path)
    load_safetensors(ours, path)
    assert [x.name for x in tmp_path.iterdir()] == ["a.safetensors"]


def test_folder_that_cannot_be_written_is_named(tmp_path, theirs):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        save_safetensors(theirs, tmp_path / "file" / "a.safetensors")


def test_file_without_the_order_is_loaded_by_its_names(tmp_path, tensors, theirs, ours):
    save_file(tensors, tmp_path / "a.safetensors")
    load_safetensors(ours, tmp_path / "a.safetensors")
    assert equal(values(ours), values(theirs))


def test_file_without_the_order_needs_equal_names(tmp_path, tensors):
    save_file(tensors, tmp_path / "a.safetensors")
    refused(small(), tmp_path / "a.safetensors", "needs kernel .*, the file has none")


def test_file_without_the_order_may_hold_no_more(tmp_path, tensors, ours):
    more = {**tensors, "predictions/kernel": np.zeros((4, 5), "float32")}
    save_file(more, tmp_path / "a.safetensors")
    refused(ours, tmp_path / "a.safetensors", "the file has 'predictions', the network")


@pytest.mark.parametrize("note", ["[]", '["conv1"]', "{}", "3", '"conv1"', "[[1]]"])
def test_order_of_other_layers_is_none(tmp_path, tensors, theirs, ours, note):
    save_file(tensors, tmp_path / "a.safetensors", metadata={"layers": note})
    load_safetensors(ours, tmp_path / "a.safetensors")
    assert equal(values(ours), values(theirs))


def test_order_that_is_no_json_is_refused(tmp_path, tensors, ours):
    save_file(tensors, tmp_path / "a.safetensors", metadata={"layers": "[conv1"})
    refused(ours, tmp_path / "a.safetensors", "is cut off or damaged")


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_float_of_another_width_is_cast(tmp_path, tensors, ours, dtype):
    changed = {**tensors, "conv1/kernel": tensors["conv1/kernel"].astype(dtype)}
    save_file(changed, tmp_path / "a.safetensors")
    load_safetensors(ours, tmp_path / "a.safetensors")
    expected = changed["conv1/kernel"].astype("float32")
    assert np.array_equal(ours.get_layer("conv1").kernel, expected)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_anything_but_floats_is_refused(tmp_path, tensors, ours, dtype):
    changed = {**tensors, "conv1/kernel": tensors["conv1/kernel"].astype(dtype)}
    save_file(changed, tmp_path / "a.safetensors")
    refused(ours, tmp_path / "a.safetensors", "the file has kernel .* [iuUB]")


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E4M3", 1)])
def test_type_that_numpy_lacks_is_refused(tmp_path, ours, dtype, size):
    length = 3 * 3 * 3 * 4 * size
    entry = {"dtype": dtype, "shape": [3, 3, 3, 4], "data_offsets": [0, length]}
    header = json.dumps({"conv1/kernel": entry}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(length)
    (tmp_path / "a.safetensors").write_bytes(content)
    words = r"the file has kernel \(3, 3, 3, 4\) (bfloat16|F8_E4M3)"
    refused(ours, tmp_path / "a.safetensors", words)


def test_other_name_of_a_variable_is_refused(tmp_path, tensors, ours):
    # Their order tells nothing: the format has none.
    changed = dict(tensors)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        value = changed.pop(f"block0_sepconv_bn/{name}")
        changed[f"block0_sepconv_bn/{name[::-1]}"] = value
    save_file(changed, tmp_path / "a.safetensors")
    refused(ours, tmp_path / "a.safetensors", "'block0_sepconv_bn' needs gamma")


def test_names_of_another_library_are_refused(tmp_path, ours):
    save_file({"conv1.weight": np.zeros(3)}, tmp_path / "a.safetensors")
    words = "has the name 'conv1.weight', where '<layer>/<variable>' is wanted"
    refused(ours, tmp_path / "a.safetensors", words)


def test_file_without_tensors_is_refused(tmp_path, ours):
    save_file({}, tmp_path / "a.safetensors")
    refused(ours, tmp_path / "a.safetensors", "the file has none")


def test_missing_file_is_refused(tmp_path, ours):
    refused(ours, tmp_path / "gone.safetensors", "gone.safetensors")


@pytest.fixture
def given(monkeypatch):
    """The files that torchvision's loader was given."""
    paths = []
    monkeypatch.setattr(
        safetensors_layout, "load_resnet", lambda network, path: paths.append(path)
    )
    return paths


def test_names_of_torchvision_go_to_their_own_loader(tmp_path, ours, given):
    named = {
        "layer1.0.conv1.weight": np.zeros(3),
        "bn1.num_batches_tracked": np.ones(1),
    }
    save_file(named, tmp_path / "a.safetensors")
    load_safetensors(ours, tmp_path / "a.safetensors")
    assert given == [tmp_path / "a.safetensors"]


def test_values_of_torchvision_must_be_finite(tmp_path, ours, given):
    named = {"layer1.0.conv1.weight": np.array([1.0, np.nan])}
    save_file(named, tmp_path / "a.safetensors")
    refused(ours, tmp_path / "a.safetensors", "not finite in 'layer1.0.conv1.weight'")
    assert given == []
