"""Training from scratch in a learning curve: enough updates, and what they cost."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from tl_keras.architectures.names import ARCHITECTURES
from tl_keras.config import Config
from tl_keras.durations import readable
from tl_keras.progress import hushed, say
from tl_keras.registry import lookup

# Of few images, the usual batch and epochs would make a dozen updates: nothing is
# learnt from random weights in that.
LEAST_UPDATES, LEAST_BATCH, BATCHES, MOST_TIMES = 600, 8, 8, 4


def require_architecture(name: str, wanted: bool) -> None:
    """Refuses an unknown architecture before any long work.

    Raises:
        UsageError: If there is none of that name.
    """
    if wanted:
        lookup(ARCHITECTURES, name, "architecture")


def from_scratch(config: Config, architecture: str) -> Config:
    """Returns the config of a network from random weights, at its own image size."""
    size = ARCHITECTURES[architecture].image_size
    return config.override(
        scratch={"name": architecture}, backbone={"image_size": size}
    )


def enough(config: Config, images: int) -> Config:
    """Returns a config that makes enough updates of few images.

    Batches are smaller, and epochs up to four times as many; patience grows with them.

    Args:
        config: Of a training from scratch.
        images: Training images.
    """
    chosen = config.scratch
    batch = min(chosen.batch_size, max(LEAST_BATCH, images // BATCHES))
    wanted = -(-LEAST_UPDATES // max(1, images // batch))
    epochs = min(max(chosen.epochs, wanted), MOST_TIMES * chosen.epochs)
    patience = max(1, round(chosen.patience * epochs / chosen.epochs))
    changes = {"batch_size": batch, "epochs": epochs, "patience": patience}
    return config.override(scratch=changes)


def number(point: Any) -> int:
    """Returns the updates that a training makes at most."""
    images = len(point.manifest.split("train").rows)
    chosen = point.config.scratch
    return chosen.epochs * max(1, images // chosen.batch_size)


def with_progress(
    points: Sequence[Any], train: Callable[[Any], Any], architecture: str
) -> dict[Any, Any]:
    """Makes trainings from scratch, and says how long the others will take.

    Args:
        points: The trainings.
        train: Makes one.
        architecture: What is trained.

    Returns:
        What `train` returned, by point.
    """
    left = sum(map(number, points))
    say(
        f"From scratch: {len(points)} trainings of {architecture}, up to {left:,} "
        "updates (--no_scratch leaves them out)"
    )
    found, done, started = {}, 0, time.monotonic()
    for place, point in enumerate(points, start=1):
        before = time.monotonic()
        with hushed():
            found[point] = train(point)
        if time.monotonic() - before < 1:
            # It was finished before, or is too short to tell anything.
            started += time.monotonic() - before
        else:
            done += number(point)
        left -= number(point)
        seconds = (time.monotonic() - started) / done * left if done else 0
        rest = f", up to {readable(seconds)} left" if left and done else ""
        say(
            f"From scratch {place} of {len(points)}: {point.size} images a class, "
            f"accuracy {found[point].mean():.4f}{rest}"
        )
    return found
