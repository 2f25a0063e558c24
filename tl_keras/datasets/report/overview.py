"""What a check found, counted and sorted, as every report of it shows it."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from tl_keras.datasets.checking.findings import Findings, Problem
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.datasets.report import class_counts
from tl_keras.datasets.report.class_counts import ClassCount

# The worst first.
POLICIES = ("error", "skip", "convert", "warn")
# Orientations from 2 on turn or mirror the image.
UPRIGHT = 1
GRAY_MODES = ("1", "L", "LA", "I", "I;16", "F")


class Kind(Protocol):
    """What a report takes from a row of `problems.KINDS`."""

    says: str
    cure: str
    default: str
    allowed: Collection[str]


@dataclass(frozen=True, kw_only=True)
class Kindred:
    """The problems of one kind that are treated alike.

    Attributes:
        kind: A key of `problems.KINDS`.
        policy: What is done about them.
        says: What the kind is, for a person; `…` stands for what differs by file.
        cure: What a person can do about it.
        convertible: Whether the policy `convert` is allowed.
        files: The problems, in the order of the files; their reasons without the cure.
    """

    kind: str
    policy: str
    says: str
    cure: str
    convertible: bool
    files: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One image of several that show the same.

    Attributes:
        path: As in the manifest.
        label: Its class.
        split: Where it went; empty where there is no split.
    """

    path: str
    label: str
    split: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The least, the middle and the greatest of many numbers."""

    least: int
    median: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that a report of a check shows.

    Attributes:
        source: As the user named it.
        verdict: Whether the images can be used, in a sentence.
        sound: Whether they can.
        files: Files that were looked at.
        usable: Images that can be used.
        policies: Files by the strictest policy of their problems: `error`, `skip`,
            `convert`, `warn`.
        problems: The worst first, then the most frequent.
        classes: In the order of the logits.
        splits: Images by split; empty where there is no split.
        imbalance: Images of the largest class for one of the smallest; `None` where
            a class has none.
        copies: Groups of images with equal pixels and labels.
        look_alikes: Groups of images that nearly agree.
        conflicts: Groups of images with equal pixels and different labels.
        formats: Files by format, the most frequent first.
        sizes: `Spread` of the `width` and `height` of the upright images in pixels,
            and of the files' `bytes`; what is not known is missing.
        shapes: Images by width and height.
        traits: Files that are `rotated` by EXIF, `transparent`, `cmyk`, `gray` or
            `animated`.
    """

    source: str
    verdict: str
    sound: bool
    files: int
    usable: int
    policies: dict[str, int]
    problems: tuple[Kindred, ...]
    classes: tuple[ClassCount, ...]
    splits: dict[str, int]
    imbalance: float | None
    copies: tuple[tuple[Member, ...], ...]
    look_alikes: tuple[tuple[Member, ...], ...]
    conflicts: tuple[tuple[Member, ...], ...]
    formats: dict[str, int]
    sizes: dict[str, Spread]
    shapes: dict[tuple[int, int], int]
    traits: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Returns the same, for JSON; `shapes`, a picture's material, is left out."""
        found = asdict(self)
        del found["shapes"]
        return found


def sum_up(
    findings: Findings,
    *,
    source: str,
    kinds: Mapping[str, Kind],
    split: Manifest | None = None,
    refused: str = "",
) -> Overview:
    """Counts what a check found.

    Args:
        findings: Of the check.
        source: As the user named it.
        kinds: What is known of each kind of problem.
        split: The images dealt out; `None` where that was not done.
        refused: Why the images cannot be dealt out; empty where they can.

    Returns:
        The overview.
    """
    manifest = split or findings.manifest
    classes = class_counts.by_class(findings.problems, manifest)
    policies = _files(findings.problems)
    # What is left out of the manifest has its label from its problem.
    known = {one.path: Row(path=one.path, label=one.label) for one in findings.problems}
    known |= {row.path: row for row in manifest.rows}
    conflicts = set(findings.conflicts)
    alike = {
        "conflicts": findings.conflicts,
        # A conflict is a copy too, and would be shown twice.
        "copies": [one for one in findings.copies if one not in conflicts],
        "look_alikes": findings.look_alikes,
    }
    groups = {
        name: tuple(_members(group, known) for group in found)
        for name, found in alike.items()
    }
    return Overview(
        source=source,
        verdict=_verdict(findings, policies, refused),
        sound=not (policies["error"] or refused) and bool(manifest.rows),
        files=findings.total,
        usable=len(findings.manifest.rows),
        policies=policies,
        problems=_kindred(findings.problems, kinds),
        classes=classes,
        splits=class_counts.by_split(manifest.rows),
        imbalance=class_counts.imbalance(classes),
        formats=dict(
            Counter(one.format or "unknown" for one in findings.facts.values())
            # Ties stay in the order of the files.
            .most_common()
        ),
        sizes=_sizes(findings),
        shapes=dict(Counter((row.width, row.height) for row in manifest.rows)),
        traits=_traits(findings),
        **groups,
    )


