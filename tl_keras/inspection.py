"""What a person sees of a check at the command line."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tl_keras.datasets.report import advice
from tl_keras.datasets.report.names import visible
from tl_keras.datasets.report.overview import Kind, Overview, what
from tl_keras.datasets.report.templates import in_short
from tl_keras.sections import Data

# A terminal shows so many classes, and groups of each sort, before the page is better.
CLASSES, GROUPS, MEMBERS = 30, 5, 4
POLICIES = {
    "error": "Must be mended",
    "skip": "Left out",
    "convert": "Converted",
    "warn": "Warnings",
}
SPLITS = {"train": "Train", "validation": "Val.", "test": "Test", "unused": "Unused"}
GROUPED = {
    "conflicts": "two labels",
    "copies": "copies",
    "look_alikes": "look-alikes",
}
TRAITS = {
    "rotated": "Turned upright by EXIF",
    "transparent": "Transparent",
    "cmyk": "CMYK",
    "gray": "Gray",
    "animated": "Of several frames",
}


def print_overview(overview: Overview, data: Data, page: Path | None) -> None:
    """Prints tables to standard output.

    Args:
        overview: Of the check.
        data: The settings of the check.
        page: Where the HTML page lies, if there is one.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(_totals(overview))
    if overview.problems:
        console.print(_problems(overview))
    if any(getattr(overview, name) for name in GROUPED):
        console.print(_same(overview))
    if overview.classes:
        console.print(_classes(overview))
    if overview.formats:
        console.print(_files(overview))
    console.print(visible(overview.verdict), style="bold")
    for step in advice.steps(overview, data):
        console.print(f"{step.why}:")
        console.print(f"  {visible(step.command)}", soft_wrap=True)
    if page:
        console.print(f"With pictures: {visible(str(page))}", soft_wrap=True)


def print_json(overview: Overview, data: Data, page: Path | None) -> None:
    """Prints the same as JSON, in ASCII, so that a name of any bytes comes through.

    The keys are the fields of `Overview` (all but `shapes`), every file of every
    problem and every group included; `next`, a list of `why` and `command`; and
    `page`, the path of the HTML page or null.

    Args:
        overview: Of the check.
        data: The settings of the check.
        page: Where the HTML page lies, if there is one.
    """
    steps = advice.steps(overview, data)
    found = {
        **overview.as_json(),
        "next": [{"why": step.why, "command": step.command} for step in steps],
        "page": str(page) if page else None,
    }
    print(json.dumps(found, indent=2))


def print_kinds(kinds: Mapping[str, Kind], *, as_json: bool = False) -> None:
    """Prints the kinds of problem with their policies.

    Args:
        kinds: By name.
        as_json: As JSON instead of a table.
    """
    if as_json:
        names = ("default", "allowed", "says", "cure")
        rows = {
            name: {key: getattr(kind, key) for key in names}
            for name, kind in kinds.items()
        }
        print(json.dumps(rows, indent=2, default=list))
        return
    table = Table(
        Column("Kind", no_wrap=True),
        "Default",
        "Or",
        "What it is, and what to do",
        title="Kinds of problem: --data.problems '{KIND: POLICY}'",
    )
    for name, kind in kinds.items():
        others = ", ".join(one for one in kind.allowed if one != kind.default)
        table.add_row(name, kind.default, others, f"{what(name, kind)}: {kind.cure}")
    Console(highlight=False, markup=False).print(table)


def _totals(overview: Overview) -> Table:
    """Returns how many files there are, and what becomes of them."""
    table = Table("Check of", Column(_name(overview.source)))
    table.add_row("Files", f"{overview.files:,}")
    table.add_row("Usable images", f"{overview.usable:,}")
    for policy, title in POLICIES.items():
        if overview.policies[policy]:
            table.add_row(title, f"{overview.policies[policy]:,}")
    table.add_row("Classes", f"{len(overview.classes):,}")
    for name, title in GROUPED.items():
        if groups := getattr(overview, name):
            table.add_row(f"Groups: {title}", f"{len(groups):,}")
    if overview.imbalance:
        table.add_row("Largest to smallest class", f"{overview.imbalance:.1f} to 1")
    return table


def _problems(overview: Overview) -> Table:
    """Returns a row for each kind of problem, with an example and the cure."""
    table = Table(
        Column("Problem", no_wrap=True),
        Column("Files", justify="right"),
        Column("Policy", no_wrap=True),
        Column("For example, and what to do", overflow="fold"),
    )
    for one in overview.problems:
        first = one.files[0]
        said = Text.assemble(
            f"{visible(first.path)}: {visible(first.reason)}\n",
            (f"→ {one.cure}", "dim"),
        )
        table.add_row(one.kind, f"{len(one.files):,}", one.policy, said)
    return table


def _same(overview: Overview) -> Table:
    """Returns the first groups of images that show the same picture."""
    table = Table("Same picture", Column("Image", overflow="fold"), "Class", "Split")
    for name, sort in GROUPED.items():
        groups = getattr(overview, name)
        for group in groups[:GROUPS]:
            for number, one in enumerate(group[:MEMBERS]):
                first = sort if number == 0 else ""
                table.add_row(first, _name(one.path), _name(one.label), one.split)
            if len(group) > MEMBERS:
                table.add_row("", f"… and {len(group) - MEMBERS:,} more")
            table.add_section()
        if len(groups) > GROUPS:
            table.add_row(sort, f"… and {len(groups) - GROUPS:,} more groups")
            table.add_section()
    return table


def _classes(overview: Overview) -> Table:
    """Returns each class's images by split."""
    table = Table(Column("Class", overflow="fold"))
    for split in overview.splits:
        table.add_column(SPLITS[split], justify="right")
    table.add_column("Images", justify="right")
    table.add_column("Lost", justify="right")
    for one in overview.classes[:CLASSES]:
        splits = [f"{one.splits.get(split, 0):,}" for split in overview.splits]
        table.add_row(_name(one.name), *splits, f"{one.images:,}", f"{one.lost:,}")
    if len(overview.classes) > CLASSES:
        table.add_row(f"… and {len(overview.classes) - CLASSES:,} more")
    return table


def _files(overview: Overview) -> Table:
    """Returns the sizes and formats."""
    table = Table("Sizes and formats", Column("Figures", justify="right"))
    for name, title in (("width", "Width"), ("height", "Height"), ("bytes", "Size")):
        if name in overview.sizes:
            spread = overview.sizes[name]
            values = spread.least, spread.median, spread.most
            shown = [in_short(v) if name == "bytes" else f"{v:,}" for v in values]
            table.add_row(f"{title}: least, median, most", ", ".join(shown))
    for name, files in overview.formats.items():
        table.add_row(_name(name), f"{files:,}")
    for name, title in TRAITS.items():
        if overview.traits[name]:
            table.add_row(title, f"{overview.traits[name]:,}")
    return table


def _name(text: str) -> Text:
    """Returns an untrusted name as plain text on one line."""
    return Text(visible(text), overflow="fold")
