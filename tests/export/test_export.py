"""Exports: what they compute, what fails them, and what they leave behind."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import tl_keras as tl
from tl_keras.config import Export as ExportConfig
from tl_keras.errors import ExportError, UsageError
from tl_keras.evaluation.decision import Decision
from tl_keras.export import signatures, verify, writing
from tl_keras.export.artifacts import TABLE
from tl_keras.export.exportable import Exportable
from tl_keras.export.loaded import find_export
from tl_keras.run import load_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def export(trained, tmp_path_factory):
    return trained.export(tmp_path_factory.mktemp("exports") / "squares")


def test_export_gives_the_run_s_probabilities(export, trained):
    test = trained.manifest.split("test")
    np.testing.assert_allclose(
        export.probabilities(test), trained.probabilities(test), atol=1e-5
    )


def test_export_alone_knows_its_labels(export, red):
    assert tl.load(export.path).predict([red])[0].label == "red"


def test_folder_of_versions_gives_the_newest(export, trained):
    newer = trained.export(export.path.parent)
    assert newer.path.name == "2"
    assert find_export(export.path.parent).path == newer.path


def test_export_says_how_it_was_compared(export):
    (found,) = export.facts["artifacts"]
    assert found["file"] == "saved_model.pb" and found["images"] >= 3
    assert found["max_difference"] <= 1e-4 and found["agreement"] == 1
    assert found["accuracy"] == export.facts["metrics"]["accuracy"]
    assert found["bytes"] > 1000 and set(found["milliseconds"]) == {"1", "32"}


def test_checksums_are_those_of_the_files(export):
    import hashlib

    for name, expected in export.facts["sha256"].items():
        content = (export.path / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected, name


def test_call_for_probabilities_alone_refuses_a_bad_image(export, red):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not an image"):
        export.classify([red.read_bytes(), b"no image"])


def test_bad_file_is_named_and_the_others_are_predicted(export, red, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    found = export.predict([red, bad, red])
    assert [one.label for one in found] == ["red", None, "red"]
    assert found[1].error == "the file is empty"


def test_empty_batch_gives_no_rows(export):
    model = tf.saved_model.load(str(export.path))
    empty = tf.zeros((0,), tf.string)
    found = model.signatures["serving_default"](image_bytes=empty)
    assert found["probabilities"].shape == (0, 3)


def test_facts_say_how_image_files_become_squares(export):
    found = [export.facts[name] for name in ("image_size", "resize", "background")]
    assert found == [32, "squash", [255, 255, 255]]


@pytest.mark.parametrize("way", ["squash", "crop", "pad"])
def test_files_become_the_same_squares_in_a_run_and_its_export(trained, tmp_path, way):
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    config = trained.config.override(data={"resize": way, "background": [9, 200, 40]})
    (folder / "config.yaml").write_text(config.to_yaml())
    run, test = load_run(folder), trained.manifest.split("test")
    export = run.export(tmp_path / "out")
    batched = run.probabilities(test)
    for found in (export, run):
        alone = [list(one.probabilities.values()) for one in found.predict(test.paths)]
        np.testing.assert_allclose(alone, batched, atol=1e-5)


def deciding(run, folder, **decision):
    """Returns a copy of a run with a decision."""
    copy = load_run(shutil.copytree(run.folder, folder / "run"))
    copy.decide(Decision(**decision))
    return copy


@pytest.mark.parametrize("threshold", [0.7, {"blue": 0.99, "green": 0.6, "red": 0.9}])
def test_export_knows_what_its_run_knows(trained, tmp_path, threshold):
    run = deciding(trained, tmp_path, temperature=3.0, threshold=threshold)
    export = tl.load(run.export(tmp_path / "out").path)
    paths = run.manifest.paths
    expected, found = run.predict(paths), export.predict(paths)
    assert [one.known for one in found] == [one.known for one in expected]
    assert len({one.known for one in found}) == 2
    assert (
        export.decision
        == run.decision
        == Decision(temperature=3.0, threshold=threshold)
    )


def test_temperature_is_in_the_export_s_graph(export, trained, tmp_path):
    run = deciding(trained, tmp_path, temperature=3.0)
    softened, test = run.export(tmp_path / "out"), run.manifest.split("test")
    np.testing.assert_allclose(
        softened.probabilities(test), run.probabilities(test), atol=1e-5
    )
    assert (softened.probabilities(test).max() + 0.05) < export.probabilities(
        test
    ).max()


def test_both_signatures_say_what_they_know(trained, tmp_path):
    run = deciding(trained, tmp_path, threshold=1.0)
    model = tf.saved_model.load(str(run.export(tmp_path / "out").path))
    content = tf.constant([open(run.manifest.paths[0], "rb").read()])
    of_bytes = model.signatures["serving_default"](image_bytes=content)
    pixels = tf.zeros((2, 32, 32, 3), tf.uint8)
    of_pixels = model.signatures["pixels"](images=pixels)
    assert of_bytes["known"].shape == (1,) and of_pixels["known"].shape == (2,)
    assert not of_bytes["known"].numpy().any() and not of_pixels["known"].numpy().any()


def test_export_without_a_threshold_knows_every_image(export, red):
    model = tf.saved_model.load(str(export.path))
    content = tf.constant([red.read_bytes()])
    found = model.signatures["serving_default"](image_bytes=content)
    assert found["known"].numpy().tolist() == [True]
    assert export.facts["decision"] == {"temperature": 1.0, "threshold": None}


def test_export_that_knows_other_images_fails(trained, tmp_path, monkeypatch):
    run = deciding(trained, tmp_path, threshold=1.0)
    monkeypatch.setattr(signatures, "known", lambda rows, *_: rows[:, 0] >= 0)
    with pytest.raises(ExportError, match="knows other images"):
        run.export(tmp_path / "out")


def test_export_of_an_earlier_version_knows_every_image(export, tmp_path):
    copy = shutil.copytree(export.path, tmp_path / "1")
    facts = json.loads((copy / "export.json").read_text())
    del facts["decision"]
    (copy / "export.json").write_text(json.dumps(facts))
    assert tl.load(copy).decision == Decision()


def saying(trained, rows):
    """Returns what is exported of a run, as if Keras gave other probabilities."""
    row = np.asarray(rows, np.float32)
    classify = lambda images: np.tile(row, (len(images), 1))  # noqa: E731
    return replace(Exportable.of(trained), classify=classify)


def test_export_that_differs_fails_and_leaves_nothing(trained, tmp_path):
    with pytest.raises(ExportError, match="SavedModel model differs from the Keras"):
        other = saying(trained, [0.2, 0.3, 0.5])
        writing.write(other, tmp_path / "out", ExportConfig())
    assert not any((tmp_path / "out").iterdir())


def test_probabilities_that_are_no_numbers_fail(trained, tmp_path):
    with pytest.raises(ExportError, match="are no numbers"):
        writing.write(saying(trained, [np.nan] * 3), tmp_path / "out", ExportConfig())


@pytest.mark.slow
def test_export_that_cannot_run_alone_fails(tmp_path):
    nothing = np.zeros((1, 4, 4, 3), np.uint8)
    images = verify.Images([b"x"], nothing, nothing, nothing)
    with pytest.raises(ExportError, match="SavedModel model fails in a fresh process"):
        verify._run(tmp_path, TABLE[0], images)


def calling(exportable, names):
    """Returns what is exported, its classes under other names."""
    new = dict(zip(exportable.class_names, names))
    rows = [replace(row, label=new[row.label]) for row in exportable.test.rows]
    test = replace(exportable.test, rows=tuple(rows), classes=names)
    return replace(exportable, class_names=names, test=test)


def test_class_names_may_be_of_any_script(trained, red, tmp_path):
    names = ("blå", "grün", "猫")
    named = calling(Exportable.of(trained), names)
    export = writing.write(named, tmp_path / "out", ExportConfig())
    assert tl.load(export.path).predict([red])[0].label == "猫"
    assert (export.path / "labels.txt").read_text(encoding="utf-8").split() == [*names]


def test_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(UsageError, match="neither a run folder nor an export"):
        tl.load(tmp_path)


def test_half_written_version_is_not_taken(export, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    assert find_export(tmp_path) is None


def test_facts_name_versions_and_metrics(export, trained):
    facts = json.loads((export.path / "export.json").read_text())
    assert facts["versions"]["keras"] and facts["metrics"] == trained.metrics


@pytest.mark.slow
def test_tolerance_is_the_config_s(trained, tmp_path):
    config = replace(ExportConfig(), tolerance=1e-30)
    with pytest.raises(ExportError, match="at most 1e-30"):
        writing.write(Exportable.of(trained), tmp_path / "out", config)