def _verdict(findings: Findings, policies: dict[str, int], refused: str) -> str:
    """Returns whether the images can be used, in a sentence."""
    total, usable = findings.total, len(findings.manifest.rows)
    if policies["error"]:
        return f"{policies['error']:,} of {total:,} files cannot be used as they are."
    if refused:
        return f"The files are sound, but cannot be trained on: {refused}"
    if not usable:
        return "There is no image that can be used."
    odd = {"skip": "left out", "convert": "converted", "warn": "with a warning"}
    notes = [f"{policies[key]:,} {said}" for key, said in odd.items() if policies[key]]
    images = f"All {total:,}" if usable == total else f"{usable:,} of {total:,}"
    ending = f": {', '.join(notes)}." if notes else "."
    return f"{images} images can be used{ending}"


def _files(problems: Iterable[Problem]) -> dict[str, int]:
    """Returns how many files there are of each policy, each by its strictest one."""
    strictest: dict[str, int] = {}
    for one in problems:
        rank = POLICIES.index(one.policy)
        strictest[one.path] = min(rank, strictest.get(one.path, rank))
    counts = Counter(strictest.values())
    return {policy: counts[rank] for rank, policy in enumerate(POLICIES)}


def _kindred(
    problems: Iterable[Problem], kinds: Mapping[str, Kind]
) -> tuple[Kindred, ...]:
    """Returns the problems by kind and policy, the worst and most frequent first."""
    found: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        found[problem.policy, problem.kind].append(problem)
    alike = [
        Kindred(
            kind=kind,
            policy=policy,
            says=what(kind, kinds[kind]),
            cure=kinds[kind].cure,
            convertible="convert" in kinds[kind].allowed,
            files=tuple(_without_cure(one, kinds[kind].cure) for one in files),
        )
        for (policy, kind), files in found.items()
    ]
    order = POLICIES.index
    return tuple(sorted(alike, key=lambda one: (order(one.policy), -len(one.files))))


def what(name: str, kind: Kind) -> str:
    """Returns what a kind of problem is, whatever the file.

    Args:
        name: Key of `problems.KINDS`.
        kind: Its row; `{}` in what it says stands for the detail of a file.
    """
    said = kind.says.replace("{}", "…")
    return name.replace("_", " ") if said.startswith("…") else said


def _without_cure(problem: Problem, cure: str) -> Problem:
    """Returns a problem whose reason does not end in the cure, which is said once."""
    return replace(problem, reason=problem.reason.removesuffix(f": {cure}"))


def _members(paths: Iterable[str], known: dict[str, Row]) -> tuple[Member, ...]:
    """Returns a group's images with their labels and splits."""
    rows = [known.get(path, Row(path=path, label="")) for path in paths]
    return tuple(
        Member(path=row.path, label=row.label, split=row.split) for row in rows
    )


def _sizes(findings: Findings) -> dict[str, Spread]:
    """Returns how large images and files are."""
    rows = findings.manifest.rows
    values = {
        "width": [row.width for row in rows],
        "height": [row.height for row in rows],
        "bytes": [one.bytes for one in findings.facts.values()],
    }
    return {
        name: Spread(
            least=min(many), median=round(statistics.median(many)), most=max(many)
        )
        for name, many in values.items()
        if many
    }


def _traits(findings: Findings) -> dict[str, int]:
    """Returns how many files want more than being read."""
    facts = findings.facts.values()
    return {
        "rotated": sum(one.orientation > UPRIGHT for one in facts),
        "transparent": sum(one.transparent for one in facts),
        "cmyk": sum(one.mode == "CMYK" for one in facts),
        "gray": sum(one.mode in GRAY_MODES for one in facts),
        "animated": sum(one.frames > 1 for one in facts),
    }
