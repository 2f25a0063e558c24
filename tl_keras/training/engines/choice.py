"""Which engine runs a network: the fastest here, if it computes what Keras does."""

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf

from tl_keras import cores
from tl_keras.config import Config
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.registry import lookup
from tl_keras.training.engines import contest, graph, litert, onnx_runtime
from tl_keras.training.engines.engine import Engine, Workers
from tl_keras.training.engines.memory import Choice, Memory

AUTO = "auto"
# By conversion of the constant graph; in the order in which they are tried.
CONVERTED = {litert.NAME: litert, onnx_runtime.NAME: onnx_runtime}

# Inputs on which an engine must agree with Keras.
COMPARED = 8
# Of so few inputs measuring one call is a waste.
FEW = 4 * COMPARED
# The constant graph is about as fast at 8 to 32 inputs a call.
DEFAULT_BATCH, GPU_BATCH = 16, 64
# A conversion takes about so many times as long as making the constant graph, which
# knows how busy the machine is: of EfficientNet-Lite0, MobileNetV2, ResNet50 and VGG16
# 0.7 to 5.2 times by LiteRT, 1.7 to 6.0 times by ONNX Runtime.
CONVERSION = 4.0
# What other engines save of the graph's time: a tenth of ResNet50's, half of
# MobileNetV2's.
SAVED = 0.3
# Share of the graph's time for all inputs that measuring may take, and seconds of it.
MEASURED, MOST_MEASURED = 0.08, 20.0
# Of measuring where one engine was named, and no other one says how fast it may be.
SECONDS_AN_INPUT = 1e-3
# More workers than this need much memory; each has several threads, then.
MOST_WORKERS = 8


def choose(
    model: keras.Model,
    sample: np.ndarray,
    *,
    total: int,
    name: str = AUTO,
    folder: str | Path | None = None,
) -> Engine:
    """Returns an engine for a network, the fastest one of those that are right.

    Where TensorFlow sees a GPU that is the constant graph. Elsewhere the engines are
    converted, compared with Keras and measured on the sample, unless so few inputs
    are to be run that this would take longer than it saves.

    Args:
        model: A functional model with one input.
        sample: Some of its inputs, 16 or so: uint8 images, or float16 feature maps.
        total: How many inputs are to be run: for few, nothing is converted.
        name: `auto`, or an engine by name, which then is not measured against others.
        folder: Where choices and conversions are remembered; `None` forgets them.

    Raises:
        UsageError: If the engine is unknown, or its packages are not installed.
        TlKerasError: If the engine that was named cannot run this network, or
            computes something else than Keras.
    """
    started = time.perf_counter()
    frozen = graph.constant_graph(model, sample.dtype)
    seconds = time.perf_counter() - started
    few = sample[:COMPARED]
    memory = Memory(model, sample, Path(folder) if folder else None)
    network = _Network(model, frozen, few, memory, seconds)
    if name == AUTO:
        return _automatic(network, total)
    return _named(network, name, total)


def name_for(config: Config) -> str:
    """Returns the engine of a config: no clock chooses where all is to be repeated."""
    return graph.NAME if config.deterministic else config.cache.engine


@dataclass(frozen=True)
class _Network:
    """What all engines are made of and compared with.

    Attributes:
        model: The network.
        frozen: It as a constant graph.
        sample: Inputs.
        memory: What is known of it from before.
        seconds: How long making the graph took: conversions take a multiple.
    """

    model: keras.Model
    frozen: Callable[[tf.Tensor], list[tf.Tensor]]
    sample: np.ndarray
    memory: Memory
    seconds: float

    @cached_property
    def expected(self) -> list[np.ndarray]:
        """What Keras makes of the sample."""
        outputs = self.model(self.sample.astype(np.float32), training=False)
        return [np.asarray(part, np.float32) for part in tf.nest.flatten(outputs)]

    def converted(self, kind: ModuleType) -> bytes:
        """Returns it in a library's format, converted unless that is remembered."""
        found = self.memory.converted(kind.SUFFIX)
        if found is None:
            found = kind.convert(self.frozen)
            self.memory.keep(kind.SUFFIX, found)
        return found


