"""Fields of dataclasses that a user fills: checked, overridden, refused if unknown."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from tl_keras.errors import UsageError
from tl_keras.registry import suggestion

# YAML 1.1, which PyYAML reads, takes `1e-3` for text and only `1.0e-3` for a number.
EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?e[+-]?\d+", re.IGNORECASE)


def require(condition: bool, name: str, rule: str, value: Any) -> None:
    """Refuses a field's value with the rule that it breaks.

    Raises:
        UsageError: If `condition` does not hold.
    """
    if not condition:
        raise UsageError(f"`{name}` must be {rule}. Received: {value!r}")


def override(section: Any, changes: Mapping[str, Any], prefix: str) -> Any:
    """Returns a dataclass with some fields changed, sections below it included.

    Args:
        section: A dataclass whose fields are sections or plain values.
        changes: New values by name; of a section a dict of its fields. A section with
            a `name` takes that alone, too.
        prefix: What stands before the names in messages.

    Raises:
        UsageError: If a name is unknown or a value is of the wrong kind.
    """
    hints = get_type_hints(type(section))
    values = {}
    for name, value in changes.items():
        if name not in hints:
            known = suggestion(name, hints)
            raise UsageError(f"Unknown config key '{prefix}{name}'.{known}")
        current = getattr(section, name)
        if dataclasses.is_dataclass(current):
            if isinstance(value, str) and hasattr(current, "name"):
                value = {"name": value}
            if not isinstance(value, Mapping):
                raise UsageError(
                    f"`{prefix}{name}` must be a dict of fields. Received: {value!r}"
                )
            value = override(current, value, f"{prefix}{name}.")
        else:
            value = _checked(value, hints[name], prefix + name)
        values[name] = value
    return dataclasses.replace(section, **values)


def _checked(value: Any, hint: Any, name: str) -> Any:
    """Returns `value` where it is of the field's type; an int may stand for a float."""
    if get_origin(hint) is dict:
        require(isinstance(value, Mapping), name, "a dict", value)
        return dict(value)
    if get_origin(hint) is tuple:
        kind, _ = get_args(hint)
        fits = isinstance(value, list | tuple)
        fits = fits and all(type(item) is kind for item in value)
        require(fits, name, f"a list of {kind.__name__}", value)
        return tuple(value)
    allowed = getattr(hint, "__args__", (hint,))
    if float in allowed and isinstance(value, str) and EXPONENT.fullmatch(value):
        return float(value)
    if float in allowed and int not in allowed and type(value) is int:
        return float(value)
    # What a `Literal` allows are values, not types; `True == 1` must not pass for one.
    fits = any(
        type(value) is kind
        if isinstance(kind, type)
        else type(value) is type(kind) and value == kind
        for kind in allowed
    )
    readable = " or ".join(getattr(kind, "__name__", repr(kind)) for kind in allowed)
    require(fits, name, readable, value)
    return value
