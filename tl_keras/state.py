"""How far a run is: `state.json`."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from tl_keras.errors import StorageError
from tl_keras.files import write_json

STATE = "state.json"
LIBRARIES = ("keras", "numpy", "scikit-learn", "tensorflow")


@dataclass(frozen=True, kw_only=True)
class State:
    """How far a run is.

    Attributes:
        source: What it was trained on, as the user named it.
        root: Folder that the manifest's paths are relative to.
        done: Finished steps, in order.
        seconds: Duration of each finished step; over several tries they add up.
        phase: The step under way, `None` between steps.
        epoch: Of a phase of training, its finished epochs that are on the disk.
        best: Number of the epoch that would be kept, and the highest validation
            accuracy so far, `None` where there is none.
        weights: sha256 of the weights' file that the last phase left; while a phase's
            weights are written, of those, too.
        versions: Of the libraries that decide about the numbers.
        export: The export's folder, once there is one.
    """

    source: str
    root: str
    done: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    phase: str | None = None
    epoch: int = 0
    best: dict[str, float | None] | None = None
    weights: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    export: str | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the state of a run.

        Raises:
            StorageError: If the file is missing or no state.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            lists = {name: tuple(values[name]) for name in ("done", "weights")}
            return cls(**{**values, **lists})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(f"{path} cannot be read: {error!r}.") from None

    def save(self, path: Path) -> None:
        """Writes the state in one step."""
        write_json(path, dataclasses.asdict(self))

    def during(self, step: str) -> Self:
        """Returns the state once a step has begun."""
        return dataclasses.replace(self, phase=step, epoch=0, best=None)

    def after(self, step: str, seconds: float, **changes: Any) -> Self:
        """Returns the state once a step is done.

        Args:
            step: Its name.
            seconds: How long it took, this time.
            **changes: Other fields' new values.
        """
        total = self.seconds.get(step, 0.0) + seconds
        return dataclasses.replace(
            self,
            done=tuple(dict.fromkeys((*self.done, step))),
            seconds={**self.seconds, step: round(total, 1)},
            **{"phase": None, "epoch": 0, "best": None, **changes},
        )

    def without(self, steps: Collection[str]) -> Self:
        """Returns the state before some steps: they are to be done again."""
        done = tuple(step for step in self.done if step not in steps)
        return dataclasses.replace(self, done=done, weights=())


def note_epoch(folder: Path, epoch: int, best: int, accuracy: float) -> None:
    """Notes that an epoch is on the disk, in a run's state where there is one.

    Args:
        folder: Of the run; parts of a study have no state.
        epoch: Finished epochs of the phase under way.
        best: Number of the one that would be kept.
        accuracy: The highest validation accuracy so far, NaN where there is none.
    """
    path = folder / STATE
    if path.exists():
        highest = None if math.isnan(accuracy) else accuracy
        found = {"epoch": best, "val_accuracy": highest}
        state = dataclasses.replace(State.load(path), epoch=epoch, best=found)
        state.save(path)


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that decide about the numbers."""
    found = {}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found


def changed(before: dict[str, str]) -> str:
    """Returns which libraries are others than they were, as text; empty if none is."""
    now = versions()
    return ", ".join(
        f"{name} {version} is now {now.get(name, 'missing')}"
        for name, version in before.items()
        if now.get(name) != version
    )
