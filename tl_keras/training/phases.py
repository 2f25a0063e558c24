"""The two phases: train the head on frozen features, then fine-tune the last stages."""

import math
import time
from pathlib import Path

import numpy as np
import scipy.special

from tl_keras.config import Config
from tl_keras.datasets.batches import PLAIN_VIEW
from tl_keras.datasets.manifest import Manifest
from tl_keras.training import loop, pointwise
from tl_keras.training.cache import PrefixCache
from tl_keras.training.examples import Cached
from tl_keras.training.head import Classifier, solve
from tl_keras.training.history import Epoch, History


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
    if phase.solver == "gradient":
        return loop.train(
            classifier.trainable_part(0),
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
    weights = classifier.dense.get_weights()
    figures = _figures(weights, train) | _figures(weights, validation, "val_")
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
    part = classifier.trainable_part(phase.unfreeze)
    quick = pointwise.as_products(part)
    history = loop.train(
        quick,
        Cached((*plain.views, *views), plain.labels),
        _plain(cache, manifest, "validation", classifier, "cut"),
        name=name,
        phase=phase,
        seed=config.seed,
        history=history,
        save_to=checkpoint_path(history.folder, name),
    )
    pointwise.copy_weights(quick, part)
    return history


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
) -> Cached:
    """Returns a split's plain view; one pass gives both phases their inputs."""
    chosen = manifest.split(split)
    if not chosen.rows:
        return Cached((np.zeros((0, 0)),), np.zeros(0, int))
    outputs = ("cut", "pooled") if cache.unfreeze else ("pooled",)
    arrays = cache.read(chosen, outputs, what=split, view=PLAIN_VIEW)
    labels = np.array(chosen.labels(classifier.class_names))
    return Cached((arrays[output],), labels)


def _figures(
    weights: list[np.ndarray], examples: Cached, prefix: str = ""
) -> dict[str, float]:
    """Returns loss and accuracy of a solved head, NaN of no images."""
    if not len(examples.labels):
        return {f"{prefix}loss": math.nan, f"{prefix}accuracy": math.nan}
    kernel, bias = weights
    logits = examples.views[0] @ kernel + bias
    likelihood = scipy.special.log_softmax(logits, axis=1)
    loss = -likelihood[np.arange(len(examples.labels)), examples.labels].mean()
    accuracy = (logits.argmax(axis=1) == examples.labels).mean()
    return {f"{prefix}loss": float(loss), f"{prefix}accuracy": float(accuracy)}
