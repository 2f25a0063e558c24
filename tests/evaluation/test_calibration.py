"""Calibration error, reliability bins and the temperature."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from tl_keras.errors import DataError
from tl_keras.evaluation import calibration


def overconfident(kind="multi_class", images=2000, factor=4.0, seed=0):
    """Returns logits that are `factor` times as large as honest ones, and targets."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (images, 1 if kind == "binary" else 4))
    if kind == "multi_class":
        chances = softmax(logits, axis=1).cumsum(axis=1)
        targets = (random.random((images, 1)) > chances).sum(axis=1)
    else:
        targets = (random.random(logits.shape) < expit(logits)).astype(float)
    return factor * logits, targets.ravel() if kind == "binary" else targets


def error(logits, labels):
    """Returns the calibration error of a softmax."""
    rows = softmax(logits, axis=1)
    right = rows.argmax(axis=1) == labels
    return calibration.summary(rows.max(axis=1), right)["ece"]


def test_error_is_the_weighted_distance_of_bins():
    # Two bins: four answers of 0.95 of which two are right, one of 0.3 that is wrong.
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.3])
    right = np.array([True, True, False, False, False])
    found = calibration.summary(confidence, right)
    assert found["ece"] == pytest.approx((4 * 0.45 + 1 * 0.3) / 5)


def test_bins_hold_every_answer_once():
    rows = calibration.bins(np.linspace(0, 1, 301), np.ones(301, bool))
    assert len(rows) == 15 and sum(row["images"] for row in rows) == 301


def test_bin_takes_its_upper_edge_and_not_its_lower():
    rows = calibration.bins(np.array([3 / 15]), np.array([True]))
    assert [row["images"] for row in rows].index(1) == 2


def test_empty_bin_has_no_figures():
    empty = calibration.bins(np.array([0.99]), np.array([True]))[0]
    assert (empty["images"], empty["confidence"], empty["accuracy"]) == (0, None, None)


@pytest.mark.parametrize("kind", ["multi_class", "binary", "multi_label"])
@pytest.mark.parametrize("factor", [0.4, 4.0])
def test_temperature_is_the_factor_of_dishonest_logits(kind, factor):
    logits, targets = overconfident(kind, factor=factor)
    temperature, warnings = calibration.fit(logits, targets, kind)
    assert temperature == pytest.approx(factor, rel=0.1) and warnings == []


def test_temperature_mends_other_images_than_those_it_was_fitted_on():
    temperature, _ = calibration.fit(*overconfident(seed=0), "multi_class")
    logits, labels = overconfident(seed=1)
    assert error(logits / temperature, labels) < 0.3 * error(logits, labels)


def test_few_images_leave_the_probabilities_as_they_are():
    logits, labels = overconfident(images=19)
    temperature, (warning,) = calibration.fit(logits, labels, "multi_class")
    assert temperature == 1 and "19 validation images are too few" in warning


@pytest.mark.parametrize("kind", ["multi_class", "binary", "multi_label"])
def test_answers_that_are_all_right_are_taken_to_be_nearly_always_right(kind):
    logits, _ = overconfident(kind, images=50)
    if kind == "multi_class":
        targets = logits.argmax(axis=1)
        logits = np.eye(4)[targets] + 0.01 * logits
    else:
        logits = np.sign(logits) + 0.01 * logits
        targets = (logits > 0) * 1.0
    temperature, _ = calibration.fit(logits, targets, kind)
    answers = logits.size if kind == "multi_label" else 50
    if kind == "multi_class":
        sure = softmax(logits / temperature, axis=1).max(axis=1)
    else:
        sure = expit(np.abs(logits) / temperature)
    doubt = 1 - sure.mean()
    assert calibration.COLDEST * 1.5 < temperature < calibration.HOTTEST
    assert 0.2 / answers < doubt < 5 / answers


def test_temperature_at_its_bound_is_said():
    logits, labels = overconfident(factor=1e4)
    temperature, (warning,) = calibration.fit(logits, labels, "multi_class")
    assert temperature == pytest.approx(calibration.HOTTEST, rel=0.01)
    assert "lies at the bound" in warning


@pytest.mark.parametrize("kind", ["multi_class", "multi_label"])
def test_probabilities_without_the_temperature_come_back(kind):
    logits, _ = overconfident(factor=2.0)
    function = expit if kind == "multi_label" else lambda x: softmax(x, axis=1)
    found = calibration.without_temperature(function(logits / 1.7), 1.7, kind)
    np.testing.assert_allclose(found, function(logits), rtol=1e-5, atol=1e-6)


def test_sure_probabilities_without_a_temperature_are_numbers():
    sure = np.array([[1.0, 0.0]], np.float32)
    for kind in ("multi_class", "multi_label"):
        assert np.isfinite(calibration.without_temperature(sure, 0.5, kind)).all()


def test_error_before_is_that_of_the_other_confidence():
    right = np.array([True, False])
    found = calibration.summary(
        np.array([0.5, 0.5]), right, temperature=3.0, before=np.array([0.9, 0.9])
    )
    shown = found["ece"], found["ece_before"], found["temperature"]
    assert shown == pytest.approx((0.0, 0.4, 3.0))


@pytest.mark.parametrize("kind", ["multi_class", "binary", "multi_label"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logit_that_is_no_number_is_refused(kind, value):
    logits, targets = overconfident(kind, images=50)
    logits[7, 0] = value
    with pytest.raises(DataError, match="logit of image 7, class 0"):
        calibration.fit(logits, targets, kind)
