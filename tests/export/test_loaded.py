"""An export whose manifest is damaged is refused by one line."""

import json

import pytest

import tl_keras as tl
from tl_keras.errors import ExportError

WHOLE = {
    "class_names": ["a", "b"],
    "image_size": 32,
    "resize": "squash",
    "background": [0, 0, 0],
    "outputs": "multi_class",
}


def written(folder, text):
    """Returns the export in a folder whose `export.json` holds a text."""
    (folder / "saved_model.pb").write_bytes(b"")
    (folder / "export.json").write_text(text, encoding="utf-8")
    return tl.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"class_names": ["a"]}'])
def test_damaged_facts_are_refused_by_name(tmp_path, text):
    with pytest.raises(ExportError, match=r"export\.json cannot be read.*anew"):
        _ = written(tmp_path, text).class_names


def test_whole_facts_are_read(tmp_path):
    export = written(tmp_path, json.dumps(WHOLE))
    assert export.class_names == ("a", "b") and export.decision.threshold is None


@pytest.mark.parametrize("decision", [{"threshold": "high"}, {"cold": 1}, [1], 3])
def test_damaged_decision_is_refused_by_name(tmp_path, decision):
    export = written(tmp_path, json.dumps({**WHOLE, "decision": decision}))
    with pytest.raises(ExportError, match=r"export\.json"):
        _ = export.decision
