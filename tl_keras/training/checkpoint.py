"""Everything that a phase needs to go on after its last finished epoch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import keras
import numpy as np

from tl_keras.errors import StorageError
from tl_keras.files import replacing

# How far two accuracies must lie apart to be different: about 95 % certainty.
STANDARD_ERRORS = 2


@dataclass
class Best:
    """The epoch to keep: the latest of those that validation cannot tell apart.

    The highest of many noisy accuracies is high by luck, too. An epoch within two
    standard errors of it is as good, for all that the validation images can say, and
    the latest of those has seen the lowest learning rate and the longest average. (With
    one standard error the rule is that of Breiman et al., Classification and Regression
    Trees, 1984, section 3.4.3.) Not by loss: in fine-tuning it rises, as the network
    grows more certain of its errors, while accuracy still rises too.

    Attributes:
        accuracy: The highest validation accuracy so far.
        epoch: Number of the kept epoch within the phase, from 1; 0 is what the phase
            started from.
        weights: Its weights, averaged ones where averaging is on.
    """

    accuracy: float
    epoch: int
    weights: list[np.ndarray]

    @classmethod
    def none_yet(cls) -> Self:
        """Returns a best that any epoch beats."""
        return cls(accuracy=-1.0, epoch=0, weights=[])

    def keeps(self, accuracy: float, images: int) -> bool:
        """Tells whether a later epoch is as good as the best.

        Args:
            accuracy: Its validation accuracy.
            images: How many images that was measured on.
        """
        highest = max(accuracy, self.accuracy)
        error = math.sqrt(highest * (1 - highest) / images)
        return accuracy >= highest - STANDARD_ERRORS * error


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
