"""Finds pictures that are there twice: pixel for pixel, or so that they look alike.

Two pictures look alike where their perceptual hashes differ in few bits and their
thumbnails agree everywhere. The hash finds candidates in nearly linear time; the
thumbnails tell a blue heart from a green one and one clock face from the next, whose
hashes are equal.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

# Of 64 bits. Measured: see `tests/datasets/test_duplicates.py`.
HASH_DISTANCE = 6
# Cut into 4 bands of 16 bits, two hashes within 7 bits agree in one band but for 1 bit.
BANDS, BAND_BITS, BAND = 4, 16, 0xFFFF
# Hashes that a hash is compared with in a band, and pictures that a picture is: more
# come only where very many are nearly equal, and the next ones in order link them all.
MOST_HASHES, MOST_PICTURES = 256, 16
PAIRS_AT_ONCE, PAIRS_OF_THUMBNAILS = 1 << 22, 1 << 12
# Levels in [0, 255] by which the means of thumbnails may differ once their brightness
# is made equal: on average, and anywhere.
CONTRASTS = (0.7, 1.4)
MEAN_DIFFERENCE, LARGEST_DIFFERENCE = 6.0, 44.0


class Sets:
    """Sets that grow together: union-find over the numbers below `size`."""

    def __init__(self, size: int) -> None:
        """Puts every number into a set of its own."""
        self._parent = list(range(size))

    def find(self, one: int) -> int:
        """Returns the number that stands for the set of `one`: its smallest."""
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one

    def join(self, one: int, other: int) -> None:
        """Makes one set of two."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first

    def groups(self) -> list[list[int]]:
        """Returns the sets of two and more, in order."""
        found = defaultdict(list)
        for one in range(len(self._parent)):
            found[self.find(one)].append(one)
        return [members for members in found.values() if len(members) > 1]


def equal(keys: Iterable[str]) -> list[list[int]]:
    """Returns the positions of equal keys, two or more each, in order."""
    found = defaultdict(list)
    for position, key in enumerate(keys):
        found[key].append(position)
    return [members for members in found.values() if len(members) > 1]


def look_alikes(
    hashes: np.ndarray, thumbnails: Callable[[Sequence[int]], np.ndarray]
) -> list[list[int]]:
    """Finds pictures that nearly agree.

    Args:
        hashes: uint64 perceptual hashes of different pictures.
        thumbnails: Returns those of some positions, uint8 `(positions, 16 * 16 * 3)`.

    Returns:
        Positions of pictures that are linked by pairs which look alike, two or more
        each, in order.
    """
    sets = Sets(len(hashes))
    for first, second in _near(hashes):
        for start in range(0, len(first), PAIRS_OF_THUMBNAILS):
            pairs = np.stack([first, second])[:, start : start + PAIRS_OF_THUMBNAILS]
            needed, places = np.unique(pairs, return_inverse=True)
            pictures = thumbnails(needed.tolist()).astype(np.float32)
            one, other = pictures[places.reshape(2, -1)]
            for pair in pairs[:, thumbnails_agree(one, other)].T.tolist():
                sets.join(*pair)
    return sets.groups()


def thumbnails_agree(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tells which thumbnails agree, but for their brightness and contrast.

    A thumbnail of zeros stands for one that is not known, and agrees with none.

    Args:
        one: float32 in [0, 255], `(pairs, 16 * 16 * 3)`.
        other: Likewise.

    Returns:
        Bool, `(pairs,)`.
    """
    difference = np.abs(_standing(one, other) - other)
    mean, largest = difference.mean(axis=1), difference.max(axis=1)
    known = one.any(axis=1) & other.any(axis=1)
    return known & (mean <= MEAN_DIFFERENCE) & (largest <= LARGEST_DIFFERENCE)


def _standing(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns `one` in the brightness and contrast of `other`."""
    scale = _spread(other) / np.maximum(_spread(one), 1.0)
    scale = np.clip(scale, *CONTRASTS)
    return (one - _mean(one)) * scale + _mean(other)


def _mean(pictures: np.ndarray) -> np.ndarray:
    """Returns each picture's mean over pixels and colours."""
    return pictures.mean(axis=1, keepdims=True)


def _spread(pictures: np.ndarray) -> np.ndarray:
    """Returns each picture's standard deviation."""
    return pictures.std(axis=1, keepdims=True)


def _near(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields positions of pairs of hashes within the distance, first below second."""
    for band in range(BANDS):
        keys = (hashes >> np.uint64(band * BAND_BITS)) & np.uint64(BAND)
        # Within a band the nearest hashes stand side by side.
        order = np.lexsort((hashes, keys))
        ordered = keys[order]
        for flip in (0, *(1 << bit for bit in range(BAND_BITS))):
            wanted = ordered ^ np.uint64(flip)
            starts = np.searchsorted(ordered, wanted)
            ends = np.searchsorted(ordered, wanted, side="right")
            if flip == 0:
                starts = np.arange(len(order)) + 1
            counts = np.minimum(ends - starts, MOST_HASHES)
            yield from _pairs(hashes, band, order, starts, counts)


def _pairs(
    hashes: np.ndarray,
    band: int,
    order: np.ndarray,
    starts: np.ndarray,
    counts: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the near ones of the pairs of a place in `order` and those at `starts`."""
    bounds = np.searchsorted(
        np.cumsum(counts), np.arange(0, counts.sum(), PAIRS_AT_ONCE), side="right"
    )
    for low, high in zip(bounds, [*bounds[1:], len(order)]):
        several = counts[low:high]
        left = np.repeat(np.arange(low, high), several)
        offsets = np.arange(several.sum()) - np.repeat(
            np.cumsum(several) - several, several
        )
        right = np.repeat(starts[low:high], several) + offsets
        one, other = order[left], order[right]
        differing = hashes[one] ^ hashes[other]
        near = np.bitwise_count(differing) <= HASH_DISTANCE
        for earlier in range(band):
            # What agreed there has been found there.
            bits = differing >> np.uint64(earlier * BAND_BITS) & np.uint64(BAND)
            near &= np.bitwise_count(bits) > 1
        one, other, left = one[near], other[near], left[near]
        rank = np.arange(len(left)) - np.searchsorted(left, left)
        one, other = one[rank < MOST_PICTURES], other[rank < MOST_PICTURES]
        if len(one):
            yield np.minimum(one, other), np.maximum(one, other)
