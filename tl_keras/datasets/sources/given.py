"""Splits and groups that come with a source: their names, and what must hold."""

from collections import defaultdict

from tl_keras.datasets.manifest import Manifest
from tl_keras.errors import DataError

HELD_OUT = ("validation", "test")
# As they are found in folders, tables and data sets → as we call them.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "validate": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "tests": "test",
    "testing": "test",
}
NAMED = 5


def standard_name(name: str) -> str | None:
    """Returns our name of a split, or `None` where it is no name of one."""
    return SPLIT_NAMES.get(name.strip().casefold())


def require_classes(manifest: Manifest) -> None:
    """Refuses given splits between which classes are missing.

    A class that training never sees cannot be predicted; one that the test lacks
    would be trained and never be measured. With several labels an image, rare ones
    may be missing from the test.

    Raises:
        DataError: If a class is in one split only.
    """
    classes: dict[str, set[str]] = defaultdict(set)
    for row in manifest.rows:
        # What has no split is dealt out later, training first.
        classes[row.split or "train"].update(manifest.classes_of(row))
    train, test = classes["train"], classes["test"]
    if not train:
        return
    for name in HELD_OUT:
        unseen = classes[name] - train
        if unseen:
            raise DataError(
                f"{manifest.root} has images in {name} of classes that have none in "
                f"train: {_some(unseen)}. Add training images or remove them."
            )
    untested = train - test
    if test and untested and not manifest.multi_label:
        raise DataError(
            f"{manifest.root} has classes without test images: {_some(untested)}. "
            f"Move some there, or give no test split: it is dealt out then."
        )


def require_whole_groups(manifest: Manifest) -> None:
    """Refuses groups that lie on two sides of given splits.

    Raises:
        DataError: If there is one.
    """
    sides: dict[str, set[str]] = defaultdict(set)
    for row in manifest.rows:
        if row.group and row.split:
            sides[row.group].add(row.split)
    torn = {group: names for group, names in sides.items() if len(names) > 1}
    if torn:
        group, names = next(iter(torn.items()))
        raise DataError(
            f"{manifest.root} has groups on both sides of its splits, {len(torn)} in "
            f"all. The first: {group!r} in {' and '.join(sorted(names))}. Move their "
            f"images together, or leave the splits to us."
        )


def _some(names: set[str]) -> str:
    """Returns the first names for a message."""
    shown = ", ".join(sorted(names)[:NAMED])
    return f"{shown}, …" if len(names) > NAMED else shown
