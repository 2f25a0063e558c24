"""Named lookup in the package's tables."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from tl_keras.errors import UsageError


def lookup(table: Mapping[str, Any], key: str, what: str) -> Any:
    """Returns `table[key]`, or says what would have worked.

    Args:
        table: Names and what they stand for.
        key: The name that the user gave.
        what: The kind of thing, for the message: "backbone", "source".

    Raises:
        UsageError: If `key` is not in `table`. It is a `ValueError` too.
    """
    if key in table:
        return table[key]
    raise UsageError(f"Unknown {what} {key!r}.{suggestion(key, table)}")


def suggestion(key: str, names: Iterable[str]) -> str:
    """Returns ` Did you mean …? Known: ….`, the end of every unknown-name error."""
    names = sorted(names)
    near = difflib.get_close_matches(str(key), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names)}."
