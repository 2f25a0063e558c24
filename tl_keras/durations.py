"""Durations as people write them: `90s`, `5m`, `1h30m`."""

import re

from tl_keras.fields import require

WRITTEN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
# Seconds of an hour, a minute and a second.
UNITS = (3600, 60, 1)


def seconds(text: str, name: str) -> int:
    """Returns a duration in seconds.

    Args:
        text: Hours, minutes and seconds in this order, some of them left out.
        name: The field that holds it, for the message.

    Raises:
        UsageError: If it is written in another way, or is no time at all.
    """
    found = WRITTEN.fullmatch(text)
    parts = [int(part or 0) for part in found.groups()] if found else [0, 0, 0]
    total = sum(part * unit for part, unit in zip(parts, UNITS))
    require(total > 0, name, "a time such as 90s, 5m or 1h30m", text)
    return total


def readable(seconds: float) -> str:
    """Returns a duration as people read it: `8 s`, `2 min 05 s`, `1 h 30 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
