"""Tables: their columns, separators and encodings, and each thing that may be wrong."""

import pytest

from tl_keras.datasets.sources.finding import find
from tl_keras.errors import DataError


@pytest.fixture
def write(tmp_path):
    """Writes a table beside the files a.png, b.png and c.png."""
    for name in ("a.png", "b.png", "c.png", "with, comma.png", "ä b.png"):
        (tmp_path / name).touch()

    def call(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding=encoding, newline="")
        return path

    return call


def rows(manifest, *names):
    return [tuple(getattr(row, name) for name in names) for row in manifest.rows]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semi", "tab"])
def test_separator_is_found_out(write, separator):
    lines = ["path,label", "a.png,x", "b.png,y"]
    text = "\n".join(lines).replace(",", separator)
    assert rows(find(write(text)), "path", "label") == [("a.png", "x"), ("b.png", "y")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_encoding_is_utf_8_with_or_without_a_mark(write, encoding):
    found = find(write("path,label\nä b.png,grün\n", encoding))
    assert rows(found, "path", "label") == [("ä b.png", "grün")]


@pytest.mark.parametrize("path", ["path", "filename", "file", "image", "Image"])
def test_column_of_paths_has_several_names(write, path):
    assert rows(find(write(f"{path},label\na.png,x\n")), "path") == [("a.png",)]


@pytest.mark.parametrize("label", ["label", "class", "category", "labels", " Label "])
def test_column_of_labels_has_several_names(write, label):
    assert rows(find(write(f"path,{label}\na.png,x\n")), "label") == [("x",)]


def test_columns_may_be_in_any_order_among_others(write):
    found = find(write("id,label,note,path\n1,x,,a.png\n"))
    assert rows(found, "path", "label") == [("a.png", "x")]


def test_cell_in_quotes_may_hold_the_separator(write):
    found = find(write('path,label\n"with, comma.png",x\n'))
    assert rows(found, "path") == [("with, comma.png",)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "mac"])
def test_lines_may_end_as_on_any_system(write, end):
    text = "path,label\na.png,x\nb.png,y\n".replace("\n", end)
    assert rows(find(write(text)), "path") == [("a.png",), ("b.png",)]


def test_empty_lines_are_passed_over(write):
    assert len(find(write("path,label\n\na.png,x\n\n")).rows) == 1


def test_splits_and_groups_are_taken(write):
    found = find(
        write("path,label,split,group\na.png,x,train,g\nb.png,x,VAL,h\nc.png,x,test,i")
    )
    expected = [("train", "g"), ("validation", "h"), ("test", "i")]
    assert rows(found, "split", "group") == expected


def test_paths_are_relative_to_the_table(write, monkeypatch, tmp_path):
    path = write("path,label\na.png,x\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find(path).paths == [str(tmp_path.resolve() / "a.png")]


def test_path_may_be_absolute(write, tmp_path):
    assert find(write(f"path,label\n{tmp_path}/a.png,x\n")).paths == [
        f"{tmp_path}/a.png"
    ]


def test_one_label_a_line_is_no_multi_label_table(write):
    assert not find(write("path,label\na.png,x\nb.png,y\n")).multi_label


def test_several_labels_make_a_multi_label_table(write):
    assert find(write("path,label\na.png,x|y\nb.png,y\n")).multi_label


def test_labels_of_a_multi_label_table_are_counted_one_by_one(write):
    found = find(write("path,label\na.png,x | y\nb.png,y|y\n"))
    assert found.counts() == {"x": 1, "y": 2}


def test_line_that_is_there_twice_is_one_image(write):
    assert len(find(write("path,label\na.png,x\n./a.png,x\n")).rows) == 1


BAD = {
    "no label": ("path,label\na.png,x\nb.png,\n", "line 3: 'b.png' has an empty label"),
    "empty part": ("path,label\na.png,x|\n", "line 2: 'a.png' has an empty label"),
    "two labels": (
        "path,label\na.png,x\nb.png,x\na.png,y\n",
        "line 4: 'a.png' is in line 2 with another label",
    ),
    "two splits": (
        "path,label,split\na.png,x,train\na.png,x,test\n",
        "line 3: 'a.png' is in line 2 with another label, split or group",
    ),
    "unknown split": (
        "path,label,split\na.png,x,trial\n",
        "line 2: unknown split 'trial'. Known: train, training, validation",
    ),
    "missing file": (
        "path,label\na.png,x\nd.png,x\n\ne.png,x\n",
        "do not exist below .*: line 3: 'd.png'; line 5: 'e.png'",
    ),
    "no path column": ("name,label\na.png,x\n", "line 1: no column is named path or"),
    "no label column": ("path,name\na.png,x\n", "named label or .*Found: path, name"),
    "no header": ("a.png,x\n", "line 1: no column is named path"),
    "nothing": ("", "line 1: no column is named path .*Found: nothing"),
    "header alone": ("path,label\n", "no line below its header"),
    "short line": ("path,label\na.png,x\nb.png\n", "line 3: 1 cells under 2 columns"),
    "long line": ("path,label\na.png,x,y\n", "line 2: 3 cells under 2 columns"),
    "open quote": ('path,label\n"a.png,x\n', "line 2: it is no CSV"),
    "huge cell": ("path,label\na.png," + "x" * 200_000, "line 2: it is no CSV"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_line_is_named_with_its_number(write, name):
    text, message = BAD[name]
    with pytest.raises(DataError, match=message):
        find(write(text))


def test_many_missing_files_are_counted(write):
    lines = "".join(f"{n}.png,x\n" for n in range(9))
    with pytest.raises(DataError, match="'4.png'; and 4 more"):
        find(write(f"path,label\n{lines}"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encoding_is_refused(write, encoding):
    with pytest.raises(DataError, match="not in UTF-8: save it as `CSV UTF-8`"):
        find(write("path,label\nä b.png,grün\n", encoding))


def test_empty_label_is_no_class_where_images_have_several(write):
    manifest = find(write("path,label\na.png,x|y\nb.png,\n"))
    assert manifest.targets().tolist() == [[1, 1], [0, 0]]
