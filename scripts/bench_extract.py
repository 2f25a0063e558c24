"""How fast the frozen part of networks runs, and by what.

Images a second of networks without top, random weights, on these ways:

- `predict`: `model.predict` of Keras.
- `tf.function`: `model(images, training=False)` in a graph.
- `constant`, `litert`, `onnx`: the constant graph of TensorFlow, LiteRT and ONNX
  Runtime bare, called as their manuals say: all threads, XNNPACK, float32.
- `tl_keras`: what `choice.choose` takes.

First of images that are decoded, then of JPEG files through `batches.images`. Each
network has a process of its own, in which the ways take turns, so that a slow spell of
the machine meets all of them; ratios are of one round each, given as the median and the
range. Prints Markdown.

    python scripts/bench_extract.py --images 128 --rounds 7
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from tl_keras import cores
from tl_keras.backbones import catalogue
from tl_keras.datasets import batches, sources
from tl_keras.datasets.checking import check
from tl_keras.datasets.manifest import Manifest
from tl_keras.datasets.square import Square
from tl_keras.sections import Data
from tl_keras.training.engines import choice, graph, litert, onnx_runtime
from tl_keras.training.engines.silence import silence

NETWORKS = (
    "efficientnet_lite0",
    "mobilenet_v2",
    "efficientnet_v2_b0",
    "resnet50",
    "vgg16",
)
SIDE, PREDICT_BATCH = 224, 32
# Of each bare way the best of these is taken, found by one untimed and one timed call.
BATCHES = (1, 4, 8, 16, 32)
BARE = ("constant", "litert", "onnx")
# As if a whole data set followed: the choice is not cut short.
MANY = 100_000

# A network's name, the engine that is taken, and images a second by way and round.
Row = tuple[str, str, dict[str, list[float]]]
# From images to features, whatever the form.
Way = Callable[[np.ndarray], object]


def main() -> None:
    """Measures each network and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--images", type=int, default=128, help="a way and round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    # A process keeps gigabytes of the networks that it has run.
    fresh = dict(mp_context=get_context("spawn"), max_tasks_per_child=1)
    with (
        tempfile.TemporaryDirectory(prefix="bench-extract-") as folder,
        ProcessPoolExecutor(1, **fresh) as pool,
    ):
        manifest = draw(Path(folder), options.images)
        rest = repeat(manifest), repeat(options)
        decoded, files = zip(*pool.map(measure, options.networks, *rest))
    print(
        f"{options.images} images, {options.rounds} rounds, {cores.usable()} cores.\n"
    )
    report("Decoded images, images a second (median)", decoded)
    report("JPEG files, images a second (median)", files)


def measure(
    name: str, manifest: Manifest, options: argparse.Namespace
) -> tuple[Row, Row]:
    """Measures a network on decoded images and on files."""
    model = catalogue.load(name, weights=None, image_size=SIDE).model
    ways, engine = make(model, pixels(manifest))
    threads = cores.usable() // engine.workers
    chosen = f"{engine.name}, {engine.workers} x {threads}, {engine.batch_size}"
    passes = decoded_ways(ways, manifest), file_ways(model, ways, manifest)
    decoded, files = ((name, chosen, alternate(each, options)) for each in passes)
    return decoded, files


def draw(folder: Path, count: int) -> Manifest:
    """Writes JPEGs of 500 x 375 that all differ, and returns them checked."""
    random = np.random.default_rng(0)
    for number in range(count):
        blots = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        image = Image.fromarray(blots).resize((500, 375), Image.Resampling.BICUBIC)
        (folder / "images" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        image.save(folder / "images" / "ab"[number % 2] / f"{number}.jpg", quality=90)
    data = Data(cache_dir=str(folder / "cache"))
    checked = check.check(sources.find(folder / "images", data), data)
    return checked.usable()


def pixels(manifest: Manifest) -> np.ndarray:
    """Returns the images of a manifest, uint8 in [0, 255]."""
    data = batches.images(manifest, Square(side=SIDE), 64)
    return np.concatenate([batch.numpy() for batch in batches.read(data)])


def make(
    model: keras.Model, images: np.ndarray
) -> tuple[dict[str, tuple[Way, int]], choice.Engine]:
    """Returns each way with its batch size, and the engine of this package."""
    traced = tf.function(
        lambda inputs: model(tf.cast(inputs, tf.float32), training=False)
    )
    frozen = graph.constant_graph(model, images.dtype)
    bare = {
        "tf.function": lambda inputs: traced(tf.constant(inputs)).numpy(),
        "constant": lambda inputs: frozen(tf.constant(inputs))[0].numpy(),
        "litert": bare_litert(litert.convert(frozen)),
        "onnx": bare_onnx(onnx_runtime.convert(frozen)),
    }
    ways = {name: (run, best_batch(run, images)) for name, run in bare.items()}
    engine = choice.choose(model, images[:16], total=MANY)

    def predict(inputs: np.ndarray) -> np.ndarray:
        return model.predict(inputs, batch_size=PREDICT_BATCH, verbose=0)

    return {
        "predict": (predict, len(images)),
        **ways,
        "tl_keras": (engine, engine.batch_size),
    }, engine


def bare_litert(converted: bytes) -> Way:
    """Returns LiteRT with all threads, as its manual uses it."""
    with silence():
        interpreter = Interpreter(model_content=converted, num_threads=cores.usable())
        interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0], interpreter.get_output_details()
    shape = []

    def run(inputs: np.ndarray) -> np.ndarray:
        if shape != [*inputs.shape]:
            interpreter.resize_tensor_input(given["index"], inputs.shape)
            interpreter.allocate_tensors()
            shape[:] = inputs.shape
        interpreter.set_tensor(given["index"], inputs)
        interpreter.invoke()
        return interpreter.get_tensor(found[0]["index"])

    return run


