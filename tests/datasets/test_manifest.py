"""The list of images: order, labels, splits and its file."""

from dataclasses import replace

import pytest

from tl_keras.datasets.manifest import SPLITS, Manifest, Row, natural_key
from tl_keras.errors import DataError

HEADER = (
    "path,label,sha256,pixels,width,height,format,orientation,group,split,problems\n"
)


def manifest(folder, *labels):
    rows = (Row(path=f"{n}.png", label=label) for n, label in enumerate(labels))
    return Manifest(folder, tuple(rows))


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "10", "a"],
        ["img2", "img10", "img100"],
        ["apple", "Banana", "cherry"],
        ["a1b2", "a1b10", "a2b1"],
    ],
    ids=str,
)
def test_natural_order_is_the_order_that_a_person_expects(names):
    assert sorted(reversed(names), key=natural_key) == names


@pytest.mark.parametrize("pair", [("01", "1"), ("A", "a"), ("²", "2"), ("٣", "3")])
def test_natural_order_tells_different_names_apart(pair):
    assert natural_key(pair[0]) != natural_key(pair[1])


def test_class_names_are_in_natural_order(tmp_path):
    assert manifest(tmp_path, "10", "2", "2", "1").class_names == ("1", "2", "10")


def test_labels_are_places_among_the_class_names(tmp_path):
    assert manifest(tmp_path, "10", "2", "2", "1").labels() == [2, 1, 1, 0]


def test_labels_follow_the_class_names_that_are_given(tmp_path):
    assert manifest(tmp_path, "a", "c").labels(("c", "b", "a")) == [2, 0]


def test_class_that_the_model_does_not_know_is_named(tmp_path):
    with pytest.raises(DataError, match="does not know: dog. It knows: cat, cow."):
        manifest(tmp_path, "cat", "dog").labels(("cat", "cow"))


def test_paths_lie_below_the_root(tmp_path):
    assert manifest(tmp_path, "a").paths == [str(tmp_path / "0.png")]


def test_split_gives_its_rows_in_order(tmp_path):
    rows = tuple(
        Row(path=str(n), label="a", split=SPLITS[n % len(SPLITS)]) for n in range(7)
    )
    assert [r.path for r in Manifest(tmp_path, rows).split("validation").rows] == [
        "1",
        "4",
    ]


def test_counts_are_the_images_of_each_class(tmp_path):
    assert manifest(tmp_path, "a", "b", "a").counts() == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "name", ["a,b", 'say "x"', "two\nlines", "Bär 🐻", " spaces ", "tab\t", "cr\rlf\n"]
)
def test_manifest_survives_its_file(tmp_path, name):
    row = Row(
        path=f"{name}/1.png",
        label=name,
        sha256="ab",
        pixels="cd",
        width=3,
        height=4,
        split="train",
    )
    written = Manifest(tmp_path, (row,))
    written.save(tmp_path / "manifest.csv")
    assert Manifest.load(tmp_path / "manifest.csv", tmp_path) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "path,label\na.png,a\n",
        HEADER + "a.png,a,,,wide,4,PNG,1,,train,\n",
        HEADER + "a.png,a,,,3\n",
        HEADER + "a.png,a,,,3,4\n",
        HEADER + "a.png,a,,,3,4,PNG,1,,train,,more\n",
        HEADER.replace("split", "spilt") + "a.png,a,,,3,4,PNG,1,,train,\n",
        HEADER + "a.png," + "a" * 200_000 + ",,,3,4,PNG,1,,train,\n",
    ],
    ids=[
        "empty",
        "missing columns",
        "no number",
        "cut off",
        "cut off before the split",
        "too long a line",
        "unknown column",
        "huge field",
    ],
)
def test_damaged_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match="manifest.csv cannot be read"):
        Manifest.load(tmp_path / "manifest.csv", tmp_path)


def test_missing_manifest_is_refused(tmp_path):
    with pytest.raises(DataError, match="manifest.csv cannot be read"):
        Manifest.load(tmp_path / "manifest.csv", tmp_path)


def test_targets_of_one_class_an_image_are_its_labels(tmp_path):
    found = manifest(tmp_path, "b", "a", "b")
    assert found.targets().tolist() == found.labels()


def several(folder, *labels):
    return replace(manifest(folder, *labels), multi_label=True)


def test_targets_of_several_classes_are_one_at_each(tmp_path):
    found = several(tmp_path, "b|a", "c", "").targets()
    assert found.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_targets_follow_the_class_names_that_are_given(tmp_path):
    found = several(tmp_path, "b|a", "a").targets(("b", "x", "a"))
    assert found.tolist() == [[1, 0, 1], [0, 0, 1]]


def test_targets_of_a_class_that_the_model_does_not_know_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not know: c. It knows: a, b."):
        several(tmp_path, "a|c", "b").targets(("a", "b"))


def test_separator_in_a_class_name_joins_nothing_where_images_have_one_class(tmp_path):
    assert manifest(tmp_path, "b|a", "c").class_names == ("b|a", "c")


def test_carriage_return_in_a_name_comes_back(tmp_path):
    rows = (Row(path="a\rb.png", label="c\r\nd"),)
    Manifest(tmp_path, rows).save(tmp_path / "manifest.csv")
    assert Manifest.load(tmp_path / "manifest.csv", tmp_path).rows == rows
