"""Decodes every image once before anything is trained, and names the bad files."""

import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import tensorflow as tf
from PIL import Image

from tl_keras.datasets.images import decode
from tl_keras.datasets.manifest import Manifest, Row
from tl_keras.errors import DataError
from tl_keras.progress import say, track

# A file may claim any size in its header; this is four times a good phone camera.
MAX_PIXELS = 200_000_000
NAMED_FILES = 10
REFUSED = re.compile(r"[\w ]+ cannot be decoded rightly: convert it to PNG")


@dataclass(frozen=True)
class Problem:
    """A file that cannot be trained on, and why."""

    path: str
    reason: str


def check(manifest: Manifest, bad_files: str) -> Manifest:
    """Decodes every image with the decoder that training uses.

    Args:
        manifest: The images as found.
        bad_files: `error` or `skip`.

    Returns:
        The images that decode, with their checksums and sizes.

    Raises:
        DataError: If a file is bad and `bad_files` is `error`, or if skipping the
            bad ones leaves no class, one class, or a class without images.
    """
    examine = partial(_examine, _decoder(), manifest.root)
    with _no_pillow_limit(), ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(examine, manifest.rows)
        total = len(manifest.rows)
        try:
            results = list(track(results, "Checking images", total))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    problems = [result for result in results if isinstance(result, Problem)]
    checked = manifest.with_rows(
        result for result in results if isinstance(result, Row)
    )
    if problems:
        _report(problems, bad_files)
        lost = sorted(set(manifest.counts()) - set(checked.counts()))
        if lost:
            raise DataError(f"No image can be read in class {', '.join(lost)}.")
    _report_duplicates(checked)
    return checked


@contextmanager
def _no_pillow_limit() -> Iterator[None]:
    """Lifts Pillow's limit, which phone cameras of 200 megapixels pass, for ours."""
    kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = kept


@cache
def _decoder() -> tf.types.experimental.PolymorphicFunction:
    """Returns the decoder as a graph, traced once a process."""
    return tf.function(decode, input_signature=[tf.TensorSpec([], tf.string)])


def _report(problems: list[Problem], bad_files: str) -> None:
    """Names the bad files, and stops where they are not to be skipped."""
    lines = [f"  {problem.path}: {problem.reason}" for problem in problems]
    if len(lines) > NAMED_FILES:
        lines[NAMED_FILES:] = [f"  … and {len(problems) - NAMED_FILES} more"]
    many = "1 file is" if len(problems) == 1 else f"{len(problems)} files are"
    listing = "\n".join(lines)
    if bad_files == "error":
        raise DataError(
            f"{many} not usable. Remove or convert them, or leave them out "
            f"(bad_files: skip):\n{listing}"
        )
    say(f"{many} left out:\n{listing}")


def _report_duplicates(manifest: Manifest) -> None:
    """Says how many pictures are there twice, and which have two labels."""
    first: dict[str, Row] = {}
    twice, conflicts = 0, []
    for row in manifest.rows:
        known = first.setdefault(row.pixels, row)
        twice += known is not row
        if known.label != row.label:
            conflicts.append(
                f"  {known.path} ({known.label}) = {row.path} ({row.label})"
            )
    if twice:
        say(
            f"{twice} images are copies of others; copies stay on one side of the split"
        )
    if conflicts:
        shown = "\n".join(conflicts[:NAMED_FILES])
        say(f"Warning: the same picture under two labels, {len(conflicts)}x:\n{shown}")


def _examine(decoder: tf.types.experimental.PolymorphicFunction, root: Path, row: Row):
    """Returns the row with its checksums and size, or the `Problem`."""
    path = root / row.path
    try:
        row.path.encode()
        content = path.read_bytes()
        _refuse_bomb(path)
        pixels = decoder(content).numpy()
    except UnicodeEncodeError:
        return Problem(ascii(row.path), "its name is no Unicode: rename it")
    except OSError as error:
        return Problem(row.path, error.strerror or str(error))
    except DataError as error:
        return Problem(row.path, str(error))
    except tf.errors.OpError as error:
        return Problem(row.path, reason(error))
    height, width, _ = pixels.shape
    # The shape belongs to the picture: a white 2x8 is not a white 4x4.
    digest = hashlib.sha256(f"{height}x{width}:".encode() + pixels.tobytes())
    return replace(
        row,
        sha256=hashlib.sha256(content).hexdigest(),
        pixels=digest.hexdigest(),
        width=width,
        height=height,
    )


def _refuse_bomb(path: Path) -> None:
    """Refuses a size in the header that would fill the memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                width, height = image.size
        # What Pillow cannot open TensorFlow judges: training decodes with TensorFlow.
        except Exception:
            return
    if width * height > MAX_PIXELS:
        raise DataError(f"its header claims an enormous size: {width}x{height} pixels")


def reason(error: tf.errors.OpError) -> str:
    """Returns TensorFlow's reason in a few words."""
    refused = REFUSED.search(error.message)
    if refused:
        return refused[0]
    # In a graph the reason follows the trace of where the op was made, a line each.
    lines = error.message.split("\t [[")[0].split("\n")
    said = [line for line in lines if line.strip() and not line.startswith("  File")]
    message = said[-1].split("}} ")[-1].split(" [Op:")[0]
    known = {
        "Unknown image file format": "not an image (JPEG, PNG, GIF, BMP and WebP are)",
        "Input is empty": "the file is empty",
        "jpeg::Uncompress failed": "the JPEG is damaged or cut off",
        "Input size should match": "the BMP is damaged or cut off",
        "Invalid PNG": "the PNG is damaged or cut off",
    }
    return next((text for key, text in known.items() if key in message), message[:120])
