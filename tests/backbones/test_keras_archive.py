"""`.keras` files: their weights alone, and none with layers that hold code."""

import json
import os
import pickle
import zipfile

import keras
import numpy as np
import parity
import pytest
from small_networks import draw, equal, small, values

from tl_keras.backbones import keras_archive
from tl_keras.backbones.keras_archive import load_archive
from tl_keras.errors import StorageError, WeightsError


@pytest.fixture(scope="module")
def theirs():
    return draw(small())


@pytest.fixture(scope="module")
def file(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "a.keras"
    theirs.save(path)
    return path


@pytest.fixture(scope="module")
def ours():
    return small()


@pytest.fixture(autouse=True)
def unpacking(monkeypatch, tmp_path):
    """Where archives are unpacked."""
    folder = tmp_path / "unpacking"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def rewrite(file, path, changes, compression=zipfile.ZIP_STORED):
    """Copies an archive with some members changed, or left out where `None`."""
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members |= changes
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in members.items():
            if content is not None:
                new.writestr(name, content)
    return path


def with_layer(file, path, **described):
    """Copies an archive whose model has one layer more in its description."""
    with zipfile.ZipFile(file) as old:
        config = json.loads(old.read("config.json"))
    outer = {"class_name": "Sequential", "config": {"layers": [described]}}
    config["config"]["layers"].append(outer)
    return rewrite(file, path, {"config.json": json.dumps(config)})


def refused(network, path, words):
    """Asserts that a file is refused and the network left as it was."""
    before = values(network)
    with pytest.raises(WeightsError, match=words) as raised:
        load_archive(network, path)
    assert equal(before, values(network)) and str(path) in str(raised.value)


def test_packed_archive_is_loaded(file, tmp_path, theirs, ours):
    packed = rewrite(file, tmp_path / "packed.keras", {}, zipfile.ZIP_DEFLATED)
    load_archive(parity.blank(ours), packed)
    assert equal(values(ours), values(theirs))


def test_nothing_is_left_of_the_unpacking(file, ours, unpacking):
    load_archive(ours, file)
    assert list(unpacking.iterdir()) == []


def test_lambda_layer_is_refused_with_its_reason(tmp_path, ours):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "a.keras")
    words = "it has a Lambda layer, which holds Python code.*save_weights"
    refused(ours, tmp_path / "a.keras", words)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"class_name": "Lambda", "module": "keras.layers"}, "a Lambda layer"),
        ({"class_name": "TFSMLayer"}, "a TFSMLayer layer, which loads another program"),
        ({"class_name": "TorchModuleWrapper"}, "a TorchModuleWrapper .* pickle"),
        ({"class_name": "Mine", "registered_name": "keras>Lambda"}, "a Lambda layer"),
        ({"class_name": "keras.layers.Lambda"}, "a Lambda layer"),
        ({"class_name": "Wrap", "config": {"layer": {"class_name": "Lambda"}}}, "Lam"),
    ],
)
def test_layer_with_code_is_refused_at_any_depth(
    file, tmp_path, ours, described, words
):
    refused(ours, with_layer(file, tmp_path / "a.keras", **described), words)


def test_other_layer_of_the_users_is_no_reason_to_refuse(file, tmp_path, theirs, ours):
    path = with_layer(file, tmp_path / "a.keras", class_name="MyLambdaBlock")
    load_archive(parity.blank(ours), path)
    assert equal(values(ours), values(theirs))


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_archive_without_a_part_is_refused(file, tmp_path, ours, member):
    path = rewrite(file, tmp_path / "a.keras", {member: None})
    refused(ours, path, "so no .keras file")


@pytest.mark.parametrize("config", [b"{", b"\xff", b"[" * 100_000])
def test_description_that_is_no_json_is_refused(file, tmp_path, ours, config):
    path = rewrite(file, tmp_path / "a.keras", {"config.json": config})
    refused(ours, path, "its config.json")


def test_huge_description_is_refused(file, tmp_path, ours, monkeypatch):
    monkeypatch.setattr(keras_archive, "MAXIMUM_CONFIG", 100)
    refused(ours, file, "larger than any is")


def test_archive_of_pytorch_is_refused(tmp_path, ours):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", b"0000")
    refused(ours, tmp_path / "a.keras", "PyTorch file, a pickle")


def test_bomb_is_refused_before_it_is_unpacked(file, tmp_path, ours, unpacking):
    bomb = {"model.weights.h5": bytes(3 * 2**20)}
    path = rewrite(file, tmp_path / "a.keras", bomb, zipfile.ZIP_DEFLATED)
    refused(ours, path, "unpacks to 3,145,728, and small needs")


def test_large_file_that_does_not_shrink_is_no_bomb(file, tmp_path, ours):
    large = {"model.weights.h5": os.urandom(3 * 2**20)}
    path = rewrite(file, tmp_path / "a.keras", large, zipfile.ZIP_DEFLATED)
    refused(ours, path, "is cut off or damaged")


def test_weights_that_are_all_alike_are_no_bomb(tmp_path, ours):
    theirs = parity.blank(small())
    theirs.save(tmp_path / "a.keras")
    packed = tmp_path / "b.keras"
    rewrite(tmp_path / "a.keras", packed, {}, zipfile.ZIP_DEFLATED)
    load_archive(draw(ours), packed)
    assert equal(values(ours), values(theirs))


def test_changed_byte_is_found(file, tmp_path, ours):
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        content[archive.getinfo("model.weights.h5").header_offset + 9000] ^= 255
    (tmp_path / "a.keras").write_bytes(content)
    refused(ours, tmp_path / "a.keras", "is cut off or damaged: Bad CRC-32")


def test_password_is_refused(file, tmp_path, ours):
    content = bytearray(file.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(signature, place + 1)
    (tmp_path / "a.keras").write_bytes(content)
    refused(ours, tmp_path / "a.keras", "is cut off or damaged: .*encrypted")


def test_full_disk_is_told(file, ours, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("U", (), {"free": 9}))
    with pytest.raises(StorageError, match="Unpacking .* needs"):
        load_archive(ours, file)


def test_values_are_compared(file, tmp_path):
    refused(small(filters=3), file, r"needs kernel \(3, 3, 3, 3\), the file has")


def test_not_finite_values_are_refused(tmp_path, ours):
    theirs = draw(small())
    theirs.get_layer("conv1").kernel.assign(np.full((3, 3, 3, 4), np.nan))
    theirs.save(tmp_path / "a.keras")
    refused(ours, tmp_path / "a.keras", "not finite in 'conv1/kernel'")
