"""Data sets of TensorFlow Datasets, prepared here, without a network."""

import importlib
import shutil
import socket
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from tl_keras.datasets.sources import tfds as tfds_source
from tl_keras.datasets.sources.finding import find
from tl_keras.errors import DataError, UsageError
from tl_keras.sections import Data

# TFDS reads the code of the class again, from its file.
MODULE = '''
import io

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

LABELS = ["zebra", "ant", "a|b"]


def jpeg(number):
    """Returns a JPEG of the number's own."""
    pixels = np.random.default_rng(number).integers(0, 256, (9, 7, 3))
    content = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(content, "JPEG", quality=60)
    return content.getvalue()


class Tiny(tfds.core.GeneratorBasedBuilder):
    """Six images of three classes, in three splits."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": range(6), "test": range(6, 9), "unsupervised": range(9, 12)}
    FEATURES = {
        "id": tfds.features.Text(),
        "picture": tfds.features.Image(encoding_format="jpeg"),
        "kind": tfds.features.ClassLabel(names=LABELS),
    }

    def _info(self):
        features = tfds.features.FeaturesDict(self.FEATURES)
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {name: self._examples(ids) for name, ids in self.SPLITS.items()}

    def _examples(self, ids):
        for number in ids:
            # The last one has no label.
            kind = -1 if number == 11 else number % 3
            yield number, {
                "id": str(number), "picture": io.BytesIO(jpeg(number)), "kind": kind
            }

    _generate_examples = _examples


class Texts(Tiny):
    """No images."""

    FEATURES = {"id": tfds.features.Text()}

    def _examples(self, ids):
        for number in ids:
            yield number, {"id": str(number)}

    _generate_examples = _examples
'''


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The module of the data sets."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "tiny_sets.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("tiny_sets")
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def prepared(module, tmp_path_factory):
    """The folder in which both data sets lie prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    for builder in (module.Tiny, module.Texts):
        builder(data_dir=str(folder)).download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def data(prepared, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return Data(data_dir=str(prepared), cache_dir=str(cache))


@pytest.fixture(scope="module")
def manifest(data):
    return find("tfds:tiny", data)


@pytest.fixture
def offline(monkeypatch):
    """A machine whose names lead nowhere."""

    def fails(*args):
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    monkeypatch.setattr(tfds_source.urllib.request, "getproxies", dict)


def by_content(manifest):
    """Returns each row by the bytes of its file."""
    return {Path(p).read_bytes(): row for p, row in zip(manifest.paths, manifest.rows)}


def test_images_are_kept_byte_by_byte(manifest, module):
    assert set(by_content(manifest)) == {module.jpeg(number) for number in range(11)}


def test_images_have_their_labels(manifest, module):
    rows = by_content(manifest)
    labels = [rows[module.jpeg(number)].label for number in range(11)]
    assert labels == [module.LABELS[number % 3] for number in range(11)]


def test_splits_are_kept_and_others_become_training(manifest, module):
    rows = by_content(manifest)
    splits = [rows[module.jpeg(number)].split for number in range(11)]
    assert splits == ["train"] * 6 + ["test"] * 3 + ["train"] * 2


def test_class_whose_name_holds_a_separator_is_one_class(manifest):
    assert not manifest.multi_label


def test_classes_are_in_natural_order(manifest):
    assert manifest.class_names == ("ant", "a|b", "zebra")


def test_data_set_is_written_once(manifest, data, monkeypatch):
    monkeypatch.setattr(tfds_source, "_pictures", None)
    assert find("tfds:tiny", data) == manifest


@pytest.mark.parametrize("way", ["tfds:tiny:1.0.0", "tfds:{}", "{}"])
def test_version_and_folder_name_the_same_data_set(manifest, data, prepared, way):
    found = find(way.format(prepared / "tiny" / "1.0.0"), data)
    assert set(by_content(found)) == set(by_content(manifest))


def test_folder_is_read_without_its_code(data, prepared, tmp_path):
    shutil.copytree(prepared / "tiny" / "1.0.0", tmp_path / "moved")
    assert len(find(tmp_path / "moved", data).rows) == 11


def test_set_prepared_anew_is_written_anew(data, prepared, tmp_path):
    folder = shutil.copytree(prepared / "tiny" / "1.0.0", tmp_path / "again")
    first = find(folder, data)
    (folder / "label.labels.txt").write_text("another\n")
    assert find(folder, data).root != first.root


def test_what_is_taken_and_left_out_is_said(data, prepared, tmp_path, capsys):
    other = Data(data_dir=data.data_dir, cache_dir=str(tmp_path))
    find("tfds:tiny", other)
    said = capsys.readouterr().err
    assert "unsupervised is taken for training" in said
    assert "1 images have no label" in said


def test_unknown_data_set_is_a_usage_error_of_one_line(data):
    with pytest.raises(UsageError) as error:
        find("tfds:no_such_set", data)
    assert "knows no data set 'no_such_set'" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_data_set_without_a_network_names_the_cure(data, offline):
    with pytest.raises(DataError, match="not in .*no network .*tfds build mnist"):
        find("tfds:mnist", data)


def test_failed_download_names_the_cure(data, monkeypatch):
    def fails(self):
        raise RuntimeError("the server\nis on fire")

    monkeypatch.setattr(tfds_source, "_online", lambda: True)
    builder = type(tfds.builder("mnist", data_dir=data.data_dir))
    monkeypatch.setattr(builder, "download_and_prepare", fails)
    with pytest.raises(DataError, match="downloaded: the server. .*tfds build mnist"):
        find("tfds:mnist", data)


def test_proxy_counts_as_a_network(offline, monkeypatch):
    monkeypatch.setattr(
        tfds_source.urllib.request, "getproxies", lambda: {"https": "proxy"}
    )
    assert tfds_source._online()


def test_data_set_without_images_is_refused_with_what_it_holds(data):
    with pytest.raises(DataError, match=r"no classification .*It holds: id \(Text\)"):
        find("tfds:texts", data)


def test_damaged_data_set_is_refused_in_one_line(data, prepared, tmp_path):
    folder = shutil.copytree(prepared / "tiny" / "1.0.0", tmp_path / "damaged")
    (folder / "features.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read") as error:
        find(f"tfds:{folder}", data)
    assert "\n" not in str(error.value)


def test_damaged_images_are_refused_and_leave_nothing(data, prepared, tmp_path):
    folder = shutil.copytree(prepared / "tiny" / "1.0.0", tmp_path / "damaged")
    (shard,) = folder.glob("tiny-test*")
    shard.write_bytes(shard.read_bytes()[:-9])
    other = Data(cache_dir=str(tmp_path / "cache"))
    with pytest.raises(DataError, match="tiny/1.0.0.*cannot be read"):
        find(folder, other)
    assert list((tmp_path / "cache" / "sources").iterdir()) == []
