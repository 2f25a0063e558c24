"""What is asked of a file and what it gave: how that travels and is stored."""

import base64
import json
import os
import sys
from dataclasses import asdict, astuple, dataclass, field
from typing import Any, Self

from tl_keras.datasets.checking.findings import Facts


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file that was not changed is known.

    Attributes:
        size: Bytes.
        mtime_ns: When its content was changed, in nanoseconds.
        ctime_ns: When its content, name or rights were changed, in nanoseconds.
    """

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Takes what the system says of a file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What the examination of a file gave.

    Attributes:
        sha256: Of the file's bytes; empty where they were not read.
        pixels: sha256 of shape and decoded, upright pixels; empty where there are
            none.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        phash: Perceptual hash of the pixels, 64 bits.
        facts: What the header says.
        problems: `(kind, detail)` of each thing that is wrong or odd.
    """

    sha256: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    phash: int = 0
    facts: Facts = field(default_factory=Facts)
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the problems."""
        return tuple(kind for kind, _ in self.problems)

    def to_json(self) -> str:
        """Returns what `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: If it is not that.
        """
        try:
            values = json.loads(text)
            facts = values.pop("facts")
            for name in ("format", "mode"):
                # A few words, and 200,000 files: each word is kept once.
                facts[name] = sys.intern(facts[name])
            problems = tuple((kind, text) for kind, text in values.pop("problems"))
            return cls(**values, facts=Facts(**facts), problems=problems)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no result of an examination: {error!r}") from None


@dataclass(frozen=True, kw_only=True)
class Task:
    """A file to be examined.

    Attributes:
        index: Of the manifest's row.
        key: By which the store knows the file.
        path: The file.
        target: Where it is converted to first; empty for not at all.
        background: Colour behind transparent pixels.
    """

    index: int
    key: str
    path: str
    target: str = ""
    background: tuple[int, ...] = (255, 255, 255)

    def order(self) -> dict[str, Any]:
        """Returns what the child needs to know."""
        return {
            "path": self.path,
            "target": self.target,
            "background": list(self.background),
        }


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a task.

    Attributes:
        result: What was found.
        stamp: Of the file that was read; `None` where the child died of it.
        thumbnail: uint8 RGB, `(16, 16, 3)`; empty where there are no pixels.
    """

    result: Result
    stamp: Stamp | None = None
    thumbnail: bytes = b""

    def to_json(self) -> str:
        """Returns what `from_json` reads, in one line."""
        values = {
            "stamp": astuple(self.stamp),
            "result": self.result.to_json(),
            "thumbnail": base64.b64encode(self.thumbnail).decode(),
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote."""
        values = json.loads(text)
        return cls(
            result=Result.from_json(values["result"]),
            stamp=Stamp(*values["stamp"]),
            thumbnail=base64.b64decode(values["thumbnail"]),
        )
