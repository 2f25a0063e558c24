"""Thresholds for "don't know": what they buy, and when there is none."""

import numpy as np
import pytest

from tl_keras.errors import DataError
from tl_keras.evaluation import abstention

# Of 100 answers the surer ones are right more often: all above 0.75.
CONFIDENCE = np.linspace(0.505, 1.0, 100)
RIGHT = (CONFIDENCE > 0.75) | (np.arange(100) % 2 == 0)


def kept(threshold):
    """Returns coverage and accuracy at a threshold."""
    known = CONFIDENCE.astype(np.float32) >= np.float32(threshold)
    return known.mean(), RIGHT[known].mean()


def test_threshold_is_the_lowest_that_reaches_the_accuracy():
    threshold = abstention.choose(CONFIDENCE, RIGHT, 0.9)
    coverage, accuracy = kept(threshold)
    sure = np.sort(CONFIDENCE)[::-1]
    more = [RIGHT[CONFIDENCE >= low].mean() for low in sure if low < threshold]
    assert accuracy >= 0.9 and coverage > 0.5 and max(more) < 0.9


def test_no_image_stands_on_the_threshold():
    threshold = abstention.choose(CONFIDENCE, RIGHT, 0.9)
    assert np.abs(CONFIDENCE - threshold).min() > 1e-3


def test_threshold_of_what_is_right_enough_already_is_0():
    assert abstention.choose(CONFIDENCE, RIGHT, 0.5) == 0.0


def test_accuracy_that_is_never_reached_has_no_threshold():
    assert abstention.choose(CONFIDENCE, np.zeros(100, bool), 0.5) is None


def test_threshold_that_would_keep_fewer_than_ten_images_is_not_taken():
    right = CONFIDENCE > np.sort(CONFIDENCE)[-10]
    assert right.sum() == 9
    assert abstention.choose(CONFIDENCE, right, 0.99) is None


def test_equal_confidences_stay_or_go_together():
    confidence = np.repeat([0.6, 0.9], 20)
    right = np.repeat([False, True], 20)
    assert abstention.choose(confidence, right, 1.0) == pytest.approx(0.75)


def test_neighbouring_float32_confidences_are_told_apart():
    high = np.float32(0.9)
    low = np.nextafter(high, np.float32(0))
    confidence = np.repeat([low, high], 20)
    right = np.repeat([False, True], 20)
    assert abstention.choose(confidence, right, 1.0) == float(high)


def test_curve_goes_from_all_images_to_the_surest():
    found = abstention.curve(CONFIDENCE, RIGHT)
    assert found[0]["coverage"] == 1.0 and found[-1]["coverage"] == 0.01
    assert found[0]["accuracy"] == pytest.approx(RIGHT.mean())


def test_point_of_the_curve_is_what_its_threshold_keeps():
    point = abstention.curve(CONFIDENCE, RIGHT)[30]
    known = CONFIDENCE >= point["threshold"]
    shown = point["coverage"], point["accuracy"]
    assert shown == pytest.approx((known.mean(), RIGHT[known].mean()))


def test_curve_of_many_images_has_a_hundred_points():
    confidence = np.random.default_rng(0).random(5000)
    assert len(abstention.curve(confidence, confidence > 0.3)) == 100


def test_summary_without_a_threshold_has_only_the_curve():
    found = abstention.summary(CONFIDENCE, RIGHT, np.ones(100, bool), None)
    assert [found[name] for name in ("threshold", "coverage", "accuracy")] == [None] * 3


def test_summary_of_no_known_image_has_no_accuracy():
    found = abstention.summary(CONFIDENCE, RIGHT, np.zeros(100, bool), 1.0)
    assert (found["coverage"], found["accuracy"]) == (0.0, None)


def two_classes():
    """Returns 100 answers of each of two classes; only the second is often wrong."""
    sure = np.tile(np.linspace(0.51, 0.99, 100), 2)
    rows = np.where(
        np.arange(200)[:, np.newaxis] < 100,
        sure[:, np.newaxis],
        1 - sure[:, np.newaxis],
    )
    rows = np.concatenate([rows, 1 - rows], axis=1)
    targets = np.repeat([0, 1], 100)
    wrong = (np.arange(200) >= 100) & (sure < 0.8)
    return rows, np.where(wrong, 0, targets)


def fit(rows, targets, kind="multi_class", per_class=True, target=0.98):
    """Chooses thresholds of two classes."""
    return abstention.fit(
        rows, targets, ("a", "b"), target=target, per_class=per_class, kind=kind
    )


def test_each_class_gets_the_threshold_that_it_needs():
    found, warnings = fit(*two_classes())
    assert found["a"] == 0.0 and 0.7 < found["b"] < 0.8 and warnings == []


def test_class_without_a_threshold_of_its_own_takes_that_of_all_and_it_is_said():
    rows, targets = two_classes()
    rows, targets = rows[:105], targets[:105]
    found, (warning,) = fit(rows, targets, target=0.96)
    common, _ = fit(rows, targets, per_class=False, target=0.96)
    assert found["b"] == common and "for 'b': the threshold of all" in warning


def test_target_out_of_reach_sets_no_threshold_and_it_is_said():
    rows, targets = two_classes()
    found, (warning,) = fit(rows, 1 - targets, per_class=False)
    assert found is None and "No threshold reaches an accuracy of 0.98" in warning


def test_labels_each_get_the_threshold_that_they_need():
    first = np.linspace(0.01, 0.99, 200)
    rows = np.stack([first, first[::-1]], axis=1)
    targets = rows > 0.5
    # The second label is wrong wherever it is not sure.
    targets[:, 1] ^= np.abs(rows[:, 1] - 0.5) < 0.2
    found, _ = fit(rows, targets * 1.0, kind="multi_label", target=1.0)
    assert found["a"] == 0.0 and found["b"] == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("per_class", [False, True])
def test_probability_that_is_no_number_is_refused(per_class):
    rows = np.tile([0.9, 0.1], (50, 1))
    rows[3] = np.nan
    with pytest.raises(DataError, match="probability of image 3, class 0"):
        abstention.fit(
            rows,
            np.zeros(50, int),
            ("a", "b"),
            target=0.9,
            per_class=per_class,
            kind="multi_class",
        )
