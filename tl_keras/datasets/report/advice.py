"""How a person goes on after a check: commands to copy."""

import dataclasses
import json
import shlex
from dataclasses import dataclass, replace
from typing import Any

from tl_keras.datasets.report.overview import Overview
from tl_keras.sections import Data


@dataclass(frozen=True, kw_only=True)
class Step:
    """One way on.

    Attributes:
        why: What it does, as the start of a sentence.
        command: To be copied into a shell.
    """

    why: str
    command: str


def steps(overview: Overview, data: Data) -> tuple[Step, ...]:
    """Returns the ways on, the most likely first.

    Args:
        overview: Of the check.
        data: The settings of the check.

    Returns:
        One step at least.
    """
    if overview.sound:
        return (_step("Train on these images", "train", overview, data),)
    again = _step("Check again once that is mended", "check", overview, data)
    errors = [one for one in overview.problems if one.policy == "error"]
    if not errors:
        return (again,)
    skip = replace(data, bad_files="skip")
    ways = [again, _step("Leave these files out", "check", overview, skip)]
    if any(one.convertible for one in errors):
        convert = replace(data, bad_files="convert")
        why = "Make PNGs of those that can be converted"
        ways.append(_step(why, "check", overview, convert))
    return tuple(ways)


def _step(why: str, command: str, overview: Overview, data: Data) -> Step:
    """Returns a step with the settings spelled out."""
    parts = ["tl-keras", command, overview.source, *flags(data)]
    return Step(why=why, command=shlex.join(parts))


def flags(data: Data) -> list[str]:
    """Returns the command line's flags for what differs from the defaults."""
    default = Data()
    found = []
    for field in dataclasses.fields(Data):
        value = getattr(data, field.name)
        if value != getattr(default, field.name):
            found += [f"--data.{field.name}", _spelled(value)]
    return found


def _spelled(value: Any) -> str:
    """Returns a value as the command line reads it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
