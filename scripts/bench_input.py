"""Measures how fast image files become batches, and the memory that takes.

Four contenders on the same generated photographs, 500x375 and 4000x3000:

- `tl_keras`: `batches.images` of the checked folder, EXIF orientation and antialiasing
  included.
- `keras`: `keras.utils.image_dataset_from_directory`, which does neither.
- `keras area`: the same with `interpolation="area"`, which is antialiased, as ours is.
- `pillow`: open, turn by EXIF, convert to RGB, resize with antialiasing, stack by 32;
  one thread a core, every JPEG decoded at full scale.

Each measurement is a child process of its own: one untimed pass, then a timed one.
The contenders take turns, so that a slow spell of the machine meets all of them.
Prints images a second (wall clock), milliseconds of processor time an image, the
ratio of the two to Keras's in the same round, median and range, and peak memory.

    python scripts/bench_input.py --folder photographs
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image, ImageOps

SIDE, BATCH = 224, 32
SIZES = {"small": (500, 375), "large": (4000, 3000)}
# Every octave of detail has this share of the amplitude of the one before: with it a
# JPEG is as long as those of cameras, about 60 KB and 2.4 MB.
ROUGHNESS, AMPLITUDE, QUALITY = 0.75, 90.0, 92


def draw(folder: Path, size: tuple[int, int], number: int) -> None:
    """Writes a picture that has detail at every scale, unless it is there."""
    path = folder / "ab"[number % 2] / f"{number}.jpg"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    random = np.random.default_rng(number)
    pixels = np.full((height, width, 3), 120, np.float32)
    for octave in range(1, width.bit_length()):
        cells = (max(2, (height << octave) // width), 1 << octave)
        # Mostly grey, as the world is.
        noise = random.normal(0, 1, (*cells, 1)) + random.normal(0, 0.35, (*cells, 3))
        for channel in range(3):
            coarse = Image.fromarray(noise[..., channel].astype(np.float32))
            fine = coarse.resize(size, Image.Resampling.BICUBIC)
            weight = AMPLITUDE * ROUGHNESS ** (octave - 1)
            pixels[..., channel] += weight * np.asarray(fine)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    image.save(path, quality=QUALITY)


def tl_keras_batches(folder: Path) -> Iterable:
    """Gives the batches of this package."""
    from tl_keras.datasets import batches, sources
    from tl_keras.datasets.checking import check
    from tl_keras.datasets.square import Square
    from tl_keras.sections import Data

    data = Data(cache_dir=str(folder.parent / "cache"))
    manifest = check.check(sources.find(folder, data), data).usable()
    return batches.images(manifest, Square(side=SIDE), BATCH)


def keras_batches(folder: Path, interpolation: str = "bilinear") -> Iterable:
    """Gives the batches of Keras."""
    import keras

    return keras.utils.image_dataset_from_directory(
        folder,
        image_size=(SIDE, SIDE),
        batch_size=BATCH,
        shuffle=False,
        interpolation=interpolation,
        verbose=False,
    )


def pillow_batches(folder: Path) -> Iterator[np.ndarray]:
    """Yields the batches of a loop in Pillow."""

    def load(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        resampling = Image.Resampling.BILINEAR
        return np.asarray(upright.resize((SIDE, SIDE), resampling))

    paths = sorted(folder.glob("*/*.jpg"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(paths), BATCH):
            yield np.stack(list(pool.map(load, paths[first : first + BATCH])))


CONTENDERS = {
    "tl_keras": tl_keras_batches,
    "keras": keras_batches,
    "keras area": partial(keras_batches, interpolation="area"),
    "pillow": pillow_batches,
}


def measure(contender: str, folder: Path) -> dict[str, float]:
    """Runs one contender in this process."""
    data = CONTENDERS[contender](folder)
    # A whole pass: what reads ahead for a pass that is broken off goes on for a while.
    for _ in data:
        pass
    # A generator is used up; a data set would be traced anew.
    data = pillow_batches(folder) if contender == "pillow" else data
    wall, cpu = time.perf_counter(), time.process_time()
    images = sum(len(batch[0] if isinstance(batch, tuple) else batch) for batch in data)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": images / wall, "cpu": 1000 * cpu / images, "peak": peak}


def in_child(contender: str, folder: Path) -> dict[str, float]:
    """Runs one contender in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--only", contender]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def spread(values: list[float], form: str) -> str:
    """Returns median and range."""
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}}–{max(values):{form}})"


def compare(folder: Path, rounds: int) -> None:
    """Prints a table of all contenders on one folder."""
    files = list(folder.glob("*/*.jpg"))
    kilobytes = sum(path.stat().st_size for path in files) / len(files) / 1000
    print(
        f"\n{folder.name}: {len(files)} images, {kilobytes:.0f} KB each in the mean\n"
    )
    print("| | images/s | / Keras | CPU ms/image | / Keras | peak MB |")
    print("|---|---|---|---|---|---|")
    found = [
        {name: in_child(name, folder) for name in CONTENDERS} for _ in range(rounds)
    ]
    for name in CONTENDERS:
        rate, cpu, peak = (
            [turn[name][key] for turn in found] for key in ("rate", "cpu", "peak")
        )
        faster = [turn[name]["rate"] / turn["keras"]["rate"] for turn in found]
        leaner = [turn["keras"]["cpu"] / turn[name]["cpu"] for turn in found]
        print(
            f"| {name} | {spread(rate, '.0f')} | {spread(faster, '.2f')} "
            f"| {spread(cpu, '.2f')} | {spread(leaner, '.2f')} | {max(peak):.0f} |",
            flush=True,
        )


def main() -> None:
    """Draws the photographs that are missing and compares the contenders on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--small", type=int, default=2000, help="number of images")
    parser.add_argument("--large", type=int, default=48, help="number of images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=CONTENDERS, help="in this process")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.folder)))
        return
    for name, count in (("small", options.small), ("large", options.large)):
        folder = options.folder / name
        for number in range(count):
            draw(folder, SIZES[name], number)
        compare(folder, options.rounds)


if __name__ == "__main__":
    main()
