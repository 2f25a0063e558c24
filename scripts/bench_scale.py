"""How computing feature maps grows with the number of images, and what a kill costs.

    python scripts/bench_scale.py --images 1000 4000 16000

Draws JPEGs, and for each number of them, in a process of its own, computes the pooled
features and two views of the cut below the last stage. Seconds are those of the pass,
the backbone, its engine and the list of images not counted. Memory is looked at four
times a second while the pass runs: the greatest proportional set, and of it what no
file stands behind. What is mapped from the cache is in the first one only.

Then the largest number is computed once more, killed in the middle (SIGKILL), and
started again; the table's last line says how many images were computed twice.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

CLASSES = 10
SIDES = (320, 240)
SECONDS_BETWEEN_LOOKS = 0.25
# Share of the images.
KILLED_AT = 0.5


def main() -> None:
    """Measures each number of images, and prints one table."""
    options = _options()
    if options.folder:
        print(json.dumps(_compute(options)))
        return
    table = Table("Images", "Seconds", "Images/s", "Peak memory", "Of it anonymous")
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
        for images in sorted(options.images):
            own = Path(folder, f"{images}")
            _draw(own / "images", images)
            found = _finish(_start(options, own, "cache"))
            rate = images / found["seconds"]
            memory = [f"{found[name] / 1e6:,.0f} MB" for name in ("pss", "anonymous")]
            table.add_row(
                f"{images:,}", f"{found['seconds']:.1f}", f"{rate:,.1f}", *memory
            )
        killed = _kill(options, own)
        found = _finish(_start(options, own, "killed"))
        twice = killed + found["computed"] - images
        table.add_section()
        words = f"killed behind {killed:,}, computed {found['computed']:,} more"
        table.add_row(f"{images:,}", words, "", f"{twice:,} twice", "")
    Console(width=110).print(table)


def _options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 4_000, 16_000])
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", help="default: random ones")
    parser.add_argument("--image_size", type=int, default=96)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    return parser.parse_args()


def _draw(folder: Path, images: int) -> None:
    """Writes JPEGs that all differ: coloured clouds."""
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class {label}").mkdir(parents=True)
    for number in range(images):
        blots = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(blots).resize(SIDES, Image.Resampling.BICUBIC)
        image.save(folder / f"class {number % CLASSES}" / f"{number}.jpg", quality=85)


def _start(options: argparse.Namespace, folder: Path, cache: str) -> subprocess.Popen:
    """Starts a process that computes the images of a folder into a new cache."""
    flags = ["--folder", str(folder), "--cache", cache]
    for name in ("backbone", "weights", "image_size", "views", "engine"):
        value = getattr(options, name)
        flags += [] if value is None else [f"--{name}", str(value)]
    command = [sys.executable, __file__, *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen) -> dict[str, float]:
    """Waits for a process, and returns its figures."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit("The computing failed.")
    return json.loads(output.splitlines()[-1])


def _kill(options: argparse.Namespace, folder: Path) -> int:
    """Starts computing and kills that in the middle of a shard; returns how far it was.

    The count of rows is that of the first entry, read off its file's size: rows are
    written batch by batch, digests shard by shard.
    """
    from tl_keras.training.cache.entry import SHARD, Facts

    process = _start(options, folder, "killed")
    total = sum(1 for _ in (folder / "images").rglob("*.jpg"))
    while process.poll() is None:
        for meta in (folder / "killed" / "prefix").glob("*/meta.json"):
            facts = Facts.read(meta.parent)
            if not facts or facts.output != "avg":
                continue
            rows = (meta.parent / "rows.bin").stat().st_size // facts.row_bytes
            if rows >= total * KILLED_AT and rows % SHARD:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                return rows
        time.sleep(0.01)
    raise SystemExit("The computing was over before it could be killed.")


def _compute(options: argparse.Namespace) -> dict[str, float]:
    """Computes the images of a folder; returns the pass's figures."""
    import keras

    from tl_keras.backbones import catalogue
    from tl_keras.datasets import sources
    from tl_keras.datasets.checking import check
    from tl_keras.datasets.square import Square
    from tl_keras.sections import Augment, Cache, Data
    from tl_keras.training import memory
    from tl_keras.training.cache.prefix import PrefixCache

    memory.keep_freed()
    # Random weights, too, have to be the same after a kill.
    keras.utils.set_random_seed(0)
    folder, size = Path(options.folder), options.image_size
    data = Data(cache_dir=str(folder / "checks"), near_duplicates=False)
    manifest = check.check(sources.find(folder / "images", data), data).usable()
    cache = PrefixCache(
        catalogue.load(options.backbone, weights=options.weights, image_size=size),
        folder / options.cache / "prefix",
        Square(side=size),
        Augment(views=options.views),
        settings=Cache(engine=options.engine),
    )
    wanted = [(0, "avg"), *((view, cache.cut(1)) for view in range(options.views))]
    figures = _watch_passes()
    cache.read(manifest, wanted, what="Images")
    return figures


def _watch_passes() -> dict[str, float]:
    """Has each pass over images put its figures into the dict that it returns."""
    from tl_keras.training.cache.inputs import Images

    figures, steps = {}, Images.steps

    def watched(self: Images, shards: Sequence[range], batch: int) -> Iterator:
        started = time.perf_counter()
        with _peak_memory(figures):
            yield from steps(self, shards, batch)
        figures["seconds"] = time.perf_counter() - started
        figures["computed"] = sum(map(len, shards))

    Images.steps = watched
    return figures


@contextmanager
def _peak_memory(peak: dict[str, float]) -> Iterator[None]:
    """Puts the process's peaks into a dict, in bytes."""
    process, stop = psutil.Process(), threading.Event()

    def look() -> None:
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            maps = process.memory_maps()
            for name in ("pss", "anonymous"):
                found = sum(getattr(part, name) for part in maps)
                peak[name] = max(peak.get(name, 0), found)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


if __name__ == "__main__":
    main()
