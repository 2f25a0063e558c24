"""Gradual unfreezing: which part trains for how many epochs."""

import dataclasses

import pytest

from tl_keras.config import FineTune
from tl_keras.errors import UsageError
from tl_keras.training import gradual


def steps(backbone, **chosen):
    """Returns boundary and epochs of each part."""
    parts = gradual.steps(backbone, FineTune(gradual=True, **chosen))
    return [(part.unfreeze, part.epochs) for part in parts]


@pytest.mark.parametrize(
    ("unfreeze", "boundaries"),
    [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 2, 3]),
        ("all", [1, 2, "all"]),
        (0.3, [0.3]),
        (0.6, [1, 0.6]),
        ("block2", [1, "block2"]),
        # In the middle of the second stage.
        ("block2_bn", [1, "block2_bn"]),
        ("block3_relu", ["block3_relu"]),
    ],
    ids=str,
)
def test_stages_come_one_by_one_up_to_the_boundary(backbone, unfreeze, boundaries):
    found = steps(backbone, unfreeze=unfreeze, epochs=6)
    assert [boundary for boundary, _ in found] == boundaries


@pytest.mark.parametrize(
    ("epochs", "shares"), [(6, [2, 2, 2]), (8, [2, 2, 4]), (3, [1, 1, 1])]
)
def test_parts_share_the_epochs_and_the_last_takes_the_rest(backbone, epochs, shares):
    found = steps(backbone, unfreeze=3, epochs=epochs)
    assert [epochs for _, epochs in found] == shares


def test_every_part_has_an_epoch(backbone):
    assert steps(backbone, unfreeze=3, epochs=1) == [(1, 1), (2, 1), (3, 1)]


def test_phase_that_is_not_gradual_has_one_part(backbone):
    phase = FineTune(unfreeze=3)
    assert gradual.steps(backbone, phase) == (phase,)


@pytest.mark.parametrize("nothing", [{"unfreeze": 0}, {"epochs": 0}])
@pytest.mark.parametrize("gradually", [True, False])
def test_where_nothing_trains_there_is_no_part(backbone, nothing, gradually):
    phase = FineTune(gradual=gradually, **nothing)
    assert gradual.steps(backbone, phase) == ()
    assert not gradual.trains(phase)


def test_images_grow_in_the_last_part_only(backbone):
    phase = FineTune(epochs=6, gradual=True, unfreeze="all", start_size=16)
    found = gradual.steps(backbone, phase)
    assert [part.start_size for part in found] == [None, None, 16]


def test_parts_keep_all_other_settings(backbone):
    phase = FineTune(
        epochs=6, gradual=True, unfreeze=2, learning_rate=0.5, layer_decay=0.7
    )
    for part in gradual.steps(backbone, phase):
        same = dataclasses.replace(part, unfreeze=2, epochs=phase.epochs)
        assert same == phase


def test_boundary_that_is_not_there_is_refused(backbone):
    with pytest.raises(UsageError, match="must be 0 to 3 stages"):
        steps(backbone, unfreeze=4)
