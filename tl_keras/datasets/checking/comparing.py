"""Compares the usable images of a source with one another."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tl_keras.datasets.checking import duplicates
from tl_keras.datasets.checking.findings import Problem
from tl_keras.datasets.checking.problems import KINDS, policy
from tl_keras.datasets.checking.store import Store
from tl_keras.datasets.manifest import SPLITS, Manifest, Row
from tl_keras.sections import Data

Groups = list[list[int]]
THUMBNAIL_BYTES = 16 * 16 * 3


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the comparison of some rows gave: positions of rows.

    Attributes:
        copies: Rows with equal pixels, two or more each.
        look_alikes: Rows that nearly agree, with their copies, two or more each.
    """

    copies: Groups
    look_alikes: Groups

    @property
    def same(self) -> Groups:
        """Rows that are copies or look-alikes of one another, two or more each."""
        members = [one for group in self.copies + self.look_alikes for one in group]
        sets = duplicates.Sets(max(members, default=-1) + 1)
        for group in self.copies + self.look_alikes:
            for one in group[1:]:
                sets.join(group[0], one)
        return sets.groups()


def compare(
    rows: Sequence[Row], hashes: Sequence[int], blank: set[int], store: Store | None
) -> Comparison:
    """Finds copies and look-alikes.

    Args:
        rows: The images.
        hashes: Perceptual hash of each.
        blank: Positions of images of one colour, which look like all others.
        store: Holds the thumbnails; `None` looks for no look-alikes.
    """
    copies = duplicates.equal(row.pixels for row in rows)
    if store is None:
        return Comparison(copies=copies, look_alikes=[])
    members = {group[0]: group for group in copies}
    others = {one for group in copies for one in group[1:]} | blank
    single = [one for one in range(len(rows)) if one not in others]

    def thumbnails(positions: Sequence[int]) -> np.ndarray:
        """Returns thumbnails, zeros for one that the store has lost."""
        paths = (rows[single[position]].path for position in positions)
        found = (one or bytes(THUMBNAIL_BYTES) for one in store.thumbnails(paths))
        joined = np.frombuffer(b"".join(found), np.uint8)
        return joined.reshape(-1, THUMBNAIL_BYTES)

    values = np.array([hashes[one] for one in single], np.uint64)
    linked = duplicates.look_alikes(values, thumbnails)
    alike = [
        sorted(
            one
            for place in group
            for one in members.get(single[place], [single[place]])
        )
        for group in linked
    ]
    return Comparison(copies=copies, look_alikes=alike)


def conflicts(manifest: Manifest, copies: Groups) -> Groups:
    """Returns the copies that have different labels."""
    rows = manifest.rows
    return [
        group
        for group in copies
        if len({frozenset(manifest.classes_of(rows[one])) for one in group}) > 1
    ]


def problems(
    manifest: Manifest, comparison: Comparison, data: Data
) -> dict[int, list[Problem]]:
    """Returns what is wrong with rows when they are compared, by position.

    Of a picture with different labels every copy is named: nobody knows which is
    right. Of a picture in two splits the copies in training are named, or those in
    validation where there are none.
    """
    rows, found = manifest.rows, defaultdict(list)
    for group in conflicts(manifest, comparison.copies):
        for one in group:
            other = next(o for o in group if rows[o].label != rows[one].label)
            detail = f"{rows[other].path} ({rows[other].label})"
            found[one].append(_problem(rows[one], "conflict", detail, data))
    for group in comparison.same:
        sides = [SPLITS.index(rows[o].split) for o in group if rows[o].split in SPLITS]
        for one in group:
            split = rows[one].split
            if split in SPLITS and SPLITS.index(split) < max(sides):
                kept = next(o for o in group if rows[o].split == SPLITS[max(sides)])
                detail = f"{rows[kept].path} ({rows[kept].split})"
                found[one].append(_problem(rows[one], "leak", detail, data))
    return dict(found)


def _problem(row: Row, kind: str, detail: str, data: Data) -> Problem:
    """Returns a problem of a row."""
    return Problem(
        path=row.path,
        label=row.label,
        kind=kind,
        reason=KINDS[kind].reason(detail),
        policy=policy(kind, data),
    )


def with_groups(rows: Sequence[Row], same: Groups) -> list[Row]:
    """Gives all rows that are connected one group.

    Connected are rows of one of the user's groups, copies, and look-alikes. A set
    takes the smallest of the user's names in it. Without one, a set of copies needs
    no name, for their pixels are one; others are named for the pixels of their largest
    picture. That is the side that this picture has alone: smaller look-alikes that are
    added later follow it.

    Args:
        rows: With the user's groups.
        same: Positions of copies and look-alikes.
    """
    sets = duplicates.Sets(len(rows))
    named = duplicates.equal(row.group or f"\0{one}" for one, row in enumerate(rows))
    for group in named + same:
        for one in group[1:]:
            sets.join(group[0], one)
    result = list(rows)
    for group in sets.groups():
        name = _name([rows[one] for one in group])
        for one in group:
            result[one] = replace(rows[one], group=name)
    return result


def _name(rows: list[Row]) -> str:
    """Returns the name of a connected set."""
    given = [row.group for row in rows if row.group]
    if given:
        return min(given)
    if len({row.pixels for row in rows}) == 1:
        return ""
    return min(rows, key=lambda row: (-row.width * row.height, row.pixels)).pixels
