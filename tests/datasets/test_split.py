"""Shares, stability and copies in the split."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from tl_keras.datasets.manifest import SPLITS, Manifest, Row
from tl_keras.datasets.split import split
from tl_keras.errors import DataError

SHARES = {"validation": 0.15, "test": 0.15}


def row(label, name):
    """Returns a checked image with a picture of its own."""
    pixels = hashlib.sha256(name.encode()).hexdigest()
    return Row(path=f"{label}/{name}", label=label, pixels=pixels)


def make(**classes):
    """Returns a manifest with so many pictures of each class."""
    rows = [
        row(label, f"{label}-{number}")
        for label, count in classes.items()
        for number in range(count)
    ]
    return Manifest(Path("/photos"), tuple(rows))


def splits(manifest):
    return {row.path: row.split for row in manifest.rows}


def test_every_image_gets_one_of_the_three_splits():
    assert set(splits(split(make(a=200, b=200), **SHARES)).values()) == set(SPLITS)


def test_split_changes_nothing_but_the_split():
    manifest = make(a=20, b=20)
    dealt = split(manifest, **SHARES)
    assert tuple(replace(row, split="") for row in dealt.rows) == manifest.rows


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.3, 0.05)])
def test_shares_are_met_within_the_sampling_error(validation, test):
    count = 20_000
    dealt = split(make(a=count), validation=validation, test=test)
    found = Counter(splits(dealt).values())
    # Four standard deviations of a binomial count.
    for name, share in {"validation": validation, "test": test}.items():
        error = 4 * (count * share * (1 - share)) ** 0.5
        assert found[name] == pytest.approx(count * share, abs=error)


def test_split_moves_no_old_image_when_images_are_added():
    old = splits(split(make(a=300, b=300), **SHARES))
    new = splits(split(make(a=400, b=500, c=50), **SHARES))
    assert {path: new[path] for path in old} == old


def test_split_does_not_depend_on_the_order_of_the_images():
    manifest = make(a=50, b=3)
    reverse = Manifest(manifest.root, manifest.rows[::-1])
    assert splits(split(reverse, **SHARES)) == splits(split(manifest, **SHARES))


def test_split_does_not_depend_on_the_files_names():
    manifest = make(a=50, b=50)
    renamed = tuple(replace(r, path=f"new/{r.path}") for r in manifest.rows)
    dealt = split(Manifest(manifest.root, renamed), **SHARES)
    assert [r.split for r in dealt.rows] == [
        r.split for r in split(manifest, **SHARES).rows
    ]


def test_same_seed_deals_the_same():
    manifest = make(a=100)
    assert split(manifest, **SHARES, seed=3) == split(manifest, **SHARES, seed=3)


def test_another_seed_deals_differently():
    manifest = make(a=100)
    assert split(manifest, **SHARES, seed=0) != split(manifest, **SHARES, seed=1)


def test_copies_of_a_picture_stay_together():
    manifest = make(a=50, b=50)
    copies = tuple(
        replace(r, path=f"copy-{n}/{r.path}") for n in range(3) for r in manifest.rows
    )
    dealt = split(Manifest(manifest.root, manifest.rows + copies), **SHARES)
    found = defaultdict(set)
    for r in dealt.rows:
        found[r.pixels].add(r.split)
    assert all(len(names) == 1 for names in found.values())


def test_copies_do_not_move_the_other_images():
    manifest = make(a=50)
    copies = tuple(replace(r, path=f"copy/{r.path}") for r in manifest.rows[:30])
    alone = splits(split(manifest, **SHARES))
    together = splits(split(Manifest(manifest.root, manifest.rows + copies), **SHARES))
    assert {path: together[path] for path in alone} == alone


def test_picture_under_two_labels_stays_on_one_side():
    manifest = make(a=50, b=50)
    other = tuple(replace(r, path=f"b/{r.path}", label="b") for r in manifest.rows[:50])
    dealt = split(Manifest(manifest.root, manifest.rows + other), **SHARES)
    found = defaultdict(set)
    for r in dealt.rows:
        found[r.pixels].add(r.split)
    assert all(len(names) == 1 for names in found.values())


@pytest.mark.parametrize("count", range(3, 12))
def test_small_class_has_an_image_in_every_split(count):
    for seed in range(100):
        dealt = split(make(a=count), **SHARES, seed=seed)
        assert set(splits(dealt).values()) == set(SPLITS)


@pytest.mark.parametrize("shares", [(0.01, 0.01), (0.9, 0.05), (0.05, 0.9)])
def test_small_class_has_an_image_in_every_split_at_extreme_shares(shares):
    validation, test = shares
    for seed in range(100):
        dealt = split(make(a=4), validation=validation, test=test, seed=seed)
        assert set(splits(dealt).values()) == set(SPLITS)


def test_class_that_shares_pictures_with_another_keeps_an_image_in_every_split():
    # `b` has two pictures of its own and one of `a`'s, which `a` has dealt already.
    for seed in range(100):
        manifest = make(a=4, b=2)
        shared = replace(manifest.rows[0], label="b", path="b/shared")
        rows = (*manifest.rows, shared)
        dealt = split(Manifest(manifest.root, rows), **SHARES, seed=seed)
        assert {r.split for r in dealt.rows if r.label == "b"} == set(SPLITS)


def test_class_of_two_pictures_is_refused_with_its_name():
    with pytest.raises(DataError, match="'b' has 2 different images. At least 3"):
        split(make(a=10, b=2), **SHARES)


def test_copies_do_not_count_as_different_pictures():
    manifest = make(a=10, b=2)
    copies = tuple(replace(r, path=f"copy/{r.path}") for r in manifest.rows[-2:])
    with pytest.raises(DataError, match="'b' has 2 different images"):
        split(Manifest(manifest.root, manifest.rows + copies), **SHARES)


def test_without_validation_there_are_two_splits():
    dealt = split(make(a=60, b=60), validation=0.0, test=0.25)
    assert set(splits(dealt).values()) == {"train", "test"}


def test_without_validation_two_images_a_class_are_enough():
    for seed in range(20):
        dealt = split(make(a=2, b=2), validation=0.0, test=0.25, seed=seed)
        assert set(splits(dealt).values()) == {"train", "test"}
