"""How many images each class has, and in which split."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tl_keras.datasets.checking.findings import Problem
from tl_keras.datasets.manifest import SPLITS, UNUSED, Manifest, Row

LOSING = ("error", "skip")


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """The images of one class.

    Attributes:
        name: Of the class.
        images: Images that can be used.
        lost: Files that cannot be used or are left out.
        splits: Images by split; empty where there is no split.
    """

    name: str
    images: int
    lost: int
    splits: dict[str, int]


def by_class(problems: Iterable[Problem], manifest: Manifest) -> tuple[ClassCount, ...]:
    """Returns each class's images, classes that lost all of them at the end."""
    lost: Counter[str] = Counter()
    gone = {one.path: one for one in problems if one.policy in LOSING}
    for one in gone.values():
        lost.update(manifest.classes_of(Row(path=one.path, label=one.label)))
    splits: dict[str, Counter[str]] = defaultdict(Counter)
    for row in manifest.rows:
        for name in manifest.classes_of(row):
            splits[name][row.split] += 1
    names = dict.fromkeys((*manifest.class_names, *lost))
    return tuple(
        ClassCount(
            name=name,
            images=splits[name].total(),
            lost=lost[name],
            splits=_in_order(splits[name]),
        )
        for name in names
    )


def by_split(rows: Iterable[Row]) -> dict[str, int]:
    """Returns the number of images of each split."""
    return _in_order(Counter(row.split for row in rows))


def _in_order(counts: Counter[str]) -> dict[str, int]:
    """Returns counts of splits in the order of training."""
    return {name: counts[name] for name in (*SPLITS, UNUSED) if counts[name]}


def imbalance(classes: Iterable[ClassCount]) -> float | None:
    """Returns how many times the smallest class the largest is.

    Args:
        classes: The classes.

    Returns:
        The ratio, at least 1; `None` where a class has no image.
    """
    counts = [one.images for one in classes]
    return max(counts) / min(counts) if counts and min(counts) else None
