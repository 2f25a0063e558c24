"""Two models on the same images: which one is better, and is that chance?"""

import dataclasses
import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tl_keras import assessment, pipeline
from tl_keras.datasets import sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.sources.finding import Source
from tl_keras.errors import DataError, UsageError
from tl_keras.evaluation import paired
from tl_keras.evaluation.paired import Pairs
from tl_keras.export.loaded import Export
from tl_keras.progress import say
from tl_keras.run import Run
from tl_keras.training.outputs import MULTI_LABEL

Model = Run | Export
# Splits of a run that its training has seen.
SEEN = ("train", "validation")
NAMED = 5


@dataclass(frozen=True)
class Matched:
    """Images that both models can be judged by.

    Attributes:
        rows: Of each model the images in its own manifest's words, in one order.
        left_out: How many images were left out, by the reason.
    """

    rows: tuple[tuple[Row, ...], tuple[Row, ...]]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Side:
    """One of two runs.

    Attributes:
        name: `A` or `B`.
        run: The run.
    """

    name: str
    run: Run

    @cached_property
    def tests(self) -> dict[str, Row]:
        """Its test images by the sha256 of their files; of equal files the first."""
        found: dict[str, Row] = {}
        for row in self.run.manifest.split("test").rows:
            found.setdefault(row.sha256, row)
        return found

    @cached_property
    def seen(self) -> set[str]:
        """The contents of all images that it was trained on."""
        return _seen(self.run)


def compare(
    a: str | os.PathLike | Model,
    b: str | os.PathLike | Model,
    source: Source | None = None,
    *,
    bad_files: str = "error",
) -> dict[str, Any]:
    """Compares two models on the same images.

    An image that either run was trained on, or chose its epochs by, is left out: a
    model knows it by heart. Of an export it is not known what it was trained on.

    Args:
        a: A run or an export, or its folder.
        b: Another one.
        source: Labelled images, what `train` takes; `None` takes those that are in the
            test splits of both runs, by the files' sha256.
        bad_files: As `evaluate` takes it, for `source`.

    Returns:
        What `paired.compute` gives, `a` and `b` (the folders), and `left_out`: how many
        images, by the reason. JSON's types only.

    Raises:
        UsageError: If there is no such model, or it has no test images of its own.
        DataError: If no image is left that both can be judged by.
    """
    models = tuple(pipeline.load(one) if _is_path(one) else one for one in (a, b))
    kinds = [model.outputs == MULTI_LABEL for model in models]
    if kinds[0] != kinds[1]:
        raise UsageError(
            "One of the two models gives an image one class, the other several: their "
            "answers cannot be compared."
        )
    if source is None:
        matched = _in_both_tests(*models)
    else:
        matched = _of_source(models, source, bad_files)
    for reason, count in matched.left_out.items():
        say(f"Left out: {count:,} images {reason}")
    answers = []
    for model, rows in zip(models, matched.rows):
        root = model.manifest.root if source is None else Path()
        manifest = Manifest(root, rows, model.class_names, kinds[0])
        predicted = model.probabilities(manifest)
        answers.append(assessment.right(manifest, predicted, model.class_names))
    found = paired.compute(Pairs.of(*answers))
    names = {"a": str(_folder(models[0])), "b": str(_folder(models[1]))}
    return {**names, **found, "left_out": matched.left_out}


def sentence(found: dict[str, Any]) -> str:
    """Says what a comparison found out.

    Args:
        found: What `compare` returned.
    """
    low, high = (100 * value for value in found["interval"])
    by = 100 * found["difference"]
    p_value = found["p_value"]
    chance = f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"
    if found["better"] is None:
        return (
            f"A and B cannot be told apart on {found['images']:,} images: B less A is "
            f"{by:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f} ({chance})."
        )
    if found["better"] == "a":
        by, low, high = -by, -high, -low
    return (
        f"{found['better'].upper()} is better by {by:.1f} points on "
        f"{found['images']:,} images, 95 % interval {low:.1f} to {high:.1f} ({chance})."
    )


