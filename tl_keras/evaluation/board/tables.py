"""Tables in Markdown, with names in them that anybody may have given."""

import html
import re
from collections.abc import Iterable

from tl_keras.datasets.report.names import visible

# What Markdown, or its tables, would read as something else than itself.
MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|])")


def table(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Returns a table of two columns in Markdown.

    Args:
        heads: What stands above them.
        rows: The cells; they are shown as they are, whatever is in them.
    """
    shown = tuple(cell(head) for head in heads)
    lines = (shown, ("---", "---"), *((cell(a), cell(b)) for a, b in rows))
    return "\n".join(f"| {first} | {second} |" for first, second in lines)


def cell(text: str) -> str:
    """Returns a text that Markdown shows as it is, on one line."""
    # HTML's own characters first: Markdown passes tags through.
    shown = html.escape(visible(text), quote=False)
    # Between the two, `&lt;` stays whole: neither `&` nor `;` is Markdown's.
    return MARKUP.sub(r"\\\1", shown)
