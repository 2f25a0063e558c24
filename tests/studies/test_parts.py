"""What is kept of a study's parts: read again, or refused in a line with the cure."""

import numpy as np
import pytest

import tl_keras as tl
from tl_keras.cli import main
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import DataError, StorageError, UsageError
from tl_keras.studies import parts
from tl_keras.studies.cross_validation import deal

NUMBERS = np.zeros((4, 2), np.float32)


@pytest.fixture
def kept(tmp_path):
    """A file of four images."""
    np.save(tmp_path / "kept.npy", NUMBERS)
    return tmp_path / "kept.npy"


def test_numbers_of_a_part_are_read_again(kept):
    np.testing.assert_array_equal(parts.array(kept, 4), NUMBERS)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "fewer"])
def test_damaged_numbers_are_refused_with_the_cure(kept, damage):
    whole = kept.read_bytes()
    if damage == "missing":
        kept.unlink()
    else:
        left = {"empty": b"", "cut": whole[:-9], "text": b"none", "fewer": whole}
        kept.write_bytes(left[damage])
    images = 5 if damage == "fewer" else 4
    with pytest.raises(StorageError, match="kept.npy cannot be read.*Remove"):
        parts.array(kept, images)


def test_json_of_another_kind_is_refused(tmp_path):
    (tmp_path / parts.DONE).write_text("[]")
    with pytest.raises(StorageError, match="done.json cannot be read.*Remove"):
        parts.part(tmp_path, dict)


def test_lost_numbers_of_a_fold_are_one_line(squares, tmp_path, capsys):
    flags = [
        *("crossval", str(squares), "--backbone", "tiny", "--weights", "none"),
        *("--backbone.image_size", "32", "--cache.engine", "graph", "--folds", "2"),
        *("--data.cache_dir", str(tmp_path / "cache"), "--head_phase.l2", "0.01"),
        *("--runs", str(tmp_path / "runs"), "--name", "mine"),
    ]
    assert main(flags) == 0
    (tmp_path / "runs/mine/folds/1-2/probabilities.npy").unlink()
    capsys.readouterr()
    assert main(flags) != 0
    error, way_on = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ") and "probabilities.npy" in error
    assert way_on.endswith("--name mine")


def test_fold_without_a_class_is_named_with_the_cure(tmp_path):
    groups = {"a": "123456", "b": "123456", "c": "12"}
    rows = tuple(
        Row(path=f"{label}{group}", label=label, group=group)
        for label, names in groups.items()
        for group in names
    )
    manifest = Manifest(tmp_path, rows)
    with pytest.raises(DataError, match="Fold 1 cannot .* Try fewer folds, another"):
        list(deal(manifest, tl.Config(), 2, 1))


@pytest.fixture
def begin(manifest, tmp_path):
    """Makes a study's folder, or goes on in it, from weights of some digest."""

    def call(weights="1"):
        folder = tmp_path / "study"
        parts.begin(folder, "curve", {}, tl.Config(), manifest, weights=weights)

    return call


def test_study_goes_on_from_the_same(begin, capsys):
    begin()
    begin()
    assert "Going on in" in capsys.readouterr().err


def test_study_of_other_weights_is_refused(begin):
    begin()
    with pytest.raises(UsageError, match="other values of weights: its finished"):
        begin("2")


def test_study_with_other_libraries_is_refused(begin, monkeypatch):
    begin()
    monkeypatch.setattr(parts, "versions", lambda: {"keras": "2.0"})
    with pytest.raises(UsageError, match="other values of versions.keras"):
        begin()
