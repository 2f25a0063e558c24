"""Deals images out to training, validation and test, or to folds."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tl_keras.datasets.manifest import SPLITS, UNUSED, Manifest, Row, natural_key
from tl_keras.datasets.sources.given import HELD_OUT, require_classes
from tl_keras.errors import DataError
from tl_keras.fields import require
from tl_keras.progress import say
from tl_keras.sections import Data

# The order in which splits that lack a class get one: nothing without training.
STAND_INS = ("train", "test", "validation")


def deal(manifest: Manifest, data: Data, *, tell: bool = True) -> Manifest:
    """Gives every image its split, as the config wants it.

    Args:
        manifest: The checked images.
        data: Shares, seed, and how many images of each class train.
        tell: Whether to say what is dealt where the source gives splits.

    Raises:
        DataError: If a class has too few images.
    """
    shares = {"validation": data.validation, "test": data.test}
    dealt = split(manifest, **shares, seed=data.split_seed, tell=tell)
    if data.few_shot is None:
        return dealt
    return few_shot(dealt, data.few_shot, data.split_seed)


def split(
    manifest: Manifest,
    *,
    validation: float,
    test: float,
    seed: int = 0,
    tell: bool = True,
) -> Manifest:
    """Gives every image its split, by a hash of its group or its pixels.

    What is dealt is a unit: a group of images, or a picture with its copies. The hash
    is a fixed number in [0, 1) for each unit: the lowest go to test, the next to
    validation, the others to training. So a unit stays together, and adding images
    moves none of the old ones. The shares are met on average, not to the image. One
    exception keeps small classes usable: where a class would have no image in a split,
    the nearest unit stands in for it, and steps back when one arrives whose hash
    belongs there.

    Splits that the source gives are kept. One that it does not give is dealt out of
    the training images, by the same hash; an image without a split goes to its
    unit's side, else to what is dealt.

    Args:
        manifest: The checked images.
        validation: Share of the images that are dealt, in [0, 1).
        test: Share of the images that are dealt, in (0, 1).
        seed: Another seed deals the images out differently.
        tell: Whether to say what is dealt where the source gives splits.

    Returns:
        The same rows with their split.

    Raises:
        UsageError: If a share is out of its range.
        DataError: If a class has fewer different units than there are splits, or the
            given splits lack classes.
    """
    require(0 <= validation < 1, "validation", "in [0, 1)", validation)
    require(0 < test < 1, "test", "between 0 and 1", test)
    require(validation + test < 1, "validation + test", "below 1", validation + test)
    require_classes(manifest)
    fixed = {_unit(row): row.split for row in manifest.rows if row.split in HELD_OUT}
    given = {row.split for row in manifest.rows}
    free = [row for row in manifest.rows if _is_free(row, fixed)]
    if not free:
        raise DataError(f"{manifest.root} has no training images in its splits.")
    shares = {"validation": validation, "test": test}
    shares = {name: 0 if name in given else share for name, share in shares.items()}
    if tell:
        _say_what_is_dealt(given, shares)
    dealt = _Dealer(shares, seed).deal(manifest, free)

    def name(row: Row) -> str:
        if row.split in (*HELD_OUT, UNUSED):
            return row.split
        return dealt[_unit(row)] if _is_free(row, fixed) else fixed[_unit(row)]

    return manifest.with_rows(replace(row, split=name(row)) for row in manifest.rows)


def few_shot(manifest: Manifest, n: int, seed: int = 0) -> Manifest:
    """Keeps `n` training images of each class, different pictures of lowest hash.

    The other training images become `unused`; validation and test stay as they are.
    With several labels an image, each class chooses its own, so that one may end up
    with more.

    Args:
        manifest: The images with their splits.
        n: Training images of each class.
        seed: Another seed chooses other images.

    Raises:
        DataError: If a class has fewer different training images.
    """
    require(n >= 1, "data.few_shot", "at least 1", n)
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in manifest.split("train").rows:
        for label in manifest.classes_of(row):
            found[label].setdefault(row.pixels or row.path, row)
    chosen = set()
    for label in sorted(found, key=natural_key):
        order = sorted(found[label], key=lambda picture: _fraction(picture, seed))
        if len(order) < n:
            raise DataError(
                f"Class {label!r} has {len(order)} different training images: "
                f"data.few_shot can be at most that. Received: {n}"
            )
        chosen.update(found[label][picture].path for picture in order[:n])
    return manifest.with_rows(
        replace(row, split=UNUSED)
        if row.split == "train" and row.path not in chosen
        else row
        for row in manifest.rows
    )


def folds(manifest: Manifest, k: int, seed: int = 0) -> list[Manifest]:
    """Returns `k` splits into training and test: each unit is in one test.

    Units of the same classes are dealt out in turn, in the order of their hash: of a
    class whose units are single pictures, any two folds differ by one at most. Splits
    that the source gives have no effect.

    Args:
        manifest: The checked images.
        k: Number of folds, at least 2.
        seed: Another seed deals the images out differently.

    Raises:
        UsageError: If `k` is less than 2.
        DataError: If a class has fewer units than there are folds.
    """
    require(k >= 2, "k", "at least 2", k)
    units = _classes_by_unit(manifest, manifest.rows)
    for label, count in Counter(c for found in units.values() for c in found).items():
        if count < k:
            raise DataError(
                f"Class {label!r} has {count} {_what(manifest.rows)}: {k} folds "
                f"need {k}."
            )
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for unit in sorted(units, key=lambda unit: _fraction(unit, seed)):
        strata[tuple(sorted(units[unit]))].append(unit)
    # The turn goes on from class to class, so that the folds are of one size.
    order = [unit for stratum in sorted(strata) for unit in strata[stratum]]
    fold = {unit: place % k for place, unit in enumerate(order)}
    return [
        manifest.with_rows(
            replace(row, split="test" if fold[_unit(row)] == number else "train")
            for row in manifest.rows
        )
        for number in range(k)
    ]


@dataclass
class _Dealer:
    """Deals units out.

    Attributes:
        shares: Of validation and test; 0 deals none.
        seed: Another seed deals them out differently.
        names: The split of each unit.
        classes: Of each unit.
        units: Of each class.
        counts: Units of each class in each split.
        what: What the units are, for messages.
    """

    shares: dict[str, float]
    seed: int
    names: dict[str, str] = field(default_factory=dict)
    classes: dict[str, set[str]] = field(default_factory=dict)
    units: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    what: str = ""

    def deal(self, manifest: Manifest, rows: list[Row]) -> dict[str, str]:
        """Returns the split of the rows' units."""
        self.classes = _classes_by_unit(manifest, rows)
        self.what = _what(rows)
        for unit, classes in self.classes.items():
            self.names[unit] = self._by_hash(unit)
            for label in classes:
                self.units[label].append(unit)
                self.counts[label][self.names[unit]] += 1
        # The order decides who stands in, and must not depend on the rows' order.
        for label in sorted(self.units, key=natural_key):
            self._stand_in(label)
        return self.names

    def _by_hash(self, unit: str) -> str:
        """Returns the split that a unit's hash belongs to."""
        fraction, test = _fraction(unit, self.seed), self.shares["test"]
        if fraction < test:
            return "test"
        return "validation" if fraction < test + self.shares["validation"] else "train"

    def _stand_in(self, label: str) -> None:
        """Moves a unit into each split that has none of a class.

        Raises:
            DataError: If the class has too few, or all are needed where they are.
        """
        wanted = [name for name in SPLITS if self.shares.get(name, True)]
        units, counts = self.units[label], self.counts[label]
        if len(units) < len(wanted):
            raise DataError(
                f"Class {label!r} has {len(units)} {self.what}. At least "
                f"{len(wanted)} are needed: one each for {', '.join(wanted)}."
            )
        for name in STAND_INS:
            if counts[name] or name not in wanted:
                continue
            order = sorted(units, key=lambda unit: _fraction(unit, self.seed))
            # Training is where the hash is highest.
            order = order[::-1] if name == "train" else order
            spare = next((unit for unit in order if self._is_spare(unit)), None)
            if spare is None:
                raise DataError(
                    f"Class {label!r} gets no image in {name}: its images are in "
                    f"groups with those of other classes. Add images, or try another "
                    f"data.split_seed."
                )
            self._move(spare, name)

    def _is_spare(self, unit: str) -> bool:
        """Tells whether all classes of a unit have another one in its split."""
        name = self.names[unit]
        return all(self.counts[label][name] > 1 for label in self.classes[unit])

    def _move(self, unit: str, name: str) -> None:
        """Moves a unit to another split."""
        for label in self.classes[unit]:
            self.counts[label][self.names[unit]] -= 1
            self.counts[label][name] += 1
        self.names[unit] = name


def _unit(row: Row) -> str:
    """Returns what a row is dealt with: its group, or its picture."""
    return row.group or row.pixels or row.path


def _what(rows: Iterable[Row]) -> str:
    """Returns what the rows' units are called."""
    grouped = any(row.group for row in rows)
    return "groups of images" if grouped else "different images"


def _fraction(unit: str, seed: int) -> float:
    """Returns a number in [0, 1) that depends on the unit and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{unit}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _is_free(row: Row, fixed: dict[str, str]) -> bool:
    """Tells whether a row may be dealt: in training, or nowhere yet."""
    return row.split == "train" or (not row.split and _unit(row) not in fixed)


def _classes_by_unit(manifest: Manifest, rows: Iterable[Row]) -> dict[str, set[str]]:
    """Returns the classes of each unit."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[_unit(row)].update(manifest.classes_of(row))
    return found


def _say_what_is_dealt(given: set[str], shares: dict[str, float]) -> None:
    """Says what the source does not give where it gives something."""
    missing = {name: share for name, share in shares.items() if share}
    if missing and given & {*HELD_OUT, "train"}:
        parts = " and ".join(f"{share:.0%} for {n}" for n, share in missing.items())
        say(f"Of the source's training images are taken: {parts}")
