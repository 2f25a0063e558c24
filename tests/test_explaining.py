"""Explanations of a run's images: files that are named, and its test set."""

import dataclasses
import io
import shutil

import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras import explaining
from tl_keras.datasets.images import decode_and_resize
from tl_keras.errors import DataError, UsageError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.explanation import gradcam, occlusion, sheets
from tl_keras.run import Run


@pytest.fixture
def test(trained):
    return trained.manifest.split("test")


@pytest.fixture
def wrong(trained, test):
    """Probabilities by which the first two test images are wrong, the first more."""
    predicted = np.full((len(test.rows), 3), 0.005)
    for number, label in enumerate(test.labels(trained.class_names)):
        predicted[number, label] = 0.99
    for number, sure in ((0, 0.98), (1, 0.9)):
        label = test.labels(trained.class_names)[number]
        predicted[number] = (1 - sure) / 2
        predicted[number, (label + 1) % 3] = sure
    return predicted


def test_image_is_explained_as_it_is_predicted(trained, red):
    (found,) = tl.explain(trained, [red])
    (expected,) = trained.predict([red])
    assert (found.label, found.explained) == (expected.label, expected.label)
    assert found.probability == pytest.approx(expected.probability, abs=1e-6)
    seen = decode_and_resize(red.read_bytes(), trained.square)
    np.testing.assert_array_equal(found.pixels, seen)


@pytest.mark.parametrize("method", ["gradcam", "occlusion"])
def test_heat_is_that_of_the_method(trained, red, method):
    (found,) = tl.explain(trained, [red], method=method, class_name="blue")
    made = {
        "gradcam": gradcam.of_batch(trained.classifier),
        "occlusion": occlusion.of_batch(trained.classify),
    }[method]
    expected = made(found.pixels[np.newaxis], np.array([0]))[0]
    np.testing.assert_allclose(found.heat, expected, atol=1e-6)


def test_asked_class_is_explained_and_the_best_one_told(trained, red):
    (found,) = tl.explain(trained, [red], class_name="blue")
    (expected,) = trained.predict([red])
    assert (found.label, found.explained) == (expected.label, "blue")
    assert found.explained_probability == pytest.approx(
        expected.probabilities["blue"], abs=1e-6
    )


def test_layer_is_explained(trained, red):
    (found,) = tl.explain(trained, [red], layer="block1")
    expected = gradcam.of_batch(trained.classifier, "block1")
    np.testing.assert_allclose(
        found.heat, expected(found.pixels[np.newaxis])[0], atol=1e-6
    )


def test_bad_file_is_named_and_spoils_no_other(trained, red, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    found = tl.explain(trained, [bad, red, tmp_path / "none.png", tmp_path])
    errors = ["not an image", None, "No such file", "Is a directory"]
    for one, error in zip(found, errors, strict=True):
        assert (one.error is None) if error is None else (error in one.error)
    assert found[1].heat is not None and found[0].heat is None


def test_many_files_are_explained_in_order(trained, monkeypatch):
    monkeypatch.setattr(predictions, "BATCH_SIZE", 4)
    paths = trained.manifest.paths[:10]
    found = tl.explain(trained, paths)
    assert [one.path for one in found] == paths
    alone = tl.explain(trained, paths[5:6])[0]
    np.testing.assert_allclose(found[5].heat, alone.heat, atol=1e-5)


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"method": "gradcan"}, "Unknown method 'gradcan'. Did you mean 'gradcam'"),
        ({"class_name": "rad"}, "Unknown class 'rad'. Did you mean 'red'"),
        ({"layer": "block9"}, "Unknown layer 'block9' of tiny"),
        ({"method": "occlusion", "layer": "block1"}, "looks at no layer"),
    ],
)
def test_unknown_name_is_refused_before_anything_is_read(trained, asked, message):
    with pytest.raises(UsageError, match=message):
        tl.explain(trained, ["no/such/file"], **asked)


