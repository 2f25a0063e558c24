"""Everything that a phase needs to go on after its last finished epoch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import keras
import numpy as np

from tl_keras.errors import StorageError
from tl_keras.files import replacing


@dataclass
class Best:
    """The best epoch so far, by validation accuracy; of equal ones the latest.

    Not by loss: in fine-tuning it rises, as the network grows more certain of its
    errors, while accuracy still rises too. And of equal epochs the latest has seen
    the lowest learning rate and the longest average.

    Attributes:
        accuracy: Its validation accuracy.
        epoch: Its number within the phase, from 1; 0 is what the phase started from.
        weights: Its weights, averaged ones where averaging is on.
    """

    accuracy: float
    epoch: int
    weights: list[np.ndarray]

    @classmethod
    def none_yet(cls) -> Self:
        """Returns a best that any epoch beats."""
        return cls(accuracy=-1.0, epoch=0, weights=[])


def save(path: Path, model: keras.Model, epoch: int, best: Best) -> None:
    """Writes weights, dropout seeds, optimizer and the best epoch in one step."""
    lists = {
        "model": [variable.numpy() for variable in model.variables],
        "optimizer": [variable.numpy() for variable in model.optimizer.variables],
        "best": best.weights,
    }
    arrays = {
        f"{name}_{index}": value
        for name, values in lists.items()
        for index, value in enumerate(values)
    }
    progress = np.array([epoch, best.epoch, best.accuracy])
    with replacing(path) as temporary:
        np.savez(temporary, progress=progress, **arrays)


def restore(path: Path, model: keras.Model) -> tuple[int, Best]:
    """Puts back what `save` wrote.

    Args:
        path: The checkpoint.
        model: A compiled model of the same graph.

    Returns:
        Finished epochs of the phase, and the best of them.

    Raises:
        StorageError: If the file is damaged or of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            epoch, best_epoch, best_accuracy = file["progress"]
            lists = {name: _list(file, name) for name in ("model", "optimizer", "best")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise StorageError(
            f"Checkpoint {path} is damaged ({error}). Delete it to repeat its phase."
        ) from None
    model.optimizer.build(model.trainable_variables)
    for variables, values in (
        (model.variables, lists["model"]),
        (model.optimizer.variables, lists["optimizer"]),
    ):
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [value.shape for value in values]:
            raise StorageError(
                f"Checkpoint {path} is of another model. Delete it to repeat its phase."
            )
        for variable, value in zip(variables, values):
            variable.assign(value)
    return int(epoch), Best(float(best_accuracy), int(best_epoch), lists["best"])


def _list(file: np.lib.npyio.NpzFile, name: str) -> list[np.ndarray]:
    """Returns the arrays `name_0`, `name_1`, …."""
    total = sum(key.startswith(f"{name}_") for key in file.files)
    return [file[f"{name}_{index}"] for index in range(total)]
