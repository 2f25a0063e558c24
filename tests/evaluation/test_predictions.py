"""Predictions of files: a bad one is named and spoils no other."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.config import Head
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import DataError, StorageError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.decision import Decision
from tl_keras.training.head import attach

NAMES = ("cat", "dog")


def classify(contents):
    for content in contents:
        if content.startswith(b"bad"):
            tf.io.decode_image(content)
    return np.array([[0.75, 0.25] if b"cat" in c else [0.1, 0.9] for c in contents])


@pytest.fixture
def files(tmp_path):
    contents = [b"cat 1", b"dog", b"bad", b"cat 2", b"dog 2"] * 15
    paths = [tmp_path / f"{index}.jpg" for index in range(len(contents))]
    for path, content in zip(paths, contents):
        path.write_bytes(content)
    return paths


def test_good_files_are_predicted_in_order(files):
    found = predictions.of_files(files, classify, NAMES)
    assert [one.label for one in found] == ["cat", "dog", None, "cat", "dog"] * 15


def test_bad_file_has_an_error_and_no_label(files):
    bad = predictions.of_files(files, classify, NAMES)[2]
    assert (bad.label, bad.probabilities) == (None, None)
    assert "not an image" in bad.error


def test_missing_file_has_an_error(files, tmp_path):
    found = predictions.of_files([tmp_path / "no.jpg", files[0]], classify, NAMES)
    assert found[0].error == "No such file or directory" and found[1].label == "cat"


def test_file_of_which_the_model_says_nothing_has_an_error(files):
    def broken(contents):
        rows = classify(contents)
        rows[[b"dog" in content for content in contents]] = np.nan
        return rows

    found = predictions.of_files(files[:2], broken, NAMES)
    assert found[0].label == "cat" and found[0].known
    assert (found[1].label, found[1].probability, found[1].known) == (None, None, False)
    assert "no numbers" in found[1].error


def test_probabilities_go_by_class_name(files):
    found = predictions.of_files(files[:1], classify, NAMES)
    assert found[0].probabilities == {"cat": 0.75, "dog": 0.25}


def test_saved_table_has_one_line_an_image(tmp_path, manifest):
    predicted = np.full((len(manifest.rows), 3), 1 / 3)
    path = tmp_path / "predictions.csv"
    predictions.save(path, manifest, predicted, manifest.class_names)
    rows = list(csv.DictReader(path.open()))
    assert [row["path"] for row in rows] == [row.path for row in manifest.rows]


def test_several_labels_are_all_that_are_more_probable_than_not(files):
    def both(contents):
        return np.array([[0.75, 0.6] if b"cat" in c else [0.1, 0.2] for c in contents])

    found = predictions.of_files(files[:2], both, NAMES, kind="multi_label")
    assert [(one.label, one.probability) for one in found] == [
        ("cat|dog", 0.75),
        ("", 0.2),
    ]


def test_file_is_known_whose_probability_reaches_the_threshold(files):
    decision = Decision(threshold=0.8)
    found = predictions.of_files(files[:3], classify, NAMES, decision=decision)
    assert [one.known for one in found] == [False, True, False]
    assert found[0].label == "cat"


def test_without_a_decision_every_good_file_is_known(files):
    found = predictions.of_files(files[:3], classify, NAMES)
    assert [one.known for one in found] == [True, True, False]


def test_temperature_softens_the_probabilities_and_keeps_the_answer(backbone):
    classifier = attach(backbone, ("a", "b", "c"), Head())
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
    plain, soft = (
        predictions.of_batch(classifier.model, "multi_class", temperature=value)(images)
        for value in (1.0, 3.0)
    )
    expected = plain ** (1 / 3) / (plain ** (1 / 3)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(soft, expected, rtol=1e-4)
    assert (soft.argmax(axis=1) == plain.argmax(axis=1)).all()


def test_no_images_are_refused(manifest):
    with pytest.raises(DataError, match="holds no image that could be predicted"):
        predictions.probabilities(classify, manifest.with_rows(()), None)


def test_saved_probabilities_are_loaded_whatever_the_classes_are_called(tmp_path):
    # A class may be called as a column is.
    names, path = ("path", "label", 'label,\n"x"'), tmp_path / "predictions.csv"
    rows = tuple(Row(path=f"{n}.png", label=names[n]) for n in range(2))
    values = np.array([[0.8, 0.1, 0.1], [0.5, 0.25, 0.25]])
    manifest = Manifest(Path(), rows, names)
    predictions.save(path, manifest, values, names, fold=[1, 2])
    np.testing.assert_array_equal(predictions.load(path, names), values)


@pytest.mark.parametrize("content", ["", "path,label\n", "x,y,z,p,a,b,d\n1,2,3\n"])
def test_predictions_of_something_else_are_refused_by_name(tmp_path, content):
    path = tmp_path / "predictions.csv"
    path.write_text(content)
    with pytest.raises(StorageError, match="predictions.csv cannot be read"):
        predictions.load(path, ("a", "b", "c"))


def test_label_of_several_is_joined_or_empty():
    names = ("cat", "dog", "eel")
    assert predictions.label(np.array([0.6, 0.2, 0.9]), names, True) == "cat|eel"
    assert predictions.label(np.array([0.1, 0.2, 0.3]), names, True) == ""
