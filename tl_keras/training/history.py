"""What each epoch gave: a CSV file, TensorBoard scalars and a line on the screen."""

import csv
import dataclasses
import io
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import tensorflow as tf

from tl_keras.files import write_text
from tl_keras.progress import say


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
        _log_scalars(self.folder / "logs", epoch)
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


def _log_scalars(folder: Path, epoch: Epoch) -> None:
    """Writes TensorBoard scalars: training and validation are two lines in one plot."""
    curves = {
        "train": {
            "epoch_loss": epoch.loss,
            "epoch_accuracy": epoch.accuracy,
            "epoch_learning_rate": epoch.learning_rate,
        }
    }
    if epoch.validated:
        curves["validation"] = {
            "epoch_loss": epoch.val_loss,
            "epoch_accuracy": epoch.val_accuracy,
        }
    for name, scalars in curves.items():
        writer = tf.summary.create_file_writer(str(folder / name))
        with writer.as_default():
            for tag, value in scalars.items():
                tf.summary.scalar(tag, value, step=epoch.epoch)
        writer.close()


def log_text(folder: Path, tag: str, text: str) -> None:
    """Writes a text to TensorBoard as it is: four spaces make a Markdown code block."""
    writer = tf.summary.create_file_writer(str(folder / "logs" / "train"))
    block = "\n".join(f"    {line}" for line in text.splitlines())
    with writer.as_default():
        tf.summary.text(tag, block, step=0)
    writer.close()


def log_picture(folder: Path, tag: str, png: Path, step: int) -> None:
    """Writes a PNG file to TensorBoard."""
    writer = tf.summary.create_file_writer(str(folder / "logs" / "validation"))
    image = tf.io.decode_png(tf.io.read_file(str(png)), channels=3)
    with writer.as_default():
        tf.summary.image(tag, image[tf.newaxis], step=step)
    writer.close()
