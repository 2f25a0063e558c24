"""The page that shows what a check found: one HTML file that needs nothing else.

Names of files and classes are untrusted: the template escapes all it is given, and
the page forbids itself scripts and requests.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tl_keras.datasets.report import advice, charts, thumbnails
from tl_keras.datasets.report.names import visible
from tl_keras.datasets.report.overview import Member, Overview
from tl_keras.errors import UsageError
from tl_keras.files import write_text
from tl_keras.sections import Data

SUFFIX = ".html"
TEMPLATE = "check.html.j2"
# Pictures of one section; the others are counted.
PICTURES = 60
# Of those, how many are seen before the reader asks for more.
AT_FIRST = 12
MEMBERS = 12
CLASSES_AT_FIRST = 40
# What brought the check's decoder down is not given to another one.
NOT_DRAWN = {"crash", "slow", "enormous"}


def require_page(path: Path) -> None:
    """Refuses a place for the page that would replace something else.

    Raises:
        UsageError: If the path is a folder or does not end in `.html`.
    """
    if path.suffix.lower() != SUFFIX or path.is_dir():
        raise UsageError(
            f"`--out` must be a file that ends in {SUFFIX}. Received: {str(path)!r}"
        )


def write(path: Path, overview: Overview, *, root: Path, data: Data) -> None:
    """Writes the page in one step.

    Args:
        path: Where to.
        overview: What the page shows.
        root: Folder that the paths of the images are relative to.
        data: The settings of the check.

    Raises:
        UsageError: If `path` is a folder or does not end in `.html`.
        StorageError: If the disk is full or the folder cannot be written.
    """
    require_page(path)
    write_text(path, render(overview, root=root, data=data))


def render(overview: Overview, *, root: Path, data: Data) -> str:
    """Returns the page.

    Args:
        overview: What the page shows.
        root: Folder that the paths of the images are relative to.
        data: The settings of the check.

    Returns:
        HTML.
    """
    lost = [one for one in overview.problems if one.policy != "warn"]
    page = _template().render(
        overview=overview,
        lost=lost,
        warnings=[one for one in overview.problems if one.policy == "warn"],
        groups={
            name: _shown(getattr(overview, name))
            for name in ("conflicts", "copies", "look_alikes")
        },
        steps=advice.steps(overview, data),
        scatter=charts.scatter(overview.shapes),
        largest_class=max((one.images for one in overview.classes), default=0),
        picture=_pictures(root, data),
        limits={
            "pictures": PICTURES,
            "at_first": AT_FIRST,
            "members": MEMBERS,
            "classes": CLASSES_AT_FIRST,
        },
        made=f"{datetime.now():%d %B %Y, %H:%M}".lstrip("0"),
    )
    # The macros leave empty lines before the first tag.
    return page.lstrip()


@cache
def _template() -> Template:
    """Returns the page's template, read once a process."""
    environment = Environment(
        loader=PackageLoader("tl_keras.datasets", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["capital"] = capital
    environment.filters["sentence"] = sentence
    environment.filters["bytes"] = in_short
    return environment.get_template(TEMPLATE)


def _pictures(root: Path, data: Data) -> Callable[[str, str], str | None]:
    """Returns the function from a path and its problem to a picture for the page."""

    @cache
    def of_file(path: str) -> str | None:
        return thumbnails.data_uri(root / path, data.background)

    return lambda path, kind="": None if kind in NOT_DRAWN else of_file(path)


def _shown(groups: tuple[tuple[Member, ...], ...]) -> list[tuple[Member, ...]]:
    """Returns the groups for which a section has room, the largest first."""
    room, found = PICTURES, []
    for group in sorted(groups, key=len, reverse=True):
        room -= min(len(group), MEMBERS)
        if room < 0:
            break
        found.append(group)
    return found


def capital(text: str) -> str:
    """Returns a text that starts with a capital letter."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Returns a text that starts and ends as a sentence does."""
    return capital(text) + ("" if text.endswith((".", "?", "!")) else ".")


def in_short(size: int) -> str:
    """Returns a number of bytes for a person: `72 bytes`, `1.4 KB`, `12 MB`."""
    if size < 1000:
        return f"{size} bytes"
    for unit in ("KB", "MB", "GB"):
        size /= 1000
        if size < 1000 or unit == "GB":
            return f"{size:.1f} {unit}" if size < 10 else f"{size:,.0f} {unit}"
    raise AssertionError(unit)
