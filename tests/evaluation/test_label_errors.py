"""Suspected label errors: planted ones are found, and few others."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.evaluation import label_errors


def predictions(labels, classes, random, sharp=3.0):
    """Returns probabilities of a model that is mostly right."""
    logits = random.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += sharp
    values = np.exp(logits)
    return values / values.sum(axis=1, keepdims=True)


def test_planted_wrong_labels_are_found_and_few_others():
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(5), 200)
    probabilities = predictions(truth, 5, random, sharp=4.0)
    wrong = random.choice(len(truth), 50, replace=False)
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + random.integers(1, 5, 50)) % 5
    found = {one.place for one in label_errors.find(labels, probabilities)}
    # A threshold is a mean: about half of a class's images are above it.
    assert len(found & set(wrong)) >= 25
    assert len(found - set(wrong)) <= 3


def test_suggested_is_the_class_whose_threshold_is_passed():
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    probabilities = np.array(
        [
            [0.9, 0.05, 0.05],
            [0.8, 0.1, 0.1],
            [0.1, 0.5, 0.4],  # below the threshold of 1, above that of 2
            [0.1, 0.8, 0.1],
            [0.1, 0.7, 0.2],
            [0.5, 0.2, 0.3],
            [0.45, 0.15, 0.4],
        ]
    )
    thresholds = label_errors.thresholds(labels, probabilities)
    assert thresholds == pytest.approx([0.6, 0.75, 0.35])
    (found,) = label_errors.find(labels, probabilities)
    assert (found.place, found.suggested) == (2, 2)
    assert found.margin == pytest.approx(-0.3)


def test_surest_come_first():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 300)
    probabilities = predictions(labels, 3, random)
    labels[:20] = (labels[:20] + 1) % 3
    margins = [one.margin for one in label_errors.find(labels, probabilities)]
    assert len(margins) > 3 and margins == sorted(margins) and margins[-1] < 0


def test_class_without_images_is_never_suggested():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.3, 0.0, 0.7]] * 2 + [[0.0, 0.3, 0.7]] * 2)
    assert not label_errors.find(labels, probabilities)


def test_file_names_both_classes_as_they_are(tmp_path):
    rows = tuple(Row(path=f"{n}.png", label="a, b" if n else "c") for n in range(2))
    manifest = Manifest(Path("."), rows, ("a, b", "c"))
    suspect = label_errors.Suspect(
        place=1, suggested=1, of_label=0.25, of_suggested=0.75
    )
    label_errors.save(tmp_path / "found.csv", manifest, [suspect])
    with open(tmp_path / "found.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line == {
        "path": "1.png",
        "label": "a, b",
        "suggested": "c",
        "of_label": "0.250000",
        "of_suggested": "0.750000",
        "margin": "-0.500000",
    }
