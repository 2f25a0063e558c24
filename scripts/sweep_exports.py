"""Which backbone runs in which format: the table of docs/exports.md.

    python scripts/sweep_exports.py [--write] [BACKBONE …]

Each backbone is built with random weights and random statistics at a small image size,
converted to every format and run; what it gives is compared with Keras. Without names
it takes one or two of each family: about a quarter of an hour on two cores.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones import catalogue
from tl_keras.config import Head
from tl_keras.errors import ExportError
from tl_keras.export import rerun
from tl_keras.export.artifacts import SAVED_MODEL, TABLE, Artifact
from tl_keras.export.converted import Source
from tl_keras.export.network import with_features
from tl_keras.progress import say
from tl_keras.training.engines.silence import silence
from tl_keras.training.head import attach

PAGE = Path(__file__).parent.parent / "docs" / "exports.md"
START, END = "<!-- sweep -->\n", "<!-- end of sweep -->"
BACKBONES = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "efficientnet_v2_b0",
    "googlenet",
    "inception_resnet_v2",
    "inception_v3",
    "lenet5",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "nasnet_mobile",
    "resnet18",
    "resnet50",
    "resnet50_v2",
    "vgg16",
    "xception",
)
SIDE, IMAGES, CLASSES = 96, 16, 10


def source_of(name: str) -> Source:
    """Returns a backbone with a head, random in all its weights and statistics."""
    keras.utils.set_random_seed(0)
    side = max(SIDE, catalogue.find(name).minimum_size)
    backbone = catalogue.load(name, weights=None, image_size=side)
    random = np.random.default_rng(0)
    for layer in backbone.network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            # Around those of a layer that does nothing: products of many stay finite.
            layer.set_weights(
                [
                    value + random.uniform(-0.1, 0.1, value.shape)
                    for value in layer.get_weights()
                ]
            )
    names = tuple(f"class {number}" for number in range(CLASSES))
    classifier = attach(backbone, names, Head())

    def sample() -> Iterator[np.ndarray]:
        yield from pictures(side)

    return Source(name, with_features(classifier), "multi_class", 1.0, names, sample)


def pictures(side: int) -> np.ndarray:
    """Returns smooth pictures, unlike each other: uint8 `(images, side, side, 3)`."""
    random = np.random.default_rng(1)
    coarse = random.uniform(0, 255, (IMAGES, 6, 6, 3)).astype(np.float32)
    return np.asarray(tf.image.resize(coarse, (side, side))).round().astype(np.uint8)


def differences(name: str) -> dict[str, float | str]:
    """Returns the greatest difference of a probability for each artifact's file.

    Args:
        name: A backbone.

    Returns:
        The difference, or why there is none; by the file's name.
    """
    source = source_of(name)
    given = pictures(source.model.inputs[0].shape[1])
    logits = source.model(given.astype(np.float32), training=False)[0]
    expected = keras.ops.softmax(logits).numpy()
    found: dict[str, float | str] = {}
    for artifact in TABLE:
        try:
            rows = outputs(source, artifact, given)
            found[artifact.file] = float(np.abs(rows - expected).max())
        except (ExportError, RuntimeError, ValueError) as error:
            found[artifact.file] = str(error).splitlines()[0]
    return found


def outputs(source: Source, artifact: Artifact, given: np.ndarray) -> np.ndarray:
    """Converts a network, and returns the probabilities by its own runtime."""
    if artifact.format == SAVED_MODEL:
        return source.frozen.function(1)(tf.constant(given))[0].numpy()
    with tempfile.TemporaryDirectory() as folder, silence():
        path = Path(folder, artifact.file)
        path.write_bytes(source.convert(artifact))
        return rerun.RUNNERS[artifact.format](str(path))(given)


def line(name: str, found: dict[str, float | str]) -> str:
    """Returns a line of the table."""
    cells = [
        f"{value:.0e}" if isinstance(value, float) else "refused"
        for value in found.values()
    ]
    return f"| `{name}` | {' | '.join(cells)} |\n"


def table(results: dict[str, dict[str, float | str]]) -> str:
    """Returns the table, and the reasons of what is refused below it."""
    titles = [artifact.title for artifact in TABLE]
    head = f"| Backbone | {' | '.join(titles)} |\n|---|{'---|' * len(titles)}\n"
    lines = "".join(line(name, found) for name, found in results.items())
    reasons = [
        f"- {value}\n"
        for found in results.values()
        for value in found.values()
        if isinstance(value, str)
    ]
    return head + lines + ("\nRefused:\n\n" + "".join(reasons) if reasons else "")


def main() -> None:
    """Prints the table, and writes it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--write", action="store_true", help="into docs/exports.md")
    options = parser.parse_args()
    results = {}
    # A process each: TensorFlow keeps every graph of constants that it has run.
    alone = get_context("spawn")
    for name in options.backbones:
        with ProcessPoolExecutor(1, mp_context=alone) as pool:
            results[name] = pool.submit(differences, name).result()
        say(line(name, results[name]).strip())
    shown = table(results)
    print(shown)
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, _, rest = text.partition(START)
        PAGE.write_text(before + START + shown + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
