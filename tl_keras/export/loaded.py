"""An exported classifier, used from its folder alone."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import DataError, ExportError, UsageError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.decision import Decision
from tl_keras.evaluation.predictions import Prediction
from tl_keras.progress import track

LABELS_FILE = "labels.txt"
EXPORT_FILE = "export.json"
MODEL_FILE = "saved_model.pb"
# What a prediction takes from the manifest.
NEEDED = ("class_names", "image_size", "resize", "background", "outputs")


@dataclass(frozen=True)
class Export:
    """A SavedModel with its labels.

    Attributes:
        path: The numbered version's folder.
    """

    path: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `export.json` holds: backbone, metrics, versions, comparison.

        Raises:
            ExportError: If it is damaged.
        """
        path = self.path / EXPORT_FILE
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            missing = [name for name in NEEDED if name not in dict(facts)]
            if missing:
                raise ValueError(f"no {missing[0]!r} in it")
        except (OSError, ValueError, TypeError) as error:
            why = f"{path} cannot be read: {error!r}. Export the run anew."
            raise ExportError(why) from None
        return facts

    @property
    def background(self) -> tuple[int, ...]:
        """Red, green and blue in [0, 255] behind transparent pixels."""
        return tuple(self.facts["background"])

    @property
    def outputs(self) -> str:
        """What the probabilities are of: see `training.outputs`."""
        return self.facts["outputs"]

    @cached_property
    def decision(self) -> Decision:
        """The temperature that is in its graph, and the threshold."""
        try:
            return Decision.of(self.facts.get("decision"))
        except (ValueError, TypeError, AttributeError) as error:
            raise ExportError(f"{self.path / EXPORT_FILE} holds {error}.") from None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the probabilities."""
        return tuple(self.facts["class_names"])

    @property
    def square(self) -> Square:
        """What image files are made of before the network sees them."""
        return Square(
            side=self.facts["image_size"],
            resize=self.facts["resize"],
            background=self.background,
        )

    @cached_property
    def _model(self) -> Any:
        """The loaded model; its signatures live as long as it does."""
        try:
            return tf.saved_model.load(str(self.path))
        except (OSError, ValueError) as error:
            raise ExportError(f"{self.path} cannot be loaded: {error}") from None

    def classify(self, contents: list[bytes]) -> np.ndarray:
        """Returns the class probabilities of image files' contents.

        Args:
            contents: Each a JPEG, PNG, GIF, BMP or WebP file.

        Returns:
            float32, `(files, classes)`.

        Raises:
            tf.errors.InvalidArgumentError: If one of them is no usable image.
        """
        classify = self._model.signatures["serving_default"]
        found = classify(image_bytes=tf.constant(contents))
        bad = [error.decode() for error in found["error"].numpy() if error]
        if bad:
            raise tf.errors.InvalidArgumentError(None, None, bad[0])
        return found["probabilities"].numpy()

    def pixels(self, images: tf.Tensor) -> np.ndarray:
        """Returns the class probabilities of images that are decoded and resized.

        Args:
            images: uint8 RGB in [0, 255], `(batch, side, side, 3)`, as `square` makes
                them.

        Returns:
            float32, `(batch, classes)`.
        """
        classify = self._model.signatures["pixels"]
        return classify(images=tf.constant(images))["probabilities"].numpy()

    def predict(self, paths: Iterable[str | Path]) -> list[Prediction]:
        """Predicts image files; a bad one gets an `error` and spoils no other."""
        return predictions.of_files(
            paths,
            self.classify,
            self.class_names,
            kind=self.outputs,
            decision=self.decision,
        )

    def probabilities(self, manifest: Manifest) -> np.ndarray:
        """Returns the class probabilities of a manifest's images, in its order.

        Raises:
            DataError: If there are no images.
        """
        if not manifest.rows:
            raise DataError(f"{manifest.root} holds no image that could be predicted.")
        paths, size = manifest.paths, predictions.BATCH_SIZE
        chunks = [paths[first : first + size] for first in range(0, len(paths), size)]
        return np.concatenate(
            [
                self.classify([Path(path).read_bytes() for path in chunk])
                for chunk in track(chunks, "Predicting", len(paths), size)
            ]
        )


def find_export(path: str | Path) -> Export | None:
    """Returns the export at a path, the newest of its versions, or `None`.

    Args:
        path: A version's folder, or the folder that holds the versions.
    """
    path = Path(path)
    if (path / MODEL_FILE).is_file() and (path / EXPORT_FILE).is_file():
        return Export(path)
    if not path.is_dir():
        return None
    versions = [entry for entry in path.iterdir() if entry.name.isdecimal()]
    whole = [entry for entry in versions if (entry / EXPORT_FILE).is_file()]
    return Export(max(whole, key=lambda entry: int(entry.name))) if whole else None


def load(path: str | Path) -> Export:
    """Loads an export.

    Args:
        path: A version's folder, or the folder that holds the versions.

    Raises:
        UsageError: If there is no export.
    """
    found = find_export(path)
    if found is None:
        raise UsageError(
            f"{str(path)!r} holds no export: expected a folder with {MODEL_FILE} and "
            f"{EXPORT_FILE}, or one with numbered versions."
        )
    return found
