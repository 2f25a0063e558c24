"""Grad-CAM pictures of what is tried, where the run of an export is at hand."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from tl_keras.datasets.checking.reasons import reason
from tl_keras.datasets.images import decode_and_resize
from tl_keras.errors import TlKerasError, UsageError
from tl_keras.evaluation.explanation import gradcam, sheets
from tl_keras.export.loaded import Export
from tl_keras.run import Run, find_run, load_run
from tl_keras.serving.refusals import bad, busy

# Pictures that wait beside the one that is being made.
WAITING = 3
# In pixels; small ones are enlarged to it.
SIDE = 320


class Heat:
    """Makes pictures, one at a time, beside what the model answers.

    Attributes:
        run: Its network is explained.
    """

    def __init__(self, run: Run) -> None:
        """Starts the thread; the network is built for the first picture.

        Raises:
            TlKerasError: If the run is not finished, or damaged.
        """
        run.require_trained()
        self.run = run
        self._identity = run.class_names, run.metrics
        self._asked = 0
        self._thread = ThreadPoolExecutor(1, "heat")

    def explains(self, export: Export) -> bool:
        """Tells whether an export was made of the run: by classes and test figures."""
        return self._identity == (export.class_names, export.facts.get("metrics"))

    async def picture(self, content: bytes, class_id: int) -> bytes:
        """Returns a PNG of an image with what speaks for a class laid over it.

        Args:
            content: An image file.
            class_id: The class's index.

        Raises:
            Refusal: If too many are asked for, the image cannot be decoded, or there
                is no such class or nothing to explain.
        """
        if not 0 <= class_id < len(self.run.class_names):
            raise bad(f"There is no class {class_id}.")
        if self._asked > WAITING:
            raise busy("Too many pictures are being made: try again in a moment.")
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._draw, content, class_id)
        self._asked += 1
        # It counts until it is done, also where whoever asked has gone.
        work.add_done_callback(self._count_down)
        return await asyncio.shield(work)

    def _count_down(self, work: asyncio.Future) -> None:
        """Notes that a picture is made."""
        self._asked -= 1
        if not work.cancelled():
            # Nobody may be left to take it.
            work.exception()

    def _draw(self, content: bytes, class_id: int) -> bytes:
        """Makes a picture."""
        try:
            pixels = self._decode(tf.constant(content)).numpy()
            heat = self._explain(pixels[np.newaxis], np.array([class_id]))[0]
        except tf.errors.InvalidArgumentError as error:
            raise bad(reason(error)) from None
        except TlKerasError as error:
            raise bad(str(error)) from None
        times = max(1, -(-SIDE // len(pixels)))
        return sheets.png(np.kron(sheets.overlay(pixels, heat), _square(times)))

    @cached_property
    def _decode(self) -> tf.types.experimental.GenericFunction:
        """From a file to the pixels that the network sees."""
        decode = partial(decode_and_resize, square=self.run.square)
        return tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])

    @cached_property
    def _explain(self):
        """From pixels and a class each to heat maps."""
        return gradcam.of_batch(self.run.classifier)

    def close(self) -> None:
        """Ends the thread once its picture is done; none of those that wait is made."""
        self._thread.shutdown(cancel_futures=True)


def _square(side: int) -> np.ndarray:
    """Returns what makes of each pixel a square of many."""
    return np.ones((side, side, 1), np.uint8)


def of_export(export: Export, folder: Path) -> Heat | None:
    """Returns what explains an export by its run, or `None` where that is not there.

    Args:
        export: What is served.
        folder: Where the run would be.
    """
    run = find_run(folder)
    try:
        heat = Heat(run) if run else None
    except TlKerasError:
        return None
    return heat if heat and heat.explains(export) else None


def of_run(export: Export, folder: Path) -> Heat:
    """Returns what explains an export by a run that is named.

    Raises:
        UsageError: If there is no run in the folder, or one of another model.
    """
    heat = Heat(load_run(folder))
    if not heat.explains(export):
        raise UsageError(
            f"{str(folder)!r} is another model than {export.path}: other classes or "
            f"other test figures. Name the run that it was made from, or none."
        )
    return heat
