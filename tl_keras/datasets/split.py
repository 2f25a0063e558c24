"""Deals images out to training, validation and test."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace

from tl_keras.datasets.manifest import SPLITS, Manifest, Row
from tl_keras.errors import DataError


def split(
    manifest: Manifest, *, validation: float, test: float, seed: int = 0
) -> Manifest:
    """Gives every image its split, by a hash of its pixels.

    The hash is a fixed number in [0, 1) for each picture: the lowest go to test, the
    next to validation, the others to training, class by class. So copies of a
    picture stay together, and adding images moves none of the old ones. The shares
    are met on average, not to the image. One exception keeps small classes usable:
    where a class would have no image in a split, the nearest picture stands in for
    it, and steps back when a picture arrives whose hash belongs there.

    Args:
        manifest: The checked images.
        validation: Share of the images, in [0, 1).
        test: Share of the images, in (0, 1).
        seed: Another seed deals the images out differently.

    Returns:
        The same rows with their split.

    Raises:
        DataError: If a class has fewer different pictures than there are splits.
    """
    wanted = SPLITS if validation else ("train", "test")
    dealt: dict[str, str] = {}
    for label, pictures in _pictures(manifest, seed).items():
        if len(pictures) < len(wanted):
            raise DataError(
                f"Class {label!r} has {len(pictures)} different images. At least "
                f"{len(wanted)} are needed: one each for {', '.join(wanted)}."
            )
        for picture, name in _deal(pictures, validation, test, dealt).items():
            # The same picture under two labels stays where the first class put it.
            dealt.setdefault(picture, name)
    rows = tuple(replace(row, split=dealt[row.pixels]) for row in manifest.rows)
    return manifest.with_rows(rows)


def _pictures(manifest: Manifest, seed: int) -> dict[str, dict[str, float]]:
    """Returns the hash of every different picture, ascending, class by class."""
    pictures: dict[str, dict[str, float]] = defaultdict(dict)
    for row in manifest.rows:
        pictures[row.label][row.pixels] = _fraction(row, seed)
    return {
        label: dict(sorted(found.items(), key=lambda item: item[1]))
        for label, found in pictures.items()
    }


def _fraction(row: Row, seed: int) -> float:
    """Returns a number in [0, 1) that depends on the picture and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{row.pixels}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _deal(
    pictures: dict[str, float], validation: float, test: float, dealt: dict[str, str]
) -> dict[str, str]:
    """Returns each picture's split.

    Args:
        pictures: Hash of each picture of a class, ascending.
        validation: Share.
        test: Share.
        dealt: Splits of pictures that another class has dealt out already.
    """
    names = {
        picture: dealt.get(picture) or _by_hash(fraction, validation, test)
        for picture, fraction in pictures.items()
    }
    free = [picture for picture in pictures if picture not in dealt]
    for missing, order in (("train", free[::-1]), ("test", free), ("validation", free)):
        taken = Counter(names.values())
        spare = [picture for picture in order if taken[names[picture]] > 1]
        if not taken[missing] and spare and (validation or missing != "validation"):
            names[spare[0]] = missing
    return names


def _by_hash(fraction: float, validation: float, test: float) -> str:
    """Returns the split that a hash in [0, 1) belongs to."""
    if fraction < test:
        return "test"
    return "validation" if fraction < test + validation else "train"
