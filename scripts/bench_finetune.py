"""Measures how fast the cached phase trains, against the bare suffix.

Both train what lies behind a backbone's cut at its last stage, random weights, with
the same optimizer and batch size, on invented feature maps:

- `loop`: `loop.train`, as a run does it, from float16 rows in memory-mapped files:
  taken at random, turned into float32, fed through tf.data; averaged weights, history
  and a checkpoint an epoch are in its time. Once as it is, once with MixUp.
- `bare`: Keras's `train_step` in a `tf.function` on batches of float32 tensors that
  lie in the memory, and nothing else.

They take turns in one process: an epoch of the loop, then as many steps of the bare
one, though not more than there are tensors in 2 GB. The first turn of both, in which
TensorFlow traces, is left out. Prints images a second, wall clock, the ratio of
neighbours, and that of the work done in a second of processor time, which other
processes disturb less, median and range; and by how much the anonymous memory of the
process rises at most, from before the loop begins: it does not grow with the images.

    python scripts/bench_finetune.py --folder rows
"""

import argparse
import os
import shutil
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tl_keras.backbones import catalogue
from tl_keras.config import FineTune, Head
from tl_keras.training import loop, optimizers, outputs, products
from tl_keras.training.cache.rows import Rows
from tl_keras.training.examples import Cached
from tl_keras.training.head import attach
from tl_keras.training.history import Epoch, History
from tl_keras.training.memory import keep_freed

CLASSES, BATCH, ROWS = 8, 32, 256
BARE_BYTES = 2 << 30


def suffix(name: str) -> keras.Model:
    """Builds what trains, as the fine-tuning phase does."""
    keras.utils.set_random_seed(0)
    backbone = catalogue.load(name, weights=None)
    names = tuple(f"class {number}" for number in range(CLASSES))
    classifier = attach(backbone, names, Head())
    return products.as_products(classifier.trainable_part(1))


def invent(folder: Path, images: int, shape: tuple[int, ...]) -> Cached:
    """Writes feature maps, and returns them mapped from their files."""
    folder.mkdir(parents=True)
    random, path = np.random.default_rng(0), folder / "rows.bin"
    with path.open("wb") as file:
        for first in range(0, images, ROWS):
            size = (min(ROWS, images - first), *shape)
            rows = random.standard_normal(size, np.float32).astype(np.float16)
            file.write(rows.tobytes())
    mapped = np.memmap(path, np.float16, "r", shape=(images, *shape))
    return Cached((Rows(mapped),), np.arange(images) % CLASSES)


@dataclass(frozen=True)
class Turn:
    """What a turn took.

    Attributes:
        rate: Images a second, wall clock.
        cpu: Processor time an image, in milliseconds, of all threads.
    """

    rate: float
    cpu: float


class Clocks:
    """Wall clock and processor time."""

    def __init__(self):
        """Starts them."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def until_now(self, images: int) -> Turn:
        """Returns what so many images took."""
        wall = time.perf_counter() - self._wall
        return Turn(images / wall, 1000 * (time.process_time() - self._cpu) / images)


class Bare:
    """The suffix alone, on tensors."""

    def __init__(self, model: keras.Model, examples: Cached, phase: FineTune):
        """Loads the tensors and traces the step."""
        steps = len(examples.labels) // BATCH
        optimizer = optimizers.build(model, phase, steps)
        loss = outputs.loss(outputs.MULTI_CLASS, phase.label_smoothing)
        metrics = [outputs.accuracy(outputs.MULTI_CLASS)]
        model.compile(optimizer, loss, metrics=metrics)
        fit = BARE_BYTES // (4 * BATCH * int(np.prod(model.input.shape[1:])))
        targets = outputs.targets(examples.labels, CLASSES)
        places = [slice(n * BATCH, (n + 1) * BATCH) for n in range(min(steps, fit))]
        self._batches = [
            (tf.constant(examples.views[0][place], tf.float32), targets[place])
            for place in places
        ]
        self._step = tf.function(model.train_step)
        self.turn()

    def turn(self) -> "Turn":
        """Takes a step on each batch, and measures."""
        start = Clocks()
        for batch in self._batches:
            logs = self._step(batch)
        logs["loss"].numpy()
        return start.until_now(BATCH * len(self._batches))


@dataclass
class Turns:
    """What was measured, turn by turn."""

    bare: Bare
    images: int
    loop: list[Turn] = field(default_factory=list)
    plain: list[Turn] = field(default_factory=list)
    started: Clocks = field(default_factory=Clocks)

    def next(self) -> None:
        """Notes what the loop's epoch took, and gives the bare one its turn."""
        self.loop.append(self.started.until_now(self.images))
        self.plain.append(self.bare.turn())
        self.started = Clocks()


