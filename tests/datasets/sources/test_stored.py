"""Pictures of sources that are no files, written once."""

from pathlib import Path

import pytest

from tl_keras.datasets.sources import stored
from tl_keras.datasets.sources.stored import Picture
from tl_keras.sections import Data

PICTURES = [
    Picture(content=b"\x89PNG one", label="a", split="train"),
    Picture(content=b"\xff\xd8 two", label="b|c"),
    Picture(content=b"three", label="../x/ä", split="test"),
]


@pytest.fixture
def data(tmp_path):
    return Data(cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def written(data):
    return stored.once("name", data, lambda: iter(PICTURES), len(PICTURES))


def test_bytes_are_kept_as_they_are(written):
    found = [Path(path).read_bytes() for path in written.paths]
    assert found == [picture.content for picture in PICTURES]


@pytest.mark.parametrize("what", ["label", "split"])
def test_rows_say_what_the_pictures_say(written, what):
    expected = [getattr(picture, what) for picture in PICTURES]
    assert [getattr(row, what) for row in written.rows] == expected


def test_suffix_follows_the_first_bytes(written):
    assert [Path(row.path).suffix for row in written.rows] == [".png", ".jpg", ".image"]


def test_files_lie_below_the_cache_whatever_the_label(written, data):
    root = Path(data.cache_dir, "sources", "name").resolve()
    assert all(root in Path(path).resolve().parents for path in written.paths)


def test_pictures_are_written_once(written, data):
    def never():
        raise AssertionError

    assert stored.once("name", data, never, 3) == written


def test_failure_on_the_way_leaves_nothing(data):
    def broken():
        yield PICTURES[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        stored.once("name", data, broken, 3)
    assert list(Path(data.cache_dir, "sources").iterdir()) == []


@pytest.mark.parametrize("label", [".", "..", "", "a" * 300, "é" * 300, " ", "c" * 99])
def test_any_label_can_be_written(data, label):
    pictures = [Picture(content=b"x", label=label)]
    (row,) = stored.once("name", data, lambda: pictures, 1).rows
    assert row.label == label
    assert not {".", ".."} & set(row.path.split("/"))


def test_digest_tells_where_texts_end():
    assert stored.digest("ab", "c") != stored.digest("a", "bc")
