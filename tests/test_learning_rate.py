"""The rate finder on labelled images: what it reads, what it leaves, what it draws."""

import csv

import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras import learning_rate, pipeline
from tl_keras.errors import UsageError
from tl_keras.training import finder, phases
from tl_keras.training.engines import choice


def find(squares, config, **changes):
    changes = {"steps": 20, **changes}
    return tl.find_learning_rate(squares, config=config, **changes)


def test_rates_of_fine_tuning_are_found_on_images(squares, config):
    found = find(squares, config)
    assert len(found.rates) == 20
    assert 1e-6 < found.suggestion < 1.0


def count_computed(monkeypatch):
    """Counts the engines that are made: without one, nothing is computed."""
    made = []
    choose = choice.choose

    def note(*arguments, **options):
        made.append(1)
        return choose(*arguments, **options)

    monkeypatch.setattr(choice, "choose", note)
    return made


def test_training_behind_it_computes_no_feature_again(
    squares, config, tmp_path, monkeypatch
):
    made = count_computed(monkeypatch)
    find(squares, config)
    assert made
    made.clear()
    find(squares, config)
    pipeline.train(squares, config=config, runs=tmp_path / "runs")
    assert not made


def test_fine_tuning_starts_from_the_solved_head(squares, config, monkeypatch):
    order = []
    train_head, range_test = phases.train_head, finder.range_test

    def head(classifier, *others):
        history = train_head(classifier, *others)
        order.append(classifier.head.get_layer("logits").get_weights()[0])
        return history

    def test(model, *others, **options):
        order.append(model.get_weights()[-2])
        return range_test(model, *others, **options)

    monkeypatch.setattr(phases, "train_head", head)
    monkeypatch.setattr(finder, "range_test", test)
    find(squares, config)
    solved, tested = order
    np.testing.assert_array_equal(tested, solved)


def test_test_reads_every_view_that_training_reads(squares, config, monkeypatch):
    noted = []
    range_test = finder.range_test

    def note(model, train, **options):
        noted.append(train)
        return range_test(model, train, **options)

    monkeypatch.setattr(finder, "range_test", note)
    find(squares, config, augment={"views": 3})
    assert len(noted[0].views) == 3


def test_head_that_is_trained_by_epochs_has_a_rate(squares, config):
    solver = {"solver": "gradient", "batch_size": 8}
    found = find(squares, config, phase="head", head_phase=solver)
    assert found.suggestion > 0


def test_solved_head_has_none_and_is_refused_with_the_cure(squares, config):
    with pytest.raises(UsageError, match="set head_phase.solver to gradient"):
        find(squares, config, phase="head")


@pytest.mark.slow
def test_whole_network_is_tested_on_images(squares, config):
    assert find(squares, config, fine_tune={"unfreeze": "all"}).suggestion > 0


@pytest.mark.slow
def test_network_from_random_weights_is_tested_too(squares, config):
    changes = {"scratch": "lenet5", "augment": {"policy": "none"}}
    assert find(squares, config, **changes).suggestion > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lowest": 1.0, "highest": 0.1}, "must rise from above 0. Received: 1 to 0.1"),
        ({"steps": 3}, "`steps` must be at least 20"),
        ({"phase": "tail"}, "`phase` must be fine_tune or head. Received: 'tail'"),
        ({"fine_tune": {"unfreeze": 0}}, "There is no fine-tuning"),
    ],
    ids=str,
)
def test_wrong_setting_is_refused_before_the_images_are_read(config, changes, said):
    with pytest.raises(UsageError, match=said):
        find("no/such/folder", config, **changes)


def test_picture_and_points_are_written(tmp_path):
    rates = np.geomspace(1e-6, 1, 30).tolist()
    losses = [1.0] * 15 + [0.8] * 10 + [0.9, 1.5, 2.0, 3.0, float("inf")]
    found = finder.judge(rates, losses, [1.0] * 30)
    table = learning_rate.save(found, tmp_path / "rates.png")
    assert Image.open(tmp_path / "rates.png").width > 500
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert table.name == "rates.csv" and len(rows) == 30
    assert [float(row["loss"]) for row in rows] == losses
