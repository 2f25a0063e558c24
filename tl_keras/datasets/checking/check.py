"""Examines every image once before anything is trained, and compares them."""

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from tl_keras.datasets.checking import comparing
from tl_keras.datasets.checking.examining import examine
from tl_keras.datasets.checking.findings import NAMED_FILES, Findings, Problem
from tl_keras.datasets.checking.limits import Limits
from tl_keras.datasets.checking.problems import KINDS, POLICIES, policy, require_known
from tl_keras.datasets.checking.results import Result, Task
from tl_keras.datasets.checking.store import Store
from tl_keras.datasets.manifest import LABEL_SEPARATOR, Manifest, Row
from tl_keras.progress import say, track
from tl_keras.sections import Data

LIMITS = Limits()
CONVERTED = "converted"


@dataclass(slots=True)
class Case:
    """A row while it is checked.

    Attributes:
        row: As the source has it; what is converted has its new path.
        result: What its file gave.
        problems: What is wrong or odd.
    """

    row: Row
    result: Result
    problems: list[Problem]

    @property
    def policy(self) -> str:
        """What is done about the row: the strictest of its problems' policies."""
        policies = [problem.policy for problem in self.problems]
        return max(policies, key=POLICIES.index, default=POLICIES[0])

    @property
    def kept(self) -> bool:
        """Whether the row can be used."""
        return self.policy in ("warn", "convert") and bool(self.result.pixels)

    def checked(self) -> Row:
        """Returns the row with what is known of it."""
        odd = [problem.kind for problem in self.problems if problem.policy == "warn"]
        return replace(
            self.row,
            sha256=self.result.sha256,
            pixels=self.result.pixels,
            width=self.result.width,
            height=self.result.height,
            format=self.result.facts.format,
            orientation=self.result.facts.orientation,
            problems=LABEL_SEPARATOR.join(odd),
        )


def check(manifest: Manifest, data: Data) -> Findings:
    """Examines every image with the decoder that training uses, and compares them.

    The files are decoded in child processes, so that a crash or a runaway allocation
    names its file and stops nothing. What is known of an unchanged file is not found
    out again.

    A damaged JPEG is known by what its decoder complains of. A flipped bit that makes
    another legal stream cannot be seen by anybody: JPEG has no checksum.

    Args:
        manifest: The images as found.
        data: What is done about bad files, and where results are stored.

    Returns:
        What was found out. It raises nothing for bad files; `.usable()` does.

    Raises:
        UsageError: If `data.problems` names an unknown kind or policy.
        StorageError: If the cache folder cannot be written.
    """
    require_known(data.problems)
    with Store.of(manifest.root, data.cache_dir, data.background) as store:
        cases = _examined(manifest, data, store)
        facts = {
            case.row.path: case.result.facts for case in cases if case.result.facts.mode
        }
        _convert(cases, manifest.root, data, store)
        kept = [case for case in cases if case.kept]
        compared = manifest.with_rows(case.checked() for case in kept)
        comparison = comparing.compare(
            compared.rows,
            [case.result.phash for case in kept],
            {one for one, case in enumerate(kept) if "blank" in case.result.kinds},
            store if data.near_duplicates else None,
        )
    rows = list(compared.rows)
    for one, more in comparing.problems(compared, comparison, data).items():
        kept[one].problems += more
        rows[one] = kept[one].checked()
    rows = comparing.with_groups(rows, comparison.same)
    usable = manifest.with_rows(row for row, case in zip(rows, kept) if case.kept)
    conflicts = comparing.conflicts(compared, comparison.copies)
    return Findings(
        manifest=usable,
        total=len(cases),
        problems=tuple(problem for case in cases for problem in case.problems),
        facts=facts,
        copies=_paths(rows, comparison.copies),
        look_alikes=_paths(rows, comparison.look_alikes),
        conflicts=_paths(rows, conflicts),
        lost=tuple(sorted(set(manifest.counts()) - set(usable.counts()))),
    )


def _examined(manifest: Manifest, data: Data, store: Store) -> list[Case]:
    """Examines all files."""
    rows, root = manifest.rows, manifest.root
    tasks = (
        Task(
            index=index,
            key=row.path,
            path=str(root / row.path),
            background=data.background,
        )
        for index, row in enumerate(rows)
    )
    # While the children have their memory, only what the store does not hold is kept.
    results: dict[int, Result] = {}
    with closing(examine(tasks, store, LIMITS)) as found:
        for task, result in track(found, "Checking images", len(rows)):
            if not store.holds(result):
                results[task.index] = result
    home = os.path.realpath(root)
    cases = []
    for index, row in enumerate(rows):
        result = results.get(index) or store.last(row.path)
        outside = "" if result.kinds == ("unreadable",) else _outside(home, row.path)
        more = (("link_out", outside),) if outside else ()
        cases.append(Case(row, result, _judged(row, (*result.problems, *more), data)))
    return cases


