"""The learning rate to train with, found on the images themselves."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import keras
from matplotlib.figure import Figure

from tl_keras import preparation
from tl_keras.config import Config
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.sources.finding import Source
from tl_keras.errors import UsageError
from tl_keras.files import replacing, write_text
from tl_keras.progress import say
from tl_keras.training import finder, images, phases, products, rates
from tl_keras.training.examples import Examples
from tl_keras.training.finder import RangeTest
from tl_keras.training.head import Classifier, attach
from tl_keras.training.history import History
from tl_keras.training.inputs import Inputs

HEAD, FINE_TUNE = "head", "fine_tune"


def find_learning_rate(
    source: Source,
    *,
    config: Config | None = None,
    phase: str = FINE_TUNE,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    **overrides: Any,
) -> RangeTest:
    """Finds a learning rate by a range test: see `training.finder`.

    What the frozen part of the network computes is kept in the cache, where a second
    test and training find it. Nothing else is kept.

    Args:
        source: What `train` takes.
        config: What to train and how; `None` takes the defaults. With
            `scratch.name` the test is of the whole network.
        phase: Which phase's rate is looked for: `fine_tune`, which starts from the
            trained head, as in training, or `head`.
        lowest: The first rate.
        highest: The last rate.
        steps: How many rates to try; fewer where the images are few.
        **overrides: Changes to `config`, as `train` takes them.

    Returns:
        `.rates`, `.losses`, `.smoothed`, `.suggestion` and what led to it.

    Raises:
        UsageError: If a setting is wrong, or the phase has no learning rate.
        DataError: If the images cannot be trained on.
        TlKerasError: If the loss does not fall before it explodes.
    """
    config = (config or Config()).override(**overrides)
    _require_range(lowest, highest, steps)
    _require_rate(config, phase)
    preparation.prepare_tensorflow(config)
    config, manifest = preparation.prepare(source, config)
    built = preparation.build(config, manifest)
    shares: dict[str, float] = {}
    if config.scratch.name:
        model, section, kind = built.model, config.scratch, built.outputs
        train, _ = images.of_splits(
            manifest, built.image_size, manifest.class_names, config
        )
    else:
        classifier = attach(built, manifest.class_names, config.head)
        section = getattr(config, {HEAD: "head_phase"}.get(phase, phase))
        model, train = _part(classifier, manifest, config, phase)
        kind = classifier.outputs
        if phase == FINE_TUNE:
            shares = rates.by_block(built, section.unfreeze, section.layer_decay)
    say(f"Training at rising learning rates, {lowest:g} to {highest:g}")
    return finder.range_test(
        model,
        train,
        phase=section,
        seed=config.seed,
        kind=kind,
        balance=config.data.imbalance,
        multipliers=shares,
        lowest=lowest,
        highest=highest,
        steps=steps,
    )


def save(found: RangeTest, picture: Path) -> Path:
    """Draws a range test, and writes its points beside the picture.

    Args:
        found: The test.
        picture: The PNG file to write.

    Returns:
        The CSV file: rate, loss and smoothed loss of each step.

    Raises:
        StorageError: If a file cannot be written.
    """
    with replacing(picture) as temporary:
        _draw(found).savefig(temporary, format="png")
    table, text = picture.with_suffix(".csv"), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learning_rate", "loss", "smoothed"])
    writer.writerows(zip(found.rates, found.losses, found.smoothed))
    write_text(table, text.getvalue())
    return table


def _draw(found: RangeTest) -> Figure:
    """Returns the curve, with both suggestions marked."""
    figure = Figure(figsize=(7, 4.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, ".", color="0.7", label="Loss of a step")
    axes.plot(found.rates, found.smoothed, color="tab:blue", label="Smoothed")
    for rate, style, name in (
        (found.suggestion, "-", "Suggestion"),
        (found.steepest, "--", "Falls fastest"),
        (found.tenth, ":", "A tenth of the lowest point's"),
    ):
        label = f"{name}: {rate:.1e}"
        axes.axvline(rate, color="tab:red", linestyle=style, label=label)
    # The last losses may be many times higher than all that matters.
    sound = [loss for loss in found.losses if loss <= finder.EXPLODED * found.losses[0]]
    axes.set_ylim(0.9 * min(sound), 1.1 * max(sound))
    axes.set(xscale="log", xlabel="Learning rate", ylabel="Training loss")
    axes.legend(fontsize="small")
    return figure


def _part(
    classifier: Classifier, manifest: Manifest, config: Config, phase: str
) -> tuple[keras.Model, Examples]:
    """Returns what trains in a phase, as it is when the phase starts, and on what."""
    inputs = Inputs(classifier, manifest, config)
    if phase == HEAD:
        train, _ = inputs.of_head()
        return classifier.trainable_part(0), train
    with tempfile.TemporaryDirectory(prefix="tl_keras-") as folder:
        phases.train_head(classifier, manifest, config, History(Path(folder)))
    settings = config.fine_tune
    part = classifier.trainable_part(
        settings.unfreeze, train_batch_norm=settings.train_batch_norm
    )
    train, _ = inputs.at(settings.unfreeze)
    return products.as_products(part), train


def _require_range(lowest: float, highest: float, steps: int) -> None:
    """Refuses a range that is none.

    Raises:
        UsageError: If that is the case.
    """
    if not 0 < lowest < highest < float("inf"):
        raise UsageError(
            f"The learning rates must rise from above 0. Received: {lowest:g} to "
            f"{highest:g}"
        )
    if steps < finder.FEWEST_STEPS:
        raise UsageError(
            f"`steps` must be at least {finder.FEWEST_STEPS}, or there is no curve. "
            f"Received: {steps}"
        )


def _require_rate(config: Config, phase: str) -> None:
    """Refuses a phase that has no learning rate.

    Raises:
        UsageError: If that is the case.
    """
    if phase not in (HEAD, FINE_TUNE):
        raise UsageError(f"`phase` must be fine_tune or head. Received: {phase!r}")
    if config.scratch.name:
        return
    if phase == FINE_TUNE and not phases.fine_tunes(config):
        raise UsageError(
            "There is no fine-tuning to find a rate for: `fine_tune.unfreeze` or "
            "`fine_tune.epochs` is 0."
        )
    solved = config.head_phase.solver != "gradient" and not config.head.unsolvable
    if phase == HEAD and solved:
        raise UsageError(
            "The head is solved as a logistic regression, which has no learning rate: "
            "set head_phase.solver to gradient, or look for that of fine_tune."
        )
