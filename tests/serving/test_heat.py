"""Which run an export is explained by."""

import json
import shutil

import pytest

from tl_keras.errors import UsageError
from tl_keras.export.loaded import Export
from tl_keras.serving import heat


def test_run_of_an_export_is_known_by_its_figures(exported, trained):
    found = heat.of_export(Export(exported / "1"), trained.folder)
    assert found.run.folder == trained.folder


def test_folder_without_a_run_explains_nothing(exported, tmp_path):
    assert heat.of_export(Export(exported / "1"), tmp_path) is None


def test_run_of_another_model_explains_nothing(exported, trained, tmp_path):
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "loss": 7.5}))
    export = Export(exported / "1")
    assert heat.of_export(export, folder) is None
    with pytest.raises(UsageError, match="is another model than"):
        heat.of_run(export, folder)


def test_run_that_is_named_has_to_be_there(exported, tmp_path):
    with pytest.raises(UsageError, match="is no run folder"):
        heat.of_run(Export(exported / "1"), tmp_path)
