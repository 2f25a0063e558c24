"""The two phases: train the head on frozen features, then fine-tune the last stages.

In this order, and the second from where the first ends, whatever the head: from a
random head, fine-tuning pulls the pretrained features out of shape while the head is
wrong (LP-FT: Kumar et al., 2022, https://arxiv.org/abs/2202.10054). A linear head is
solved, so that fine-tuning starts from the best one there is on those features; a head
with more in it is trained.
"""

import dataclasses
import math
import time
from pathlib import Path

import keras
import numpy as np

from tl_keras.config import Config, FineTune
from tl_keras.datasets.manifest import Manifest
from tl_keras.progress import say
from tl_keras.training import (
    checkpoint,
    events,
    gradual,
    heads,
    imbalance,
    loop,
    outputs,
    products,
    progressive,
    rates,
    regression,
)
from tl_keras.training.examples import Cached
from tl_keras.training.head import Classifier
from tl_keras.training.history import Epoch, History
from tl_keras.training.inputs import Inputs, Pair

HEAD, FINE_TUNE = "head", "fine_tune"


def train_head(
    classifier: Classifier,
    manifest: Manifest,
    config: Config,
    history: History,
    *,
    whole: Manifest | None = None,
) -> History:
    """Trains the head on the features of the frozen backbone, computed once.

    Args:
        classifier: Its head is trained; its backbone stays as it is.
        manifest: The images with their splits.
        config: What to do.
        history: The epochs before: none.
        whole: Images whose features are computed together: see `Inputs`.

    Returns:
        The history with this phase's epochs: one where the head is solved.
    """
    name, phase = HEAD, config.head_phase
    train, validation = Inputs(classifier, manifest, config, whole).of_head()
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
    whole: Manifest | None = None,
) -> History:
    """Trains the last stages and the head on what the frozen stages computed once.

    Batch normalization stays in inference mode unless the config has it trained: its
    statistics were estimated on far more images than the new set has. Where nothing
    is frozen, images are read in every epoch, in other views each.

    With gradual unfreezing the phase has several parts (see `gradual`), each with its
    own schedule and checkpoint; each starts from the weights that the one before kept.

    Args:
        classifier: Its head and last stages are trained.
        manifest: The images with their splits.
        config: What to do.
        history: The epochs before.
        deadline: When to be done: see `loop.train`. Parts behind the first are left
            out where there is no time for an epoch.
        whole: Images whose feature maps are computed together: see `Inputs`.

    Returns:
        The history with this phase's epochs.
    """
    read = Inputs(classifier, manifest, config, whole)
    parts = gradual.steps(classifier.backbone, config.fine_tune)
    settled = 0
    for number, phase in enumerate(parts):
        name = f"{FINE_TUNE}_{number + 1}" if len(parts) > 1 else FINE_TUNE
        save_to = checkpoint_path(history.folder, name)
        if (
            number
            and not checkpoint.exists(save_to)
            and _out_of_time(history, deadline)
        ):
            say(
                f"{FINE_TUNE}: no time for parts that train more, from unfreeze "
                f"{phase.unfreeze} on"
            )
            break
        # Whatever was drawn before, in a run that was not resumed here or there.
        keras.utils.set_random_seed(config.seed + number)
        trained = _train_part(
            classifier,
            read.at(phase.unfreeze),
            phase=phase,
            config=config,
            seed=config.seed + number,
            history=dataclasses.replace(history, settled=settled),
            save_to=save_to,
            deadline=deadline,
        )
        settled = len(trained.of(FINE_TUNE))
        # A part that was finished before gives its own epochs only; those of the parts
        # behind it are still to be resumed.
        history = max(trained, history, key=lambda one: len(one.epochs))
    history.keep()
    return dataclasses.replace(history, settled=0)


def _out_of_time(history: History, deadline: float | None) -> bool:
    """Tells whether one more epoch, as long as the last one, would end too late."""
    if deadline is None:
        return False
    return time.monotonic() + history.epochs[-1].seconds > deadline


def _train_part(
    classifier: Classifier,
    examples: Pair,
    *,
    phase: FineTune,
    config: Config,
    seed: int,
    history: History,
    save_to: Path,
    deadline: float | None,
) -> History:
    """Fine-tunes what lies behind one freeze boundary, from the weights as they are."""
    part = classifier.trainable_part(
        phase.unfreeze, train_batch_norm=phase.train_batch_norm
    )
    quick = products.as_products(part)
    learn = progressive.train if phase.start_size else loop.train
    history = learn(
        quick,
        *examples,
        name=FINE_TUNE,
        phase=phase,
        seed=seed,
        history=history,
        save_to=save_to,
        kind=classifier.outputs,
        balance=config.data.imbalance,
        deadline=deadline,
        multipliers=rates.by_block(
            classifier.backbone, phase.unfreeze, phase.layer_decay
        ),
    )
    products.copy_weights(quick, part)
    return history


def fine_tunes(config: Config) -> bool:
    """Tells whether there is a second phase."""
    return gradual.trains(config.fine_tune)


def checkpoint_path(folder: Path, phase: str) -> Path:
    """Returns where a phase keeps its state."""
    return folder / "checkpoints" / f"{phase}.npz"


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
    noted = events.verbatim("head_phase.l2", f"{l2:g}")
    events.write(folder / events.LOGS, "l2", [events.at(0, noted)])
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
