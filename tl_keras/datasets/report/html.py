"""The page that shows what a check found: one HTML file that needs nothing else.

Names of files and classes are untrusted: the template escapes all it is given, and
the page forbids itself scripts and requests.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Template

from tl_keras.datasets.report import advice, charts, templates, thumbnails
from tl_keras.datasets.report.overview import Member, Overview
from tl_keras.files import write_text
from tl_keras.sections import Data

TEMPLATE = "check.html.j2"
# Pictures of one section; the others are counted.
PICTURES = 60
# Of those, how many are seen before the reader asks for more.
AT_FIRST = 12
MEMBERS = 12
CLASSES_AT_FIRST = 40
# What brought the check's decoder down is not given to another one.
NOT_DRAWN = {"crash", "slow", "enormous"}


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
    templates.require_page(path)
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
        made=templates.now(),
    )
    # The macros leave empty lines before the first tag.
    return page.lstrip()


@cache
def _template() -> Template:
    """Returns the page's template, read once a process."""
    return templates.environment().get_template(TEMPLATE)


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
