"""What all our pages are made with: templates that escape, filters, page-wide rules.

Names of files and classes are untrusted: a template escapes all it is given.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from tl_keras.datasets.report.names import visible
from tl_keras.errors import UsageError

SUFFIX = ".html"
# Holds `page.css` and `macros.html.j2`, which all pages share.
SHARED = PackageLoader("tl_keras.datasets", "report")


def environment(*own: PackageLoader) -> Environment:
    """Returns the environment of a page's templates.

    Args:
        *own: Where the page's own templates are; the shared ones are found, too.
    """
    made = Environment(
        loader=ChoiceLoader([*own, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    return made


def require_page(path: Path) -> None:
    """Refuses a place for the page that would replace something else.

    Raises:
        UsageError: If the path is a folder or does not end in `.html`.
    """
    if path.suffix.lower() != SUFFIX or path.is_dir():
        raise UsageError(
            f"`--out` must be a file that ends in {SUFFIX}. Received: {str(path)!r}"
        )


def now() -> str:
    """Returns the date and time for a page's head."""
    return f"{datetime.now():%d %B %Y, %H:%M}".lstrip("0")


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


FILTERS: dict[str, Callable] = {
    "visible": visible,
    "capital": capital,
    "sentence": sentence,
    "bytes": in_short,
}
