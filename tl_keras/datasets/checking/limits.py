"""What a single file may take of the machine."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a single file may take.

    Attributes:
        pixels: Claimed by its header.
        seconds: Until the process is ended.
        bytes: Of memory, beyond what the process has when it starts.
    """

    pixels: int = 200_000_000
    seconds: float = 120.0
    bytes: int = 4 << 30
