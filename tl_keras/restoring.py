"""A run that was stopped: how it goes on, and from what."""

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tl_keras import state, stopping
from tl_keras.datasets import unchanged
from tl_keras.errors import StorageError, TlKerasError
from tl_keras.files import replacing
from tl_keras.progress import say
from tl_keras.run import WEIGHTS, Run
from tl_keras.state import STATE
from tl_keras.training import phases, scratch
from tl_keras.training.engines.engine import OUT_OF_MEMORY

# Steps that leave weights.
TRAINING = (phases.HEAD, phases.FINE_TUNE, scratch.PHASE)
EVALUATE = "evaluate"


@contextmanager
def way_on(folder: Path) -> Iterator[None]:
    """Says how to go on with a run where its steps end early.

    Args:
        folder: The run's, as all processes see it.

    Raises:
        TlKerasError: In the place of an error of memory that was not got over.
    """
    with stopping.way_on(stopping.resuming(folder)):
        try:
            yield
        except OUT_OF_MEMORY as error:
            said = str(error).strip().split("\n")[0][:100]
            raise TlKerasError(
                f"The memory is used up{f' ({said})' if said else ''}: end other "
                "programs, or choose a smaller backbone.image_size or backbone."
            ) from error


def begin(run: Run, step: str) -> None:
    """Notes which step is under way."""
    run.state.during(step).save(run.folder / STATE)


def restore(run: Run) -> None:
    """Sees what a run goes on from, before it does.

    Weights that are damaged are made again, and what was trained from them.

    Raises:
        StorageError: If they cannot be: the run is evaluated.
    """
    now = run.state
    if now.done and EVALUATE not in now.done:
        changed = state.changed(now.versions)
        if changed:
            bits = ", bit for bit" if run.config.deterministic else ""
            say(
                f"warning: the rest is computed by other libraries ({changed}): it may "
                f"not be what it would have been{bits}"
            )
    path = run.folder / WEIGHTS
    if not now.weights or _digest(path) in now.weights:
        return
    if EVALUATE in now.done:
        raise StorageError(
            f"{path} is damaged or missing: train again with --overwrite, or use the "
            "export."
        )
    say(
        f"warning: {path} is not what the last finished phase left: it is made again, "
        "and what came behind it"
    )
    for checkpoint in (run.folder / "checkpoints").glob("*.npz"):
        if not checkpoint.name.startswith(phases.HEAD):
            checkpoint.unlink()
    now.without(TRAINING).save(run.folder / STATE)
    path.unlink(missing_ok=True)


def save_weights(run: Run) -> str:
    """Keeps the classifier's weights as they are now; returns the file's sha256."""
    path = run.folder / WEIGHTS
    with replacing(path) as temporary:
        run.classifier.model.save_weights(temporary)
        digest, now = _digest(temporary), run.state
        # A process that is killed around the renaming leaves the old file or the new.
        weights = (*now.weights, digest)
        dataclasses.replace(now, weights=weights).save(run.folder / STATE)
    return digest


def _digest(path: Path) -> str:
    """Returns the sha256 of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def require_test_images(run: Run) -> None:
    """Refuses to test on other images than those that were dealt out for it.

    Raises:
        DataError: If one was removed or changed.
    """
    data = run.config.data
    test = run.manifest.split("test")
    unchanged.require(test, data.cache_dir, data.background)