def _in_both_tests(a: Model, b: Model) -> Matched:
    """Returns the images that are in the test splits of both runs.

    Raises:
        UsageError: If one of the two is an export.
        DataError: If there is none.
    """
    for model in (a, b):
        if isinstance(model, Export):
            raise UsageError(
                f"{model.path} is an export, which has no test images of its own: give "
                "a SOURCE of labelled images, too."
            )
    one, other = Side("A", a), Side("B", b)
    left_out: Counter[str] = Counter()
    pairs = []
    for content, row in one.tests.items():
        reason = _reason(row, one, other)
        if reason:
            left_out[reason] += 1
        else:
            pairs.append((row, other.tests[content]))
    for content, row in other.tests.items():
        if content not in one.tests:
            left_out[_reason(row, other, one)] += 1
    if not pairs:
        reasons = ", ".join(f"{count} {name}" for name, count in left_out.items())
        raise DataError(
            f"The two runs have no test image in common ({reasons}): give a SOURCE of "
            "images that neither was trained on."
        )
    return Matched(tuple(zip(*pairs)), dict(left_out))


def _reason(row: Row, own: Side, other: Side) -> str:
    """Returns why a test image of one run cannot be used; empty if it can."""
    twin = other.tests.get(row.sha256)
    if _contents(row) & other.seen:
        return f"of {own.name}'s test that {other.name} was trained on"
    if twin is None:
        return f"of {own.name}'s test that {other.name} does not test"
    if _contents(row) & own.seen:
        return f"of {own.name}'s test that it was trained on itself"
    labels = own.run.manifest.classes_of(row), other.run.manifest.classes_of(twin)
    if set(labels[0]) != set(labels[1]):
        return "that have another label in the other run"
    return ""


def _of_source(models: tuple[Model, Model], source: Source, bad_files: str) -> Matched:
    """Returns the images of a source that neither run was trained on.

    Raises:
        DataError: If there is none, or one is bad or of an unknown class.
    """
    data = assessment.judging(models[0], bad_files)
    findings = check.check(sources.find(source, data, training=False), data)
    check.tell(findings)
    several = models[0].outputs == MULTI_LABEL
    manifest = dataclasses.replace(findings.usable(), multi_label=several)
    left_out: Counter[str] = Counter()
    kept = list(manifest.rows)
    for name, model in zip("AB", models):
        manifest.targets(model.class_names)
        missing = set(model.class_names) - set(manifest.counts())
        if missing:
            say(
                f"warning: no image of the source is of {_some(missing)}, which {name} "
                "knows: how good it is on them stays open"
            )
        if isinstance(model, Export):
            say(
                f"{name} is an export: whether it was trained on these images cannot "
                "be checked"
            )
            continue
        known = _seen(model)
        fresh = [row for row in kept if not _contents(row) & known]
        if len(fresh) < len(kept):
            left_out[f"that {name} was trained on"] += len(kept) - len(fresh)
        kept = fresh
    if not kept:
        raise DataError(
            f"All {len(manifest.rows)} images of the source were trained on by A or B: "
            "give others, which neither has seen."
        )
    rows = tuple(
        dataclasses.replace(row, path=str(manifest.root / row.path)) for row in kept
    )
    return Matched((rows, rows), dict(left_out))


def _some(names: set[str]) -> str:
    """Returns the first of some names in quotes, and how many more there are."""
    shown, left = sorted(names)[:NAMED], len(names) - NAMED
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(map(repr, shown)) + more


def _contents(row: Row) -> set[str]:
    """Returns what an image is known by: its file's sha256, and its pixels'."""
    return {row.sha256, row.pixels} - {""}


def _seen(run: Run) -> set[str]:
    """Returns the contents of all images that a run was trained on."""
    rows = (row for row in run.manifest.rows if row.split in SEEN)
    return set().union(*map(_contents, rows))


def _is_path(model: Any) -> bool:
    """Tells whether a model is given by its folder."""
    return isinstance(model, str | os.PathLike)


def _folder(model: Model) -> Path:
    """Returns where a model lies."""
    return model.folder if isinstance(model, Run) else model.path
