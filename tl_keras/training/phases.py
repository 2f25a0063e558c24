"""The two phases: train the head on frozen features, then fine-tune the last stages."""

import math
import time
from pathlib import Path

import numpy as np

from tl_keras.config import Config
from tl_keras.datasets.batches import PLAIN_VIEW
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.progress import say
from tl_keras.training import (
    heads,
    images,
    imbalance,
    loop,
    outputs,
    pointwise,
    regression,
)
from tl_keras.training.cache.prefix import PrefixCache
from tl_keras.training.examples import Cached, Examples
from tl_keras.training.head import Classifier
from tl_keras.training.history import Epoch, History, log_text


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
    train, validation = (
        _cached(classifier, manifest, config, split, classifier.features)
        for split in ("train", "validation")
    )
    if phase.solver == "gradient" or classifier.config.unsolvable:
        return loop.train(
            classifier.trainable_part(0),
            train,
            validation,
            name=name,
            phase=phase,
            seed=config.seed,
            history=history,
            save_to=checkpoint_path(history.folder, name),
            kind=classifier.outputs,
            balance=config.data.imbalance,
        )
    started, kind = time.monotonic(), classifier.outputs
    weights = _solve(train, config, kind, history.folder)
    classifier.head.get_layer(heads.LOGITS).set_weights(weights)
    epoch = Epoch(
        epoch=1,
        phase=name,
        **_figures(weights, train, kind),
        **_figures(weights, validation, kind, "val_"),
        learning_rate=0.0,
        seconds=time.monotonic() - started,
    )
    return history.until(name, 0).add(epoch)


def fine_tune(
    classifier: Classifier,
    manifest: Manifest,
    config: Config,
    history: History,
    *,
    deadline: float | None = None,
) -> History:
    """Trains the last stages and the head on what the frozen stages computed once.

    Batch normalization stays in inference mode unless the config has it trained: its
    statistics were estimated on far more images than the new set has. Where nothing
    is frozen, images are read in every epoch, in other views each.

    Args:
        classifier: Its head and last stages are trained.
        manifest: The images with their splits.
        config: What to do.
        history: The epochs before.
        deadline: When to be done: see `loop.train`.

    Returns:
        The history with this phase's epochs.
    """
    name, phase = "fine_tune", config.fine_tune
    part = classifier.trainable_part(
        phase.unfreeze, train_batch_norm=phase.train_batch_norm
    )
    train, validation = _inputs(classifier, manifest, config)
    quick = pointwise.as_products(part)
    history = loop.train(
        quick,
        train,
        validation,
        name=name,
        phase=phase,
        seed=config.seed,
        history=history,
        save_to=checkpoint_path(history.folder, name),
        kind=classifier.outputs,
        balance=config.data.imbalance,
        deadline=deadline,
    )
    pointwise.copy_weights(quick, part)
    return history


def _inputs(
    classifier: Classifier, manifest: Manifest, config: Config
) -> tuple[Examples, Examples]:
    """Returns what the trained part reads: feature maps at the cut, or images."""
    if _streams(classifier, config):
        return images.of_splits(
            manifest, classifier.image_size, classifier.class_names, config
        )
    cut = _cache(classifier, config).cut(config.fine_tune.unfreeze)
    train, validation = (
        _cached(classifier, manifest, config, split, cut)
        for split in ("train", "validation")
    )
    return train, validation


def fine_tunes(config: Config) -> bool:
    """Tells whether there is a second phase."""
    return config.fine_tune.unfreeze != 0 and config.fine_tune.epochs > 0


def checkpoint_path(folder: Path, phase: str) -> Path:
    """Returns where a phase keeps its state."""
    return folder / "checkpoints" / f"{phase}.npz"


def _streams(classifier: Classifier, config: Config) -> bool:
    """Tells whether nothing is frozen, so that nothing can be computed once."""
    return classifier.backbone.last_frozen(config.fine_tune.unfreeze) is None


def _cache(classifier: Classifier, config: Config) -> PrefixCache:
    """Returns the cache of what the frozen part computes."""
    return PrefixCache(
        classifier.backbone,
        Path(config.data.cache_dir).expanduser() / "prefix",
        Square.of(config.data, classifier.image_size),
        config.augment,
        config.seed,
        config.cache,
    )


def _cached(
    classifier: Classifier, manifest: Manifest, config: Config, split: str, output: str
) -> Cached:
    """Returns an output of a split's images; one pass gives both phases theirs."""
    chosen = manifest.split(split)
    if not chosen.rows:
        return Cached.of(np.zeros(0, int), np.zeros((0, 0)))
    cache, views = _cache(classifier, config), 1
    wanted = [(PLAIN_VIEW, classifier.features)]
    if fine_tunes(config) and not _streams(classifier, config):
        views = config.augment.views if split == "train" else 1
        cut = cache.cut(config.fine_tune.unfreeze)
        wanted += [(view, cut) for view in range(views)]
    found = cache.read(chosen, wanted, what=split)
    labels = chosen.targets(classifier.class_names)
    return Cached(
        tuple(rows for (_, name), rows in found.items() if name == output), labels
    )


def _solve(train: Cached, config: Config, kind: str, folder: Path) -> list[np.ndarray]:
    """Returns kernel and bias of a linear head, and notes the penalty it has."""
    # They are mapped from disk, those of `flatten` in half precision.
    features = np.asarray(train.views[0], np.float32)
    balanced = config.data.imbalance != "none"
    if config.data.imbalance == imbalance.SAMPLING:
        say(
            "data.imbalance: a solved head has no epochs to draw classes equally often "
            "in; every class weighs the same instead"
        )
    l2 = config.head_phase.l2
    l2 = l2 or regression.choose_l2(features, train.labels, balanced=balanced)
    log_text(folder, "head_phase.l2", f"{l2:g}")
    return regression.solve(features, train.labels, l2, kind, balanced=balanced)


def _figures(
    weights: list[np.ndarray], examples: Cached, kind: str, prefix: str = ""
) -> dict[str, float]:
    """Returns loss and accuracy of a solved head, NaN of no images."""
    if not len(examples.labels):
        return {f"{prefix}loss": math.nan, f"{prefix}accuracy": math.nan}
    kernel, bias = weights
    logits = (np.asarray(examples.views[0]) @ kernel + bias).astype(float)
    found = np.asarray(outputs.probabilities(logits, kind))
    loss = -np.log(found[np.arange(len(examples.labels)), examples.labels]).mean()
    accuracy = (found.argmax(axis=1) == examples.labels).mean()
    return {f"{prefix}loss": float(loss), f"{prefix}accuracy": float(accuracy)}