def test_run_without_weights_is_refused(trained, red, tmp_path):
    copy = Run(shutil.copytree(trained.folder, tmp_path / "copy"))
    (copy.folder / "model.weights.h5").unlink()
    for work in (
        lambda: tl.explain(copy, [red]),
        lambda: explaining.neighbours(copy),
        lambda: explaining.test_probabilities(copy),
    ):
        with pytest.raises(UsageError, match="Nothing is trained in .*tl-keras resume"):
            work()


def test_top_losses_come_with_their_pictures(trained, test, wrong):
    found = explaining.top_losses(trained, count=2, predicted=wrong)
    assert [one.judged.path for one in found] == [row.path for row in test.rows[:2]]
    for one, row in zip(found, test.rows):
        picture = Image.open(io.BytesIO(one.thumbnail))
        (seen,) = tl.explain(trained, [trained.manifest.root / row.path])
        np.testing.assert_array_equal(np.asarray(picture), seen.pixels)
        assert one.explained == one.judged.predicted != row.label
        heat = gradcam.of_batch(trained.classifier)(
            seen.pixels[np.newaxis], [trained.class_names.index(one.explained)]
        )
        expected = sheets.overlay(seen.pixels, heat[0])
        picture = np.asarray(Image.open(io.BytesIO(one.overlay)), int)
        np.testing.assert_allclose(picture, expected, atol=1)


def test_top_losses_of_the_run_itself(trained, test):
    found = explaining.top_losses(trained, count=10_000)
    assert len(found) == len(test.rows)
    mean = np.mean([one.judged.loss for one in found])
    assert mean == pytest.approx(trained.metrics["loss"], abs=1e-4)


def test_wrong_predictions_have_neighbours_of_their_true_colour(trained, test, wrong):
    found = explaining.neighbours(trained, predicted=wrong)
    assert [one.judged.path for one in found] == [row.path for row in test.rows[:2]]
    train = {row.path for row in trained.manifest.split("train").rows}
    for one, row in zip(found, test.rows):
        assert len(one.neighbours) == 5
        assert {near.path for near in one.neighbours} <= train
        assert one.neighbours[0].label == row.label and not one.suspected
        assert Image.open(io.BytesIO(one.neighbours[0].thumbnail)).size == (32, 32)


def test_wrongly_labelled_images_are_suspected(trained, test):
    """The labels are changed instead of the predictions: pictures stay as they are."""
    names = trained.class_names
    rows = [
        dataclasses.replace(row, label=names[names.index(row.label) - 1])
        if row.split == "test"
        else row
        for row in trained.manifest.rows
    ]
    copy = Run(trained.folder, trained.built)
    copy.__dict__["manifest"] = trained.manifest.with_rows(rows)
    found = explaining.neighbours(copy)
    assert sum(one.suspected for one in found) > len(test.rows) / 2


def test_training_images_are_read_once_for_all_wrong_ones(trained, wrong, monkeypatch):
    sizes = []
    whole = predictions.probabilities

    def noted(classify, manifest, square):
        sizes.append(len(manifest.rows))
        return whole(classify, manifest, square)

    monkeypatch.setattr(predictions, "probabilities", noted)
    explaining.neighbours(trained, predicted=wrong)
    assert sizes == [2, len(trained.manifest.split("train").rows)]


def test_without_a_wrong_prediction_there_are_no_neighbours(trained, test):
    right = np.eye(3)[test.labels(trained.class_names)]
    assert explaining.neighbours(trained, predicted=right) == []


@pytest.mark.parametrize("work", [explaining.top_losses, explaining.neighbours])
def test_number_below_one_is_refused(trained, work):
    with pytest.raises(UsageError, match="`top` must be at least 1. Received: 0"):
        work(trained, count=0)


def test_predictions_that_are_no_numbers_are_refused(trained, red, wrong, monkeypatch):
    wrong[1] = np.nan
    with pytest.raises(DataError, match=f"of 1 of {len(wrong)} images are no numbers"):
        explaining.top_losses(trained, predicted=wrong)
    with pytest.raises(DataError, match="no numbers"):
        explaining.neighbours(trained, predicted=wrong)
    # A cached property.
    monkeypatch.setitem(vars(trained), "classify", lambda _: np.full((1, 3), np.nan))
    with pytest.raises(DataError, match="no numbers"):
        tl.explain(trained, [red])
