"""The two phases: train the head on frozen features, then fine-tune the last stages."""

import time
from pathlib import Path

import keras
import numpy as np

from tl_keras.config import Config
from tl_keras.datasets.batches import PLAIN_VIEW
from tl_keras.datasets.manifest import Manifest
from tl_keras.training import loop
from tl_keras.training.cache import PrefixCache
from tl_keras.training.head import Classifier, solve
from tl_keras.training.history import Epoch, History
from tl_keras.training.loop import Examples


def train_head(
    classifier: Classifier, manifest: Manifest, config: Config, history: History
) -> History:
    """Trains the head on the features of the frozen backbone, computed once.

    Args:
        classifier: Its head is trained; its backbone stays as it is.
        manifest: The images with their splits.
        config: What to do.
        history: The epochs before: none.

    Returns:
        The history with this phase's epochs: one where the head is solved.
    """
    name, phase = "head", config.head_phase
    cache = _cache(classifier, config)
    train = _plain(cache, manifest, "train", classifier, "pooled")
    validation = _plain(cache, manifest, "validation", classifier, "pooled")
    model = classifier.trainable_part(0)
    if phase.solver == "gradient":
        return loop.train(
            model,
            train,
            validation,
            name=name,
            phase=phase,
            seed=config.seed,
            history=history,
            save_to=checkpoint_path(history.folder, name),
        )
    started = time.monotonic()
    classifier.dense.set_weights(solve(train.views[0], train.labels, phase.l2))
    figures = _evaluate(model, train) | _evaluate(model, validation, "val_")
    epoch = Epoch(
        epoch=1,
        phase=name,
        **figures,
        learning_rate=0.0,
        seconds=time.monotonic() - started,
    )
    return history.until(name, 0).add(epoch)


def fine_tune(
    classifier: Classifier, manifest: Manifest, config: Config, history: History
) -> History:
    """Trains the last stages and the head on what the frozen stages computed once.

    Batch normalization stays in inference mode: its statistics were estimated on far
    more images than the new set has.

    Args:
        classifier: Its head and last stages are trained.
        manifest: The images with their splits.
        config: What to do.
        history: The epochs before.

    Returns:
        The history with this phase's epochs.
    """
    name, phase = "fine_tune", config.fine_tune
    cache = _cache(classifier, config)
    plain = _plain(cache, manifest, "train", classifier, "cut")
    views = [
        cache.read(
            manifest.split("train"),
            ("cut",),
            what=f"train, view {view}",
            augment=config.augment,
            view=view,
            seed=config.seed,
        )["cut"]
        for view in range(1, config.augment.views)
    ]
    return loop.train(
        classifier.trainable_part(phase.unfreeze),
        Examples((*plain.views, *views), plain.labels),
        _plain(cache, manifest, "validation", classifier, "cut"),
        name=name,
        phase=phase,
        seed=config.seed,
        history=history,
        save_to=checkpoint_path(history.folder, name),
    )


def fine_tunes(config: Config) -> bool:
    """Tells whether there is a second phase."""
    return config.fine_tune.unfreeze > 0 and config.fine_tune.epochs > 0


def checkpoint_path(folder: Path, phase: str) -> Path:
    """Returns where a phase keeps its state."""
    return folder / "checkpoints" / f"{phase}.npz"


def _cache(classifier: Classifier, config: Config) -> PrefixCache:
    """Returns the cache of the part that stays frozen in both phases."""
    unfreeze = config.fine_tune.unfreeze if fine_tunes(config) else 0
    folder = Path(config.data.cache_dir).expanduser() / "prefix"
    return PrefixCache(classifier.backbone, unfreeze, folder)


def _plain(
    cache: PrefixCache,
    manifest: Manifest,
    split: str,
    classifier: Classifier,
    output: str,
) -> Examples:
    """Returns a split's plain view; one pass gives both phases their inputs."""
    chosen = manifest.split(split)
    outputs = ("cut", "pooled") if cache.unfreeze else ("pooled",)
    arrays = cache.read(chosen, outputs, what=split, view=PLAIN_VIEW)
    labels = np.array(chosen.labels(classifier.class_names))
    return Examples((arrays[output],), labels)


def _evaluate(
    model: keras.Model, examples: Examples, prefix: str = ""
) -> dict[str, float]:
    """Returns loss and accuracy of a solved head."""
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    loss, accuracy = model.evaluate(
        np.asarray(examples.views[0]), examples.labels, verbose=0
    )
    return {f"{prefix}loss": float(loss), f"{prefix}accuracy": float(accuracy)}
