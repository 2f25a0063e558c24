"""Measures engines against one another, and each against what Keras computes."""

import logging
import time
from collections.abc import Sequence

import numpy as np

from tl_keras.training.engines.engine import Workers

logger = logging.getLogger(__name__)

# Of an output's largest number. Engines add in another order than Keras does: at 224
# pixels that made up to 3e-6 of EfficientNet-Lite0, ResNet50 and VGG16, with random
# statistics up to 2e-4 of EfficientNetV2B0, whose sums cancel. float16, in which
# feature maps are kept, rounds by 5e-4. A wrong operation makes far more.
TOLERANCE = 1e-3

# Inputs a call, the likeliest first: time may be short.
SIZES = (8, 16, 4, 32, 64, 2)
# From here on more inputs a call save nothing.
LONG_CALL = 1.0
# Times the best: at the same size, where one call decides, and among all at the end.
HOPELESS, CLOSE = 2.0, 1.15
ROUNDS = 3


class NotEqual(Exception):
    """An engine computes something else than Keras."""


def verify(engine: Workers, inputs: np.ndarray, expected: Sequence[np.ndarray]) -> None:
    """Compares an engine's outputs with those of Keras.

    Raises:
        NotEqual: If an output differs by more than `TOLERANCE`.
    """
    found = engine(inputs)
    shapes = [[part.shape for part in parts] for parts in (found, expected)]
    if shapes[0] != shapes[1]:
        raise NotEqual(f"its outputs are {shapes[0]}, those of Keras {shapes[1]}")
    for place, (ours, theirs) in enumerate(zip(found, expected)):
        largest = np.abs(theirs).max() or 1.0
        difference = np.abs(ours - theirs).max() / largest
        # What is no number is not below the tolerance either.
        if not difference <= TOLERANCE:
            raise NotEqual(
                f"its output {place} differs from that of Keras by {difference:.1e} of "
                "the largest number"
            )


def fastest(
    engines: Sequence[Workers],
    sample: np.ndarray,
    expected: Sequence[np.ndarray],
    seconds: float,
) -> Workers | None:
    """Returns the engine that takes least time an input, its batch size set.

    They take turns, so that a slow spell of the machine meets all of them. One that
    fails or computes something else than Keras is left out, whatever the workers.

    Args:
        engines: The contestants; several may have one name.
        sample: Inputs, repeated to fill a batch.
        expected: What Keras makes of them.
        seconds: About how long this may take; one of them is measured in any case.

    Returns:
        The winner, or `None` where all were left out.
    """
    end = time.perf_counter() + seconds
    alive, took = list(engines), {}
    for size in SIZES:
        for engine in engines:
            if took and time.perf_counter() > end:
                break
            if engine not in alive or not _worth(size, engine, took):
                continue
            inputs, outputs = _filled(size, sample, expected)
            engine.batch_size = size
            try:
                verify(engine, inputs, outputs)
                # It takes fewer where the memory does not hold so many.
                if engine.batch_size == size:
                    took[engine, size] = _seconds(engine, inputs)
            except Exception as error:
                # Libraries raise what they like, and each of them is dispensable.
                leave_out(engine.name, error)
                alive = [one for one in alive if one.name != engine.name]
                took = {key: took[key] for key in took if key[0].name != engine.name}
        alive = _hopeful(alive, size, took)
    return _winner(took, sample, end)


def leave_out(name: str, error: Exception) -> None:
    """Says that an engine is not used, and why."""
    reason = str(error).strip().splitlines() or [""]
    logger.warning(
        "The engine %s is left out: %s: %s", name, type(error).__name__, reason[0]
    )


def _worth(size: int, engine: Workers, took: dict) -> bool:
    """Tells whether more inputs a call than before can be faster still."""
    smaller = [took[key] for key in took if key[0] is engine and key[1] < size]
    return not smaller or max(smaller) < LONG_CALL


def _filled(
    size: int, sample: np.ndarray, expected: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns so many inputs and their outputs, by repeating the sample."""
    places = np.arange(size) % len(sample)
    return sample[places], [part[places] for part in expected]


def _seconds(engine: Workers, inputs: np.ndarray) -> float:
    """Returns how long a call takes."""
    started = time.perf_counter()
    engine(inputs)
    return time.perf_counter() - started


def _hopeful(alive: list[Workers], size: int, took: dict) -> list[Workers]:
    """Returns the engines that are not much slower than the best at a size."""
    found = {engine: took.get((engine, size)) for engine in alive}
    best = min((one for one in found.values() if one), default=0.0)
    return [
        engine
        for engine in alive
        if found[engine] is None or found[engine] <= HOPELESS * best
    ]


def _winner(took: dict, sample: np.ndarray, end: float) -> Workers | None:
    """Measures the closest again, while there is time, and returns the best."""
    if not took:
        return None
    each = {key: seconds / key[1] for key, seconds in took.items()}
    limit = CLOSE * min(each.values())
    close = [key for key in each if each[key] <= limit]
    for _ in range(ROUNDS):
        for engine, size in close:
            if len(close) > 1 and time.perf_counter() < end:
                engine.batch_size = size
                inputs, _ = _filled(size, sample, [])
                spent = _seconds(engine, inputs) / size
                each[engine, size] = min(spent, each[engine, size])
    engine, size = min(each, key=each.get)
    engine.batch_size = size
    return engine
