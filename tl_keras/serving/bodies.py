"""Reading requests' bodies: none too large, not too many at once."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import Request

from tl_keras.serving.limits import Limits
from tl_keras.serving.refusals import TOO_LARGE, Refusal, bad, busy

# So many of the largest bodies may be in memory at once.
TOGETHER = 8
UNSUPPORTED = 415


class Bodies:
    """The bodies that are in memory.

    Attributes:
        held: Their bytes.
    """

    def __init__(self, limits: Limits) -> None:
        """Holds none yet."""
        self.held = 0
        self._most = limits.body_bytes

    @contextlib.asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """Gives a request's body, counted as long as it is used.

        Raises:
            Refusal: If it is too large, compressed, or too many others are held.
        """
        self._require_short(request)
        parts, size = [], 0
        try:
            async for part in request.stream():
                size += len(part)
                self.held += len(part)
                self._require(size)
                parts.append(part)
            body = b"".join(parts)
            parts.clear()
            yield body
        finally:
            self.held -= size

    def _require_short(self, request: Request) -> None:
        """Refuses by its headers what need not be read."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refusal(UNSUPPORTED, "Compressed bodies are not read.")
        claimed = request.headers.get("content-length", "0")
        if not claimed.isdecimal():
            raise bad("The content-length is no number.")
        self._require(int(claimed))

    def _require(self, size: int) -> None:
        """Refuses a body of some size, or any more of all of them."""
        if size > self._most:
            raise Refusal(
                TOO_LARGE, f"The body is larger than {self._most / 1e6:g} megabytes."
            )
        if self.held > TOGETHER * self._most:
            raise busy("Too much is being sent at once: try again in a moment.")