def bare_onnx(converted: bytes) -> Way:
    """Returns ONNX Runtime with its defaults: all cores."""
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(converted, providers=providers)
    name = session.get_inputs()[0].name
    return lambda inputs: session.run(None, {name: inputs})


def best_batch(run: Way, images: np.ndarray) -> int:
    """Returns the number of images a call at which a way is fastest."""
    took = {}
    for size in BATCHES:
        run(images[:size])
        took[size] = seconds(lambda size=size: run(images[:size])) / size
    return min(took, key=took.get)


def decoded_ways(
    ways: dict[str, tuple[Way, int]], manifest: Manifest
) -> dict[str, Callable[[], None]]:
    """Returns each way as a pass over decoded images."""
    images = pixels(manifest)

    def whole(run: Way, size: int) -> None:
        for at in range(0, len(images), size):
            run(images[at : at + size])

    return {
        name: lambda run=run, size=size: whole(run, size)
        for name, (run, size) in ways.items()
    }


def file_ways(
    model: keras.Model,
    ways: dict[str, tuple[Way, int]],
    manifest: Manifest,
) -> dict[str, Callable[[], None]]:
    """Returns each way as a pass over JPEG files, decoded alike for all."""

    def whole(run: Way, size: int) -> None:
        data = batches.images(manifest, Square(side=SIDE), size)
        for batch in batches.read(data):
            run(batch.numpy())

    def predict() -> None:
        data = batches.images(manifest, Square(side=SIDE), PREDICT_BATCH)
        model.predict(data, verbose=0)

    others = {
        name: lambda run=run, size=size: whole(run, size)
        for name, (run, size) in ways.items()
        if name != "predict"
    }
    return {"predict": predict, **others}


def alternate(
    passes: dict[str, Callable[[], None]], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Lets the ways take turns; returns images a second of each in each round."""
    rates = {name: [] for name in passes}
    for each in passes.values():
        each()
    for number in range(options.rounds):
        # Back and forth, so that no way always follows the same other one.
        for name in [*passes][:: 1 if number % 2 else -1]:
            rates[name].append(options.images / seconds(passes[name]))
    return rates


def seconds(call: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def report(title: str, rows: Sequence[Row]) -> None:
    """Prints rates, and the ratios of this package's to the others'."""
    ways = [*rows[0][2]]
    columns = ["network", "taken", *ways, "/ predict", "/ best bare"]
    print(f"**{title}**\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    ratios = []
    for name, chosen, rates in rows:
        medians = [f"{statistics.median(rates[way]):.1f}" for way in ways]
        best = max(BARE, key=lambda way: statistics.median(rates[way]))
        against = [spread(rates, "predict"), spread(rates, best)]
        ratios.append(against[0][0])
        cells = [f"{ratio:.2f} ({low:.2f}–{high:.2f})" for ratio, low, high in against]
        print(f"| {' | '.join([name, chosen, *medians, cells[0]])} | {cells[1]} |")
    print(f"\nMedian over the networks / predict: {statistics.median(ratios):.2f}\n")


def spread(rates: dict[str, list[float]], other: str) -> tuple[float, float, float]:
    """Returns the median, least and greatest ratio to another way, round by round."""
    ratios = [ours / theirs for ours, theirs in zip(rates["tl_keras"], rates[other])]
    return statistics.median(ratios), min(ratios), max(ratios)


if __name__ == "__main__":
    main()