def _automatic(network: _Network, total: int) -> Engine:
    """Returns the fastest engine, where finding it out pays."""
    plain = graph.engine(network.frozen, DEFAULT_BATCH)
    if tf.config.list_physical_devices("GPU"):
        plain.batch_size = GPU_BATCH
        return plain
    kinds = {kind.NAME: kind for kind in CONVERTED.values() if not _lacking(kind)}
    known = network.memory.choice(AUTO)
    if known and known.engine not in kinds:
        plain.batch_size = known.batch_size
        return plain
    if not kinds or total <= FEW:
        return plain
    running = total * _seconds_an_input(plain, network.sample)
    measuring = min(MEASURED * running, MOST_MEASURED)
    wanted, cost = ([known.engine], 0.0) if known else ([*kinds], measuring)
    cost += _making(network, [kinds[kind] for kind in wanted])
    if SAVED * running < cost:
        return plain
    if known and (engine := _again(network, AUTO, known)):
        return engine
    engines = [plain]
    for kind in kinds.values():
        with _left_out_on_failure(kind):
            engines += _ways(network, kind)
    return _measured(network, AUTO, engines, measuring) or plain


def _named(network: _Network, name: str, total: int) -> Engine:
    """Returns the engine that the user named, or says why that cannot be."""
    kind = lookup({graph.NAME: graph, **CONVERTED}, name, "engine")
    if kind is graph:
        return graph.engine(network.frozen, DEFAULT_BATCH)
    if lacking := _lacking(kind):
        raise UsageError(
            f"`cache.engine: {name}` needs {', '.join(lacking)}, which is not "
            f"installed: pip install '{kind.INSTALL}', or take `cache.engine: auto`."
        )
    known = network.memory.choice(name)
    if known and (engine := _again(network, name, known)):
        return engine
    try:
        engines = _ways(network, kind)
        contest.verify(engines[0], network.sample, network.expected)
    except Exception as error:
        raise TlKerasError(
            f"`cache.engine: {name}` cannot run this network: {error}. Take "
            "`cache.engine: auto`."
        ) from error
    seconds = min(total * SECONDS_AN_INPUT, MOST_MEASURED)
    return _measured(network, name, engines, seconds) or engines[0]


def _lacking(kind: ModuleType) -> list[str]:
    """Returns the packages that a kind of engine needs and that are not installed."""
    return [name for name in kind.PACKAGES if importlib.util.find_spec(name) is None]


def _seconds_an_input(engine: Engine, sample: np.ndarray) -> float:
    """Measures an engine by one call, after one that lets it prepare itself."""
    engine(sample[:1])
    started = time.perf_counter()
    engine(sample)
    return (time.perf_counter() - started) / len(sample)


def _making(network: _Network, kinds: Iterable[ModuleType]) -> float:
    """Returns about how many seconds it takes to make engines and compare them."""
    conversions = sum(not network.memory.has(kind.SUFFIX) for kind in kinds)
    # Comparing with Keras takes about as long as making the graph.
    return network.seconds * (1 + CONVERSION * conversions)


def _again(network: _Network, asked: str, choice: Choice) -> Engine | None:
    """Returns the engine that was chosen before, if it still is right."""
    kind = CONVERTED[choice.engine]
    try:
        engine = _way(kind, network.converted(kind), choice.workers)
        engine.batch_size = choice.batch_size
        contest.verify(engine, network.sample, network.expected)
        return engine
    except Exception as error:
        contest.leave_out(choice.engine, error)
        network.memory.forget(asked, kind.SUFFIX)
        return None


def _ways(network: _Network, kind: ModuleType) -> list[Workers]:
    """Returns the ways to keep all cores busy: threads in one worker, or many workers.

    Which is faster depends on the network, and on what else the machine does.
    """
    converted = network.converted(kind)
    counts = sorted({1, min(cores.usable(), MOST_WORKERS)})
    return [_way(kind, converted, workers) for workers in counts]


def _way(kind: ModuleType, converted: bytes, workers: int) -> Workers:
    """Returns an engine of some workers that share the cores."""
    runs = kind.runs(converted, workers, max(1, cores.usable() // workers))
    return Workers(kind.NAME, runs, DEFAULT_BATCH)


def _measured(
    network: _Network, asked: str, engines: Sequence[Workers], seconds: float
) -> Engine | None:
    """Returns the fastest of some engines, and remembers it."""
    found = contest.fastest(engines, network.sample, network.expected, seconds)
    if found:
        choice = Choice(found.name, found.workers, found.batch_size)
        network.memory.remember(asked, choice)
    return found


@contextlib.contextmanager
def _left_out_on_failure(kind: ModuleType) -> Iterator[None]:
    """Goes on without an engine that cannot be made: libraries raise what they like."""
    try:
        yield
    except Exception as error:
        contest.leave_out(kind.NAME, error)
