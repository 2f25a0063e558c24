"""What each epoch gave: a CSV file, TensorBoard scalars and a line on the screen."""

import csv
import dataclasses
import io
import math
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event

from tl_keras.files import write_text
from tl_keras.progress import say
from tl_keras.training import events

CURVES = "curves"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch's figures.

    Attributes:
        epoch: Number on the one axis of all phases, from 1.
        phase: `head`, `fine_tune` or `scratch`.
        loss: Training loss.
        accuracy: Training accuracy.
        val_loss: Validation loss; NaN where there are no validation images.
        val_accuracy: Validation accuracy, likewise.
        learning_rate: At the end of the epoch; 0 where the head was solved.
        seconds: Duration.
    """

    epoch: int
    phase: str
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float

    @property
    def validated(self) -> bool:
        """Tells whether there were validation images."""
        return not math.isnan(self.val_loss)


@dataclass(frozen=True)
class History:
    """The epochs of a run so far, kept in its folder.

    Attributes:
        folder: The run's folder.
        epochs: In order, all phases.
        settled: Epochs of the phase under way that its finished parts have made; the
            part under way counts its own behind them.
    """

    folder: Path
    epochs: tuple[Epoch, ...] = ()
    settled: int = 0

    def of(self, phase: str) -> list[Epoch]:
        """Returns one phase's epochs."""
        return [epoch for epoch in self.epochs if epoch.phase == phase]

    def add(self, epoch: Epoch) -> Self:
        """Writes one more epoch down, and shows it."""
        longer = dataclasses.replace(self, epochs=(*self.epochs, epoch))
        longer._save()
        _log(longer.epochs, self.folder / events.LOGS)
        phase = epoch.phase.replace("_", "-")
        line = (
            f"{phase} epoch {len(longer.of(epoch.phase))}: "
            f"loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.4f}"
        )
        if epoch.validated:
            line += (
                f", validation loss {epoch.val_loss:.4f}, "
                f"accuracy {epoch.val_accuracy:.4f}"
            )
        say(f"{line} ({epoch.seconds:.1f} s)")
        return longer

    def keep(self) -> None:
        """Writes the epochs down where the file has fewer.

        A part that is repeated, as its checkpoint was damaged, ends the file with its
        own epochs; those of the parts behind it are still right.
        """
        if len(type(self).load(self.folder).epochs) < len(self.epochs):
            self._save()

    def until(self, phase: str, epochs: int) -> Self:
        """Returns the history up to a number of epochs of a phase, to resume there.

        Where the phase has several parts, of the part under way.
        """
        before = [epoch for epoch in self.epochs if epoch.phase != phase]
        if phase == "head":
            before = []
        kept = (*before, *self.of(phase)[: self.settled + epochs])
        return dataclasses.replace(self, epochs=kept)

    def _save(self) -> None:
        text = io.StringIO()
        names = [field.name for field in fields(Epoch)]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(epoch) for epoch in self.epochs)
        write_text(self.folder / "history.csv", text.getvalue())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a run's history; there is none before its first epoch."""
        path = folder / "history.csv"
        if not path.exists():
            return cls(folder)
        kinds = {field.name: field.type for field in fields(Epoch)}
        with path.open(encoding="utf-8", newline="") as file:
            epochs = tuple(
                Epoch(**{name: kinds[name](value) for name, value in row.items()})
                for row in csv.DictReader(file)
            )
        return cls(folder, epochs)


def _log(epochs: tuple[Epoch, ...], folder: Path) -> None:
    """Adds the last epoch to TensorBoard's curves.

    Training and validation are two lines in one chart: the tags are the same.
    """
    ends = _ends(epochs)
    training = [_at(epoch, _of_training(epoch), ends) for epoch in epochs]
    events.extend(folder / events.TRAIN, CURVES, training[:-1], training[-1:])
    validated = [epoch for epoch in epochs if epoch.validated]
    if epochs[-1].validated:
        held_out = [_at(epoch, _of_validation(epoch), ends) for epoch in validated]
        events.extend(folder / events.VALIDATION, CURVES, held_out[:-1], held_out[-1:])


def _at(epoch: Epoch, values: dict[str, float], ends: dict[int, float]) -> Event:
    """Returns an epoch's values with their place and time."""
    return events.at(epoch.epoch, events.scalars(values), ends[epoch.epoch])


def _of_training(epoch: Epoch) -> dict[str, float]:
    """Returns what stands in the charts of training."""
    return {
        "epoch_loss": epoch.loss,
        "epoch_accuracy": epoch.accuracy,
        "epoch_learning_rate": epoch.learning_rate,
        "epoch_seconds": epoch.seconds,
    }


def _of_validation(epoch: Epoch) -> dict[str, float]:
    """Returns what stands in the charts of validation."""
    return {"epoch_loss": epoch.val_loss, "epoch_accuracy": epoch.val_accuracy}


def _ends(epochs: tuple[Epoch, ...]) -> dict[int, float]:
    """Returns when each epoch ended, were there no pause between them and now."""
    ends, end = {}, time.time()
    for epoch in reversed(epochs):
        ends[epoch.epoch] = end
        end -= epoch.seconds
    return ends
