"""Each kind of source through the whole chain, on a small network."""

import numpy as np
import pytest
from conftest import draw_squares, tiny_config

import tl_keras as tl
from tl_keras import pipeline

pytestmark = pytest.mark.slow

NAMES = ("dark", "middle", "bright")


@pytest.fixture
def train(config, tmp_path):
    """Trains with some fields of the config changed."""

    def call(source, **changes):
        return pipeline.train(
            source, config=config, name="run", runs=tmp_path / "runs", **changes
        )

    return call


def arrays(images=20):
    """Returns noise in three brightnesses, and its class indices."""
    labels = np.arange(3 * images) % 3
    noise = np.random.default_rng(0).normal(0, 20, (len(labels), 24, 24, 3))
    pixels = 40 + 80 * labels[:, None, None, None] + noise
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def on_arrays(tmp_path_factory):
    """A run on arrays whose classes have an order of their own."""
    folder = tmp_path_factory.mktemp("arrays")
    images, labels = arrays()
    return pipeline.train(
        {"images": images, "labels": labels, "class_names": NAMES},
        config=tiny_config(folder / "cache"),
        name="run",
        runs=folder / "runs",
    )


def test_arrays_are_told_apart(on_arrays):
    assert on_arrays.metrics["accuracy"] > 0.8


def test_run_on_arrays_is_named_in_short(on_arrays):
    assert on_arrays.state.source == "arrays"


def test_run_on_arrays_is_loaded_with_the_order_of_their_classes(on_arrays):
    assert tl.load(on_arrays.folder).class_names == NAMES


def test_run_is_evaluated_on_arrays(on_arrays):
    images, labels = arrays()
    given = {"images": images, "labels": labels, "class_names": NAMES}
    assert tl.evaluate(on_arrays, given)["accuracy"] > 0.8


def test_order_of_the_classes_survives_the_run_folder_and_the_export(
    train, squares, tmp_path
):
    order = ["red", "blue", "green"]
    run = train(squares, data={"classes": order})
    export = run.export(tmp_path / "export")
    assert (export.path / "labels.txt").read_text().split() == order
    assert tl.load(run.folder).predict([squares / "red" / "0.png"])[0].label == "red"


def test_splits_of_a_folder_are_those_of_the_run(train, tmp_path):
    for seed, name in enumerate(("train", "val", "test")):
        draw_squares(tmp_path / "parts" / name, images=8, seed=seed)
    run = train(tmp_path / "parts")
    wrong = [
        row
        for row in run.manifest.rows
        if not row.path.startswith(row.split.removesuffix("idation"))
    ]
    assert not wrong


def test_few_shots_alone_are_trained_on(train, squares):
    run = train(squares, data={"few_shot": 3})
    assert run.manifest.split("train").counts() == {"red": 3, "green": 3, "blue": 3}
    assert run.metrics["images"] == len(run.manifest.split("test").rows)


def test_groups_are_on_one_side_in_the_run(train, squares):
    run = train(squares, data={"group_by": r"/(\d+)\."})
    sides = {}
    for row in run.manifest.rows:
        sides.setdefault(row.group, set()).add(row.split)
    assert len(sides) == 12
    assert all(len(found) == 1 for found in sides.values())
