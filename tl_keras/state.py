"""How far a run is: `state.json`."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tl_keras.errors import StorageError
from tl_keras.files import write_json

STATE = "state.json"


@dataclass(frozen=True, kw_only=True)
class State:
    """How far a run is.

    Attributes:
        source: What it was trained on, as the user named it.
        root: Folder that the manifest's paths are relative to.
        done: Finished steps, in order.
        seconds: Duration of each finished step; over several tries they add up.
        export: The export's folder, once there is one.
    """

    source: str
    root: str
    done: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    export: str | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the state of a run.

        Raises:
            StorageError: If the file is missing or no state.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**values, "done": tuple(values["done"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(f"{path} cannot be read: {error!r}.") from None

    def save(self, path: Path) -> None:
        """Writes the state in one step."""
        write_json(path, dataclasses.asdict(self))

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
            **changes,
        )
