"""What a request may take of the machine, and how requests wait."""

import math
from dataclasses import dataclass

from tl_keras.fields import require

MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may take, and how requests wait.

    Attributes:
        body_mb: Greatest size of a request's body, in megabytes; images in it are
            base64, a third larger than their files.
        megapixels: Greatest size of an image as its header claims it, in millions of
            pixels; no more are decoded at once.
        images: Most images a request.
        batch: Most images that the model takes at once, of one request or of several
            that are joined.
        wait_ms: Longest wait for another request to join, in milliseconds.
        queue: Most images that wait for the model; a request with more is told to
            come back.
        seconds: Longest time from a request's first byte to its answer.
    """

    body_mb: float = 32.0
    megapixels: float = 50.0
    images: int = 64
    batch: int = 32
    wait_ms: float = 4.0
    queue: int = 256
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("body_mb", "megapixels", "seconds"):
            value = getattr(self, name)
            require(0 < value < math.inf, name, "positive", value)
        for name in ("images", "batch"):
            value = getattr(self, name)
            require(value >= 1, name, "at least 1", value)
        rule = f"at least images, {self.images}"
        require(self.queue >= self.images, "queue", rule, self.queue)
        fits = 0 <= self.wait_ms < math.inf
        require(fits, "wait_ms", "at least 0", self.wait_ms)

    @property
    def body_bytes(self) -> int:
        """Most bytes of a body."""
        return int(self.body_mb * MEGA)

    @property
    def pixels(self) -> int:
        """Most pixels of an image, and of those that are decoded at once."""
        return int(self.megapixels * MEGA)
