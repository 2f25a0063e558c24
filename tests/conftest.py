"""What all tests share: small images, a quiet TensorFlow, no silent skips in CI."""

import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from PIL import Image

from tl_keras import pipeline
from tl_keras.backbones import catalogue
from tl_keras.config import Config
from tl_keras.datasets import sources
from tl_keras.datasets.checking import check, children
from tl_keras.datasets.split import split
from tl_keras.sections import Data

COLOURS = {"blue": (40, 60, 220), "green": (40, 190, 60), "red": (220, 40, 40)}


def pytest_sessionfinish(session, exitstatus):
    """Fails a CI run that skipped a test: there, everything can run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    # The processes that share the tests have no reporter: theirs is the one above them.
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
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


@pytest.fixture(scope="session", autouse=True)
def examiners():
    """Keeps the processes that examine files from one check to the next."""
    idle = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            children, "hire", lambda: idle.pop() if idle else children.Child()
        )
        patch.setattr(children, "dismiss", idle.append)
        yield
    for child in idle:
        child.end()


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


@pytest.fixture(scope="session", autouse=True)
def tiny():
    """Puts a small backbone named `tiny` into the catalogue."""
    entry = dataclasses.replace(
        catalogue.CATALOGUE["efficientnet_lite0"],
        build=tiny_network,
        image_size=32,
        minimum_size=8,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue.CATALOGUE, "tiny", entry)
        yield


@pytest.fixture
def backbone():
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


def tiny_config(cache_dir):
    """Returns a quick config for `tiny`."""
    return Config().override(
        backbone={"name": "tiny", "weights": None, "image_size": 32},
        data={"cache_dir": str(cache_dir), "validation": 0.2, "test": 0.2},
        # Eight features of a random network are few: let them speak.
        head_phase={"l2": 0.01},
        augment={"views": 4},
        fine_tune={"epochs": 2, "batch_size": 8},
    )


@pytest.fixture
def config(tmp_path):
    """A quick config with a cache of its own."""
    return tiny_config(tmp_path / "cache")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run on coloured squares; tests read it, and copy it to change it."""
    folder = tmp_path_factory.mktemp("trained")
    return pipeline.train(
        draw_squares(folder / "squares", images=20),
        config=tiny_config(folder / "cache"),
        name="run",
        runs=folder / "runs",
    )


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """The folder of an export of `trained`; tests copy it to change it."""
    return trained.export(tmp_path_factory.mktemp("exported") / "squares").path.parent


@pytest.fixture
def red(trained):
    """A red picture of those that `trained` was trained on."""
    return trained.manifest.root / "red" / "0.png"


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    """Coloured squares, checked and split; tests read them and change nothing."""
    folder = draw_squares(tmp_path_factory.mktemp("manifest") / "squares")
    data = Data(cache_dir=str(folder.parent / "cache"))
    checked = check.check(sources.find(folder), data).usable()
    return split(checked, validation=0.2, test=0.2)
