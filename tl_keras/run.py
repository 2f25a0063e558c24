"""A run: its folder on disk, its state, and the classifier it trained."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.backbones import catalogue
from tl_keras.backbones.backbone import Backbone
from tl_keras.config import Config
from tl_keras.datasets.images import decode_and_resize
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.errors import StorageError, UsageError
from tl_keras.evaluation import predictions
from tl_keras.evaluation.decision import Decision
from tl_keras.evaluation.predictions import Prediction
from tl_keras.export import artifacts, precision, writing
from tl_keras.export.artifacts import NONE, SAVED_MODEL
from tl_keras.export.exportable import Exportable
from tl_keras.export.loaded import Export
from tl_keras.files import replacing, write_text
from tl_keras.state import STATE, State, versions
from tl_keras.training import checkpoint, events, outputs, scratch
from tl_keras.training.head import Classifier, attach
from tl_keras.training.history import History
from tl_keras.training.scratch import Network

CONFIG, MANIFEST = "config.yaml", "manifest.csv"
WEIGHTS, METRICS = "model.weights.h5", "metrics.json"
DECISION = "decision.json"


@dataclass(frozen=True)
class Run:
    """A run folder. Everything is read from it when it is asked for.

    Attributes:
        folder: `runs/<name>`.
        built: The pretrained backbone, or the network that is trained from random
            weights, where it is built already.
    """

    folder: Path
    built: Backbone | Network | None = field(default=None, repr=False, compare=False)

    @cached_property
    def config(self) -> Config:
        """What was trained and how."""
        return Config.from_yaml(self.folder / CONFIG)

    @cached_property
    def manifest(self) -> Manifest:
        """The images with their splits."""
        return Manifest.load(
            self.folder / MANIFEST,
            Path(self.state.root),
            classes=self.config.data.classes,
            multi_label=self.outputs == outputs.MULTI_LABEL,
        )

    @property
    def state(self) -> State:
        """How far the run is."""
        return State.load(self.folder / STATE)

    @property
    def history(self) -> History:
        """The epochs so far."""
        return History.load(self.folder)

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures on the test images, from `metrics.json`.

        Raises:
            UsageError: If the run is not evaluated yet.
            StorageError: If the file is damaged.
        """
        try:
            return json.loads((self.folder / METRICS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(
                f"{self.folder} has no {METRICS} yet: finish it by "
                f"`tl-keras resume {self.folder}`."
            ) from None
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.folder / METRICS}: {error!r}.") from None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the logits."""
        return self.manifest.class_names

    @property
    def background(self) -> tuple[int, ...]:
        """Red, green and blue in [0, 255] behind transparent pixels."""
        return self.config.data.background

    @property
    def outputs(self) -> str:
        """What the logits stand for: see `training.outputs`."""
        return self.config.head.outputs

    @cached_property
    def classifier(self) -> Classifier | Network:
        """The network with the weights of the last finished phase."""
        config = self.config
        if config.scratch.name:
            classifier = self.built or scratch.build(config, self.class_names)
        else:
            backbone = self.built or catalogue.load(
                config.backbone.name,
                weights=None if self.has_weights else config.backbone.weights,
                image_size=config.backbone.image_size,
            )
            classifier = attach(backbone, self.class_names, config.head)
        if self.has_weights:
            checkpoint.load_weights(classifier.model, self.folder / WEIGHTS)
        return classifier

    @property
    def square(self) -> Square:
        """What image files are made of before the network sees them."""
        return Square.of(self.config.data, self.classifier.image_size)

    @cached_property
    def classify(self) -> Callable[[tf.Tensor], np.ndarray]:
        """From a batch of pixels in [0, 255] to class probabilities."""
        return predictions.of_batch(
            self.classifier.model,
            self.classifier.outputs,
            temperature=self.decision.temperature,
        )

    @property
    def decision(self) -> Decision:
        """The temperature and the threshold, from `decision.json` if there is one."""
        return Decision.load(self.folder / DECISION)

    @property
    def has_weights(self) -> bool:
        """Tells whether a phase was finished."""
        return (self.folder / WEIGHTS).is_file()

    def require_trained(self) -> None:
        """Raises a `UsageError` where the classifier is still random."""
        if not self.has_weights:
            raise UsageError(
                f"Nothing is trained in {self.folder} yet. Go on with it by "
                f"`tl-keras resume {self.folder}`."
            )

    def finish(self, step: str, seconds: float, **changes: Any) -> None:
        """Notes that a step is done."""
        self.state.after(step, seconds, **changes).save(self.folder / STATE)

    def settle(self, config: Config) -> None:
        """Changes the config before the steps that read it."""
        write_text(self.folder / CONFIG, config.to_yaml())
        # It was read already.
        self.__dict__.pop("config", None)

    def decide(self, decision: Decision) -> None:
        """Changes the temperature and the threshold."""
        decision.save(self.folder / DECISION)
        # The temperature was built into it already.
        self.__dict__.pop("classify", None)

    def probabilities(self, manifest: Manifest) -> np.ndarray:
        """Returns the class probabilities of a manifest's images, in its order."""
        return predictions.probabilities(self.classify, manifest, self.square)

    def logits(self, manifest: Manifest) -> np.ndarray:
        """Returns the logits of a manifest's images, `(images, width)`."""
        call = predictions.logits_of_batch(self.classifier.model)
        return predictions.probabilities(call, manifest, self.square)

    def predict(self, paths: Iterable[str | Path]) -> list[Prediction]:
        """Predicts image files; a bad one gets an `error` and spoils no other.

        Raises:
            UsageError: If nothing is trained yet.
        """
        self.require_trained()
        decode = tf.function(lambda content: decode_and_resize(content, self.square))
        return predictions.of_files(
            paths,
            lambda contents: self.classify(
                tf.stack([decode(tf.constant(content)) for content in contents])
            ),
            self.class_names,
            kind=self.outputs,
            decision=self.decision,
        )

    def export(
        self,
        folder: str | Path,
        formats: Sequence[str] = (SAVED_MODEL,),
        quantize: Sequence[str] = (NONE,),
        accept_loss: bool = False,
    ) -> Export:
        """Writes a SavedModel and what else is asked for, each proven by a process.

        Args:
            folder: Where the next numbered version goes.
            formats: `saved_model`, which is always there, `litert`, `onnx`.
            quantize: What LiteRT models there are: `none`, `dynamic`, `float16`,
                `int8`.
            accept_loss: Whether a quantized model may lose any amount.

        Returns:
            The export; `.path` is the version's folder.

        Raises:
            UsageError: If the run is not trained and evaluated yet, or a format is
                unknown or needs a package.
            ExportError: If a model computes something else than the trained one.
            StorageError: If the folder cannot be written.
        """
        self.require_trained()
        asked = artifacts.wanted(formats, quantize)
        exportable = Exportable.of(precision.in_float32(self, Run))
        to, config = Path(folder), self.config.export
        return writing.write(exportable, to, config, asked, accept_loss)


def find_run(folder: str | Path) -> Run | None:
    """Returns the run in a folder, or `None` where there is none."""
    folder = Path(folder)
    whole = all((folder / name).is_file() for name in (CONFIG, MANIFEST, STATE))
    return Run(folder) if whole else None


def load_run(folder: str | Path) -> Run:
    """Opens a run folder.

    Raises:
        UsageError: If there is no run in it.
    """
    run = find_run(folder)
    if run is None:
        raise UsageError(
            f"{str(folder)!r} is no run folder: expected {CONFIG}, {MANIFEST} and "
            f"{STATE} in it."
        )
    return run


def refuse_existing(folder: Path, overwrite: bool) -> None:
    """Refuses a folder that is there, unless it is a run that may be overwritten.

    Raises:
        UsageError: If it is there.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise UsageError(
            f"Run folder {folder} exists. Choose another --name, go on with it by "
            f"`tl-keras resume {folder}`, or replace it with --overwrite."
        )
    if find_run(folder) is None:
        raise UsageError(
            f"{folder} exists and is no run folder: --overwrite does not touch it. "
            f"Choose another --name."
        )


def create(folder: Path, source: str, manifest: Manifest, config: Config) -> None:
    """Makes the run folder in one step, in the place of an old one if there is one.

    Raises:
        StorageError: If the folder cannot be written.
    """
    state = State(source=source, root=str(manifest.root), versions=versions())
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_text(temporary / CONFIG, config.to_yaml())
        manifest.save(temporary / MANIFEST)
        state.save(temporary / STATE)
        text = events.verbatim("config", config.to_yaml())
        events.write(temporary / events.LOGS, "config", [events.at(0, text)])


def remove_checkpoints(run: Run) -> None:
    """Frees what only an unfinished run needs."""
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
