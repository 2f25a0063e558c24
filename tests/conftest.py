"""What all tests share: small images, a quiet TensorFlow, no silent skips in CI."""

import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from PIL import Image

from tl_keras.backbones import catalogue
from tl_keras.config import Config
from tl_keras.datasets import check, sources
from tl_keras.datasets.split import split

COLOURS = {"blue": (40, 60, 220), "green": (40, 190, 60), "red": (220, 40, 40)}


def pytest_sessionfinish(session, exitstatus):
    """Fails a CI run that skipped a test: there, everything can run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def draw_squares(folder, images=12, colours=None, seed=0):
    """Writes a folder of noisy one-colour pictures, one sub-folder a colour."""
    random = np.random.default_rng(seed)
    for name, colour in (colours or COLOURS).items():
        (folder / name).mkdir(parents=True)
        for index in range(images):
            noise = random.normal(0, 25, (24, 32, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture
def squares(tmp_path):
    """A folder of 12 pictures in each of three colours."""
    return draw_squares(tmp_path / "squares")


def tiny_network(*, num_classes=None, input_shape=(32, 32, 3)):
    """Builds a network of three stages in a few milliseconds."""
    assert num_classes is None
    inputs = x = keras.Input(input_shape)
    for index, filters in enumerate((4, 6, 8), start=1):
        name = f"block{index}_"
        conv = keras.layers.Conv2D(
            filters, 3, 2, padding="same", use_bias=False, name=f"{name}conv"
        )
        x = keras.layers.BatchNormalization(name=f"{name}bn")(conv(x))
        x = keras.layers.ReLU(name=f"{name}relu")(x)
    return keras.Model(inputs, x, name="tiny")


@pytest.fixture
def tiny(monkeypatch):
    """Puts a small backbone named `tiny` into the catalogue."""
    entry = dataclasses.replace(
        catalogue.CATALOGUE["efficientnet_lite0"],
        build=tiny_network,
        image_size=32,
        minimum_size=8,
    )
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", entry)


@pytest.fixture
def backbone(tiny):
    """A small backbone with random weights and random statistics."""
    keras.utils.set_random_seed(1)
    loaded = catalogue.load("tiny", weights=None)
    random = np.random.default_rng(0)
    for layer in loaded.network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights]
            )
    return loaded


@pytest.fixture
def config(tmp_path):
    """A config for `tiny`, quick, with a cache of its own."""
    return Config().override(
        backbone={"name": "tiny", "weights": None, "image_size": 32},
        data={"cache_dir": str(tmp_path / "cache")},
        fine_tune={"epochs": 2, "batch_size": 8},
    )


@pytest.fixture
def manifest(squares):
    """The coloured squares, checked and split."""
    found = check.check(sources.find(squares), "error")
    return split(found, validation=0.2, test=0.2)