def _judged(row: Row, problems: Iterable[tuple[str, str]], data: Data) -> list[Problem]:
    """Returns a row's problems with what is done about each."""
    # A name that is no Unicode could not be printed.
    path = row.path.encode(errors="backslashreplace").decode()
    return [
        Problem(
            path=path,
            label=row.label,
            kind=kind,
            reason=KINDS[kind].reason(detail),
            policy=policy(kind, data),
        )
        for kind, detail in problems
    ]


def _outside(home: str, path: str) -> str:
    """Returns where a file lies that a link leads to, if that is not below `home`."""
    if os.path.isabs(path):
        return ""
    folder, name = os.path.split(os.path.join(home, path))
    real = os.path.join(_real(folder), name)
    if os.path.islink(real):
        real = os.path.realpath(real)
    return "" if real.startswith(os.path.join(home, "")) else real


@lru_cache(maxsize=1024)
def _real(folder: str) -> str:
    """Returns a folder's path without links."""
    return os.path.realpath(folder)


def _convert(cases: list[Case], root: Path, data: Data, store: Store) -> None:
    """Makes PNGs of the files whose policy says so, and examines those instead."""
    tasks = [
        Task(
            index=index,
            key=str(target),
            path=str(root / case.row.path),
            target=str(target),
            background=data.background,
        )
        for index, case in enumerate(cases)
        if case.policy == "convert" and (target := _target(case, data))
    ]
    if not tasks:
        return
    results = []
    with closing(examine(tasks, store, LIMITS)) as found:
        results += track(found, "Converting images", len(tasks))
    for task, result in results:
        case = cases[task.index]
        judged = _judged(case.row, result.problems, data)
        stubborn = [
            replace(problem, policy="error") if problem.policy == "convert" else problem
            for problem in judged
        ]
        case.problems += [one for one in stubborn if one.kind != "extension"]
        case.result = result
        if result.pixels:
            case.row = replace(case.row, path=task.target)


def _target(case: Case, data: Data) -> Path:
    """Returns where a file's PNG goes: another content or background, another path."""
    colour = bytes(data.background).hex()
    folder = Path(os.path.abspath(os.path.expanduser(data.cache_dir)), CONVERTED)
    stem = Path(case.row.path).stem
    return folder / f"{case.result.sha256[:16]}-{colour}" / f"{stem}.png"


def _paths(rows: list[Row], groups: comparing.Groups) -> tuple[tuple[str, ...], ...]:
    """Returns the paths of groups of rows."""
    return tuple(tuple(rows[one].path for one in group) for group in groups)


def tell(findings: Findings) -> None:
    """Says in a few lines what was found, but for errors: `usable` names those.

    Args:
        findings: What `check` returned.
    """
    by_policy, labels = defaultdict(list), {}
    for problem in findings.problems:
        labels[problem.path] = problem.label
        by_policy[problem.policy].append(f"  {problem.path}: {problem.reason}")
    for name, done in (("skip", "left out"), ("convert", "converted to PNG")):
        if by_policy[name]:
            say(f"{_files(len(by_policy[name]))} {done}:\n{_listing(by_policy[name])}")
    if by_policy["warn"]:
        odd = by_policy["warn"]
        say(f"Warning: {_files(len(odd))} odd:\n{_listing(odd)}")
    copies = sum(len(group) - 1 for group in findings.copies)
    if copies:
        say(f"{copies} images are copies of others; copies stay on one side")
    alike = sum(map(len, findings.look_alikes))
    if alike:
        many = len(findings.look_alikes)
        say(f"{alike} images look alike, in {many} groups; each stays on one side")
    if findings.conflicts:
        lines = [
            "  " + " = ".join(f"{path} ({labels[path]})" for path in group)
            for group in findings.conflicts
        ]
        many = len(findings.conflicts)
        say(f"Warning: the same picture under two labels, {many}x:\n{_listing(lines)}")


def _files(count: int) -> str:
    """Returns how many files, and the verb."""
    return "1 file is" if count == 1 else f"{count} files are"


def _listing(lines: list[str]) -> str:
    """Returns the first lines, and how many are left."""
    left = len(lines) - NAMED_FILES
    more = [f"  … and {left} more"] if left > 0 else []
    return "\n".join([*lines[:NAMED_FILES], *more])
