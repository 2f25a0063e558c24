"""A study's folder: what it is of, and its parts, each kept when it is finished."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.config import Config
from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import StorageError, UsageError
from tl_keras.fields import require
from tl_keras.files import replacing, storage_errors, write_json, write_text
from tl_keras.progress import say
from tl_keras.run import CONFIG, MANIFEST
from tl_keras.state import versions

STUDY, DONE = "study.json", "done.json"
# Where files lie changes no figure.
PLACES = ("data.cache_dir", "data.data_dir", "cache.store", "cache.engine")


def begin(
    folder: Path,
    kind: str,
    settings: Mapping[str, Any],
    config: Config,
    manifest: Manifest,
    *,
    weights: str = "",
) -> None:
    """Makes a study's folder, or goes on in the one that is there.

    Args:
        folder: `runs/<name>`.
        kind: Name of the command.
        settings: What the study was asked for, JSON's types; finished parts are of no
            use for others.
        config: What is trained and how.
        manifest: All images, without splits.
        weights: Digest of what the network starts from.

    Raises:
        UsageError: If there is something else in the folder: other images, another
            config, other settings, weights or versions of libraries.
        StorageError: If the folder cannot be written or read.
    """
    described = {
        "kind": kind,
        "settings": dict(settings),
        "weights": weights,
        "versions": versions(),
    }
    if folder.exists():
        _require_same(folder, described, config, manifest)
        done = len(list(folder.glob(f"*/*/{DONE}")))
        say(f"Going on in {folder}: finished there are {done} parts")
        return
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_text(temporary / CONFIG, config.to_yaml())
        manifest.save(temporary / MANIFEST)
        write_json(temporary / STUDY, described)


def part(folder: Path, work: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """Does a part of a study, unless it is done.

    A part that was interrupted starts anew: half of one is no figure.

    Args:
        folder: The part's own.
        work: From the folder, new and empty, to what is noted: JSON's types.

    Returns:
        What was noted, and its `seconds`.

    Raises:
        StorageError: If the folder cannot be written, or what is there is damaged.
    """
    if (folder / DONE).is_file():
        return _read(folder / DONE)
    shutil.rmtree(folder, ignore_errors=True)
    with storage_errors(folder):
        folder.mkdir(parents=True)
    started = time.monotonic()
    found = {**work(folder), "seconds": round(time.monotonic() - started, 2)}
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    write_json(folder / DONE, found)
    return found


def array(path: Path, images: int) -> np.ndarray:
    """Reads what a finished part keeps of its test images.

    Args:
        path: The `.npy` file, in the part's folder.
        images: How many rows it has to have.

    Raises:
        StorageError: If it is missing or damaged, or of another number of images.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if found.ndim == 0 or len(found) != images:
            raise ValueError(f"shape {found.shape} for {images} images")
    except (OSError, ValueError, EOFError) as error:
        raise StorageError(
            f"{path} cannot be read: {error!r}. Remove its folder to repeat the part."
        ) from None
    return found


def of_many(config: Config) -> Config:
    """Returns the config of trainings of which many are made.

    Only the head is trained, unless `fine_tune.epochs` is set; and a picture may be in
    two of the source's splits.

    Raises:
        UsageError: If there is a time budget or an export, which are of a single run.
    """
    budget, export = config.time_budget, config.export.folder
    rule = "null: it plans a single run"
    require(budget is None, "time_budget", rule, budget)
    require(export is None, "export.folder", "null: no model is kept", export)
    if config.fine_tune.epochs is None:
        config = config.override(fine_tune={"epochs": 0})
    problems = {"leak": "warn", **config.data.problems}
    return config.override(data={"problems": problems})


def _require_same(
    folder: Path, described: dict[str, Any], config: Config, manifest: Manifest
) -> None:
    """Refuses to go on with what was something else.

    Raises:
        UsageError: If a finished part would be of something else.
    """
    cure = "Choose another --name, or remove the folder."
    if not (folder / STUDY).is_file():
        raise UsageError(f"{folder} exists and holds no {described['kind']}. {cure}")
    found = _read(folder / STUDY)
    before = Config.from_yaml(folder / CONFIG)
    rows = Manifest.load(folder / MANIFEST, manifest.root).rows
    differing = [
        *_differences(found, described),
        *_differences(dataclasses.asdict(before), dataclasses.asdict(config)),
    ]
    differing = [name for name in differing if name not in PLACES]
    differing += ["the images"] if rows != manifest.rows else []
    if differing:
        raise UsageError(
            f"{folder} holds a study with other values of {', '.join(differing)}: its "
            f"finished parts cannot be used. {cure}"
        )


def _differences(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """Yields the names of what differs in nested dicts."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            inner = f"{name}.{key}" if name else key
            yield from _differences(one.get(key), other.get(key), inner)
    elif one != other:
        yield name


def _read(path: Path) -> dict[str, Any]:
    """Reads a study's JSON file.

    Raises:
        StorageError: If it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no names and values")
        return found
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path} cannot be read: {error!r}. Remove it to repeat its part."
        ) from None
