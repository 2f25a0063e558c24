"""Shares, stability and copies in the split."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tl_keras.datasets.manifest import SPLITS, Manifest, Row
from tl_keras.datasets.split import deal, few_shot, folds, split
from tl_keras.errors import DataError, UsageError
from tl_keras.sections import Data

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


def grouped(*groups):
    """Returns a manifest of `(group, labels…)`, one image a label."""
    rows = [
        replace(row(label, f"{group}-{place}"), group=group)
        for group, *labels in groups
        for place, label in enumerate(labels)
    ]
    return Manifest(Path("/photos"), tuple(rows))


def sides(manifest):
    """Returns the splits of each group."""
    found = defaultdict(set)
    for r in manifest.rows:
        found[r.group].add(r.split)
    return found


def random_groups(seed, count):
    """Returns so many groups of one to six images of one to three classes."""
    random = Random(seed)
    return [
        (f"g{seed}-{n}", *random.choices("abc", k=random.randint(1, 6)))
        for n in range(count)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_group_of_several_classes_stays_on_one_side(seed):
    dealt = split(grouped(*random_groups(seed, 60)), **SHARES, seed=seed)
    assert all(len(names) == 1 for names in sides(dealt).values())


@pytest.mark.parametrize("seed", range(20))
def test_every_class_of_groups_is_in_every_split(seed):
    dealt = split(grouped(*random_groups(seed, 12)), **SHARES, seed=seed)
    found = defaultdict(set)
    for r in dealt.rows:
        found[r.label].add(r.split)
    assert all(names == set(SPLITS) for names in found.values())


@pytest.mark.parametrize("seed", range(20))
def test_split_moves_no_group_when_groups_and_images_are_added(seed):
    groups = random_groups(seed, 200)
    grown = [(name, *labels, *labels[:1]) for name, *labels in groups]
    old = sides(split(grouped(*groups), **SHARES, seed=seed))
    more = grown + random_groups(seed + 100, 80)
    Random(seed).shuffle(more)
    new = sides(split(grouped(*more), **SHARES, seed=seed))
    assert {group: new[group] for group in old} == old


def test_split_of_groups_does_not_depend_on_the_order_of_the_images():
    for seed in range(50):
        manifest = grouped(*random_groups(seed, 9))
        reverse = Manifest(manifest.root, manifest.rows[::-1])
        dealt = [splits(split(m, **SHARES, seed=seed)) for m in (manifest, reverse)]
        assert dealt[0] == dealt[1]


def test_too_few_groups_of_a_class_are_named():
    manifest = grouped(*(("a", "x") for _ in range(9)), ("b", "y"), ("c", "y"))
    with pytest.raises(DataError, match="'x' has 1 groups of images. At least 3"):
        split(manifest, **SHARES)


def test_class_whose_groups_all_serve_other_classes_is_named():
    # Three classes, each pair with a group in common: two splits cannot do that.
    manifest = grouped(("1", "a", "c"), ("2", "a", "b"), ("3", "b", "c"))
    with pytest.raises(DataError, match="gets no image in .* groups with those of"):
        split(manifest, validation=0.0, test=0.3)


def test_images_of_several_labels_count_for_each_of_them():
    rows = [replace(r, label="x|y") for r in make(a=2).rows]
    rows += [replace(row("x", f"x{n}"), label="x") for n in range(9)]
    manifest = Manifest(Path("/photos"), tuple(rows), multi_label=True)
    with pytest.raises(DataError, match="'y' has 2 different images"):
        split(manifest, **SHARES)


def given(**counts):
    """Returns so many images of each of two classes in each split; `_` is none."""
    rows = [
        replace(row(label, f"{label}-{name}-{n}"), split=name.strip("_"))
        for name, count in counts.items()
        for label in "ab"
        for n in range(count)
    ]
    return Manifest(Path("/photos"), tuple(rows))


def test_given_splits_are_kept():
    manifest = given(train=9, validation=3, test=3)
    assert split(manifest, **SHARES) == manifest


@pytest.mark.parametrize("missing", ["validation", "test"])
def test_missing_split_is_dealt_out_of_training(missing):
    (there,) = {"validation", "test"} - {missing}
    old = given(train=60, **{there: 20})
    new = split(old, **SHARES)
    moved = {r.path for r, was in zip(new.rows, old.rows) if r.split != was.split}
    assert moved == {r.path for r in new.rows if r.split == missing}


def test_missing_split_is_said(capsys):
    split(given(train=60, test=20), **SHARES)
    assert "training images are taken: 15% for validation" in capsys.readouterr().err


def test_missing_split_is_dealt_by_the_hash_of_a_source_without_splits():
    old = given(train=200)
    without = old.with_rows(replace(r, split="") for r in old.rows)
    assert split(old, **SHARES) == split(without, **SHARES)


def test_no_validation_is_dealt_where_none_is_wanted():
    dealt = split(given(train=60, test=20), validation=0.0, test=0.15)
    assert set(splits(dealt).values()) == {"train", "test"}


def test_images_without_a_split_among_others_with_one_become_training():
    manifest = given(_=40, validation=9, test=9)
    found = {r.split for r in split(manifest, **SHARES).rows[:80]}
    assert found == {"train"}


def test_image_without_a_split_follows_its_group():
    manifest = given(train=20, validation=9, test=9)
    rows = [replace(r, group="g") if r.split == "test" else r for r in manifest.rows]
    rows.append(replace(row("a", "more"), group="g"))
    assert split(manifest.with_rows(rows), **SHARES).rows[-1].split == "test"


def test_test_images_alone_are_refused():
    with pytest.raises(DataError, match="no training images in its splits"):
        split(given(test=9), **SHARES)


def test_unused_images_stay_unused():
    manifest = given(train=9, validation=3, test=3)
    rows = [replace(manifest.rows[0], split="unused"), *manifest.rows[1:]]
    assert split(manifest.with_rows(rows), **SHARES).rows[0].split == "unused"


@pytest.mark.parametrize(
    ("validation", "test"), [(0.15, 0.0), (-0.1, 0.2), (0.5, 0.5), (0.1, 1.0)]
)
def test_shares_that_leave_a_split_empty_are_refused(validation, test):
    with pytest.raises(UsageError):
        split(make(a=9), validation=validation, test=test)


def test_few_shot_keeps_so_many_training_images_a_class():
    few = few_shot(split(make(a=100, b=50), **SHARES), 5)
    assert few.split("train").counts() == {"a": 5, "b": 5}


def test_few_shot_touches_only_training():
    dealt = split(make(a=100, b=50), **SHARES)
    few = few_shot(dealt, 5)
    changed = {(old.split, new.split) for old, new in zip(dealt.rows, few.rows)}
    assert changed == {
        ("train", "train"),
        ("train", "unused"),
        ("test", "test"),
        ("validation", "validation"),
    }


def test_more_shots_hold_the_fewer_ones():
    dealt = split(make(a=100), **SHARES)
    few, more = (
        {r.path for r in few_shot(dealt, n).split("train").rows} for n in (5, 9)
    )
    assert few < more


def test_few_shot_takes_different_pictures():
    manifest = split(make(a=30), **SHARES)
    copies = tuple(replace(r, path=f"copy/{r.path}") for r in manifest.rows)
    there = len(manifest.split("train").rows)
    few = few_shot(Manifest(manifest.root, manifest.rows + copies), there)
    assert len({r.pixels for r in few.split("train").rows}) == there


def test_another_seed_chooses_other_few_images():
    dealt = split(make(a=100), **SHARES)
    assert few_shot(dealt, 5, seed=0) != few_shot(dealt, 5, seed=1)


def test_class_with_fewer_images_than_shots_is_named():
    dealt = split(make(a=100, b=8), **SHARES)
    with pytest.raises(DataError, match="'b' has . different training images"):
        few_shot(dealt, 50)


def test_few_shot_of_several_labels_gives_each_class_its_images():
    manifest = split(make(a=60, b=60), **SHARES)
    rows = [replace(r, label=f"{r.label}|all") for r in manifest.rows]
    several = Manifest(manifest.root, tuple(rows), multi_label=True)
    counts = few_shot(several, 4).split("train").counts()
    assert min(counts.values()) >= 4


def test_deal_splits_and_takes_few_shots_as_the_config_says():
    data = Data(validation=0.2, test=0.1, split_seed=3, few_shot=4)
    manifest = make(a=90, b=90)
    expected = few_shot(split(manifest, validation=0.2, test=0.1, seed=3), 4, 3)
    assert deal(manifest, data) == expected


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_every_image_is_tested_in_one_fold(k):
    found = Counter(
        r.path for m in folds(make(a=31, b=17), k) for r in m.split("test").rows
    )
    assert found == dict.fromkeys((r.path for r in make(a=31, b=17).rows), 1)


def test_images_that_are_not_tested_train():
    assert {r.split for m in folds(make(a=9), 3) for r in m.rows} == {"train", "test"}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("k", [2, 3, 7])
def test_folds_of_a_class_differ_by_one_image_at_most(k, seed):
    counts = [m.split("test").counts() for m in folds(make(a=31, b=17, c=8), k, seed)]
    for label in "abc":
        sizes = [count[label] for count in counts]
        assert max(sizes) - min(sizes) <= 1


def test_folds_differ_by_one_image_at_most_in_all():
    sizes = [len(m.split("test").rows) for m in folds(make(a=7, b=9, c=11), 5)]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_on_one_side_of_every_fold(seed):
    for manifest in folds(grouped(*random_groups(seed, 40)), 4, seed):
        assert all(len(names) == 1 for names in sides(manifest).values())


def test_folds_do_not_depend_on_the_order_of_the_images():
    manifest = make(a=20, b=20)
    reverse = Manifest(manifest.root, manifest.rows[::-1])
    found = [[splits(m) for m in folds(each, 4)] for each in (manifest, reverse)]
    assert found[0] == found[1]


def test_another_seed_makes_other_folds():
    assert folds(make(a=20), 4, 0) != folds(make(a=20), 4, 1)


def test_one_fold_is_none():
    with pytest.raises(UsageError, match="`k` must be at least 2. Received: 1"):
        folds(make(a=9), 1)


def test_more_folds_than_images_of_a_class_are_refused():
    with pytest.raises(DataError, match="'b' has 3 different images: 4 folds need 4"):
        folds(make(a=9, b=3), 4)
