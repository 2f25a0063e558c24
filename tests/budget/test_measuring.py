"""Measuring on a small network: all is measured, and nothing is changed."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tl_keras.architectures import cost
from tl_keras.backbones import catalogue
from tl_keras.budget import measuring
from tl_keras.budget.measuring import Measuring, candidates
from tl_keras.config import Head
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import UsageError
from tl_keras.evaluation import predictions
from tl_keras.training.engines import choice
from tl_keras.training.head import attach


@pytest.fixture
def measure(backbone, manifest, config):
    """Measures with some fields of the config changed."""

    def call(head=None, **changes):
        classifier = attach(backbone, manifest.class_names, head or Head())
        classify = predictions.of_batch(classifier.model, classifier.outputs)
        chosen = config.override(**changes)
        return Measuring(classifier, classify, manifest, chosen).costs()

    return call


def test_everything_is_measured(measure, manifest):
    costs = measure(fine_tune={"unfreeze": 2})
    for split in ("train", "validation", "test"):
        assert getattr(costs, split) == len(manifest.split(split).rows)
    names = ("decode", "features", "forward", "head", "starting", "converting")
    for name in names:
        assert getattr(costs, name) > 0, name
    assert all(cut.prefix < costs.features for cut in costs.cuts)
    first, second = costs.cuts
    assert second.step < first.step and second.check < first.check


def test_measuring_changes_no_weight(backbone, measure):
    before = backbone.network.get_weights()
    measure(fine_tune={"unfreeze": "all"})
    for old, new in zip(before, backbone.network.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_export_costs_several_times_what_the_board_does(measure, tmp_path):
    head = {"fine_tune": {"unfreeze": 0}}
    board = measure(**head).finishing
    exported = measure(**head, export={"folder": str(tmp_path)}).finishing
    assert 0 < board < exported


def test_head_alone_needs_no_cut(measure):
    costs = measure(fine_tune={"unfreeze": 0})
    assert costs.cuts == () and costs.starting == 0


def test_head_that_is_trained_by_epochs_costs_them(measure):
    head = Head(hidden=(4,))
    few, many = (
        measure(head, fine_tune={"unfreeze": 0}, head_phase={"epochs": epochs}).head
        for epochs in (1, 10**9)
    )
    assert many > 100 * few


@pytest.mark.parametrize(
    ("unfreeze", "store", "expected"),
    [("all", "disk", [True, False]), (2, "none", [True, True])],
)
def test_images_that_stream_say_so(measure, unfreeze, store, expected):
    costs = measure(fine_tune={"unfreeze": unfreeze}, cache={"store": store})
    assert [cut.streams for cut in costs.cuts] == expected


def test_batch_that_the_memory_does_not_hold_is_measured_in_pieces(
    measure, monkeypatch
):
    train, sizes = keras.Model.train_on_batch, []

    def narrow(self, inputs, targets):
        sizes.append(len(inputs))
        if len(inputs) > 5:
            raise MemoryError
        return train(self, inputs, targets)

    monkeypatch.setattr(keras.Model, "train_on_batch", narrow)
    (cut,) = measure(fine_tune={"unfreeze": 1, "batch_size": 16}).cuts
    assert cut.step > 0 and sizes[:3] == [16, 8, 4]


def test_boundary_behind_all_work_that_is_counted_costs_its_steps(measure):
    (cut,) = measure(fine_tune={"unfreeze": "block3_relu"}).cuts
    assert cut.step > 0 and cut.check > 0


def test_head_is_measured_though_its_rows_are_all_of_one_class(measure, monkeypatch):
    monkeypatch.setattr(measuring, "SOLVED", 2)
    monkeypatch.setattr(
        Manifest, "targets", lambda self, names: np.zeros(len(self.rows), int)
    )
    assert measure(fine_tune={"unfreeze": 0}).head > 0


@pytest.mark.parametrize(
    ("unfreeze", "found"),
    [
        (1, [(1, "block2_relu")]),
        (2, [(2, "block1_relu"), ("block3", "block2_relu")]),
        ("all", [("all", None), ("block3", "block2_relu")]),
        ("block3_bn", [("block3_bn", "block3_conv")]),
        (0, [(0, "block3_relu")]),
    ],
    ids=str,
)
def test_boundaries_halve_from_the_asked_one_to_the_last_block(
    backbone, unfreeze, found
):
    assert candidates(backbone, unfreeze) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "resnet50", "mobilenet_v2", "densenet121"]
)
def test_every_boundary_is_one_of_the_config(name):
    network = catalogue.load(name, weights=None, image_size=64)
    found = candidates(network, "all")
    places = [network.place_of_cut(unfreeze) for unfreeze, _ in found]
    assert places == sorted(set(places))
    for unfreeze, end in found:
        assert network.last_frozen(unfreeze) == end


def test_network_whose_work_cannot_be_counted_is_planned_by_its_layers(
    measure, monkeypatch
):
    def refuse(network):
        raise UsageError("unknown")

    monkeypatch.setattr(cost, "per_layer", refuse)
    costs = measure(fine_tune={"unfreeze": 2})
    shares = [cut.prefix / costs.features for cut in costs.cuts]
    # Ten layers with the input, three a block.
    assert shares == pytest.approx([0.4, 0.7])


def test_remembered_choices_lie_where_the_cache_looks_for_them(
    measure, config, monkeypatch
):
    noted = []
    choose = choice.choose

    def note(model, sample, **options):
        noted.append(options["folder"])
        return choose(model, sample, **options)

    monkeypatch.setattr(choice, "choose", note)
    measure()
    assert noted == [Path(config.data.cache_dir) / "engines"]