@dataclass(frozen=True)
class Watched(History):
    """A history that gives the bare one its turn behind every epoch."""

    turns: Turns | None = None

    def add(self, epoch: Epoch) -> "Watched":
        """Writes the epoch down."""
        longer = super().add(epoch)
        self.turns.next()
        return longer


class Memory(threading.Thread):
    """Watches the anonymous memory of this process, in bytes."""

    def __init__(self):
        """Notes what there is before."""
        super().__init__(daemon=True)
        self.start_bytes = self.highest = self.now()
        self._ended = threading.Event()

    @staticmethod
    def now() -> int:
        """Reads it off the kernel."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if "RssAnon" in line)

    def run(self) -> None:
        """Looks twenty times a second."""
        while not self._ended.wait(0.05):
            self.highest = max(self.highest, self.now())

    def end(self) -> int:
        """Returns by how much it rose at most."""
        self._ended.set()
        self.join()
        return self.highest - self.start_bytes


def measure(
    name: str, folder: Path, images: int, rounds: int, mixup: float
) -> tuple[Turns, int]:
    """Trains both in turns on so many images, and returns the rise of memory, too."""
    model = suffix(name)
    examples = invent(folder / "rows", images, model.input.shape[1:])
    phase = FineTune(
        epochs=rounds + 1, batch_size=BATCH, mixup=mixup, patience=rounds + 1
    )
    turns = Turns(Bare(suffix(name), examples, phase), images // BATCH * BATCH)
    nothing = Cached.of(np.zeros(0, int), np.zeros((0, 1)))
    memory = Memory()
    memory.start()
    turns.started = Clocks()
    loop.train(
        model,
        examples,
        nothing,
        name="fine_tune",
        phase=phase,
        seed=0,
        history=Watched(folder, turns=turns),
        save_to=folder / "fine_tune.npz",
    )
    return turns, memory.end()


def spread(values: list[float], form: str) -> str:
    """Returns median and range."""
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}}–{max(values):{form}})"


def row(images: int, mixup: float, turns: Turns, rise: int) -> str:
    """Returns a line of the table, without the first turn, which traces."""
    pairs = list(zip(turns.loop, turns.plain))[1:]
    cells = [
        f"{images:,}",
        f"{mixup:g}",
        spread([ours.rate for ours, _ in pairs], ".0f"),
        spread([bare.rate for _, bare in pairs], ".0f"),
        spread([ours.rate / bare.rate for ours, bare in pairs], ".3f"),
        spread([bare.cpu / ours.cpu for ours, bare in pairs], ".3f"),
        f"+{rise / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Compares the two at every number of images, without mixing and with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="is emptied")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 50_000])
    parser.add_argument("--rounds", type=int, nargs="+", default=[7, 3])
    parser.add_argument("--mixup", type=float, nargs="+", default=[0.0, 0.3])
    options = parser.parse_args()
    keep_freed()
    print(
        "| images | mixup | loop, images/s | bare, images/s | loop / bare "
        "| in processor time | memory, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    for images, rounds in zip(options.images, options.rounds, strict=True):
        for mixup in options.mixup:
            shutil.rmtree(options.folder, ignore_errors=True)
            found, rise = measure(
                options.backbone, options.folder, images, rounds, mixup
            )
            print(row(images, mixup, found, rise), flush=True)
    shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
