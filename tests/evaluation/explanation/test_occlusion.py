"""Occlusion: the probability drops where the patch hides what the class hangs on."""

import numpy as np
import planted
import pytest

from tl_keras.errors import UsageError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.explanation import occlusion

ONE = np.ones((1, 8, 8, 3), np.float32)


def brightness(images):
    """Says "b" as far as the pixel at row 2, column 5 is white."""
    share = np.asarray(images)[:, 2, 5, 0] / 255
    return np.stack([1 - share, share], axis=1)


@pytest.mark.parametrize("make", [planted.classifier, planted.architecture])
def test_peak_lies_in_the_square(make):
    network = make()
    classify = predictions.of_batch(network.model, network.outputs)
    pixels, corners = planted.images()
    maps = occlusion.of_batch(classify)(pixels)
    assert maps.shape == (6, planted.SIDE, planted.SIDE)
    assert all(planted.inside(maps, corners))
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1)


def test_drop_is_that_of_the_probability():
    found = occlusion.drops(brightness, ONE * 255, patch=1, stride=1)
    expected = np.zeros((8, 8))
    expected[2, 5] = 0.5
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_drop_of_a_place_is_the_mean_over_the_patches_that_cover_it():
    found = occlusion.drops(brightness, ONE * 255, patch=2, stride=1)[0]
    # All four patches of that pixel; two of the four of those beside it.
    assert (found[2, 5], found[2, 4]) == (pytest.approx(0.5), pytest.approx(0.25))


def test_class_that_gains_has_a_negative_drop_and_no_heat():
    classes = np.array([0])
    found = occlusion.drops(brightness, ONE * 255, classes, patch=2, stride=2)
    assert found.min() == pytest.approx(-0.5) and found.max() == 0
    assert not occlusion.of_batch(brightness)(ONE * 255, classes).any()


@pytest.mark.parametrize("patch, stride", [(3, 2), (5, 4), (8, 1), (2, 2)])
def test_patches_reach_every_edge(patch, stride):
    hidden = []

    def classify(images):
        hidden.append(np.asarray(images)[..., 0] == occlusion.GREY)
        return np.ones((len(images), 1))

    occlusion.drops(classify, ONE, patch=patch, stride=stride)
    seen = np.concatenate(hidden).any(axis=0)
    assert seen[0, 0] and seen[0, -1] and seen[-1, 0] and seen[-1, -1]


def test_work_is_done_in_batches():
    sizes = []

    def classify(images):
        sizes.append(len(images))
        return np.ones((len(images), 1))

    occlusion.drops(classify, ONE, patch=2, stride=1)
    assert sizes == [1, 32, 17]


@pytest.mark.parametrize(
    "wrong", [{"patch": 9}, {"patch": 0}, {"stride": 0}, {"stride": 6, "patch": 5}]
)
def test_patch_that_does_not_fit_is_refused(wrong):
    with pytest.raises(UsageError, match="must be"):
        occlusion.drops(brightness, ONE, **wrong)
