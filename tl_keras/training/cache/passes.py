"""One pass over the inputs: every missing output of every view is computed in it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import keras
import numpy as np

from tl_keras.errors import UsageError
from tl_keras.files import storage_errors
from tl_keras.progress import say, track
from tl_keras.training.cache.entry import Entry, Writer
from tl_keras.training.cache.inputs import Inputs, Step
from tl_keras.training.engines.engine import Engine

# From a network, some of its inputs and their number in all to what runs it.
Choose = Callable[[keras.Model, np.ndarray, int], Engine]


@dataclass(frozen=True)
class Job:
    """Shards of an entry that are to be computed.

    Attributes:
        view: Of the inputs.
        output: Of the network.
        entry: Where the rows go.
        shards: Which ones; none where the output is computed beside others only.
    """

    view: int
    output: str
    entry: Entry
    shards: frozenset[int]


@dataclass(frozen=True)
class Network:
    """What computes the jobs of one view.

    Attributes:
        engine: Gives the output of each job, in their order.
        jobs: They have one view.
    """

    engine: Engine
    jobs: tuple[Job, ...]


def run(inputs: Inputs, jobs: Sequence[Job], choose: Choose, *, what: str) -> None:
    """Computes jobs, each input read once.

    Views that want the same outputs share a network, which gives all of them at once.
    The engine's batches start where a shard does: a shard that is computed a second
    time, with the others or alone, goes through in the same batches.

    Args:
        inputs: Of the views of the jobs.
        jobs: What is wanted.
        choose: Finds the engine of a network.
        what: What is computed, for the progress bar.

    Raises:
        UsageError: If a number is too large for the entry's dtype.
        StorageError: If the disk is full.
    """
    facts = jobs[0].entry.facts
    shards = sorted(frozenset().union(*(job.shards for job in jobs)))
    places = [facts.places(shard) for shard in shards]
    total = sum(map(len, places))
    chosen = _networks(inputs, jobs, choose, places[0], total)
    # A batch stays within a shard.
    largest = max(network.engine.batch_size for network in chosen)
    batch = min(largest, len(facts.places(0)))
    with ExitStack() as stack, storage_errors(jobs[0].entry.path):
        writers = {
            job: stack.enter_context(closing(Writer(job.entry)))
            for job in jobs
            if job.shards
        }
        for step in track(inputs.steps(places, batch), what, total, batch):
            for network in chosen:
                for job, first, rows in _outputs(network, step):
                    if facts.shard_of(first) in job.shards:
                        writers[job].put(first, rows)


def _networks(
    inputs: Inputs, jobs: Sequence[Job], choose: Choose, places: range, total: int
) -> list[Network]:
    """Returns of each view the network that gives the outputs of its jobs."""
    by_view: dict[int, list[Job]] = {}
    for job in jobs:
        by_view.setdefault(job.view, []).append(job)
    users: dict[tuple[str, ...], list[int]] = {}
    for view, own in by_view.items():
        own.sort(key=lambda job: job.output)
        users.setdefault(tuple(job.output for job in own), []).append(view)
    samples = inputs.sample(places)
    found = []
    for outputs, views in users.items():
        model = inputs.model(outputs)
        engine = choose(model, samples[views[0]], total * len(views))
        found += [Network(engine, tuple(by_view[view])) for view in views]
    return found


def _outputs(network: Network, step: Step) -> Iterator[tuple[Job, int, np.ndarray]]:
    """Runs a network on a step; yields each job's rows with the first one's place."""
    first, by_view = step
    size, images = network.engine.batch_size, by_view[network.jobs[0].view]
    for start in range(0, len(images), size):
        outputs = network.engine(images[start : start + size])
        for job, rows in zip(network.jobs, outputs, strict=True):
            yield job, first + start, _stored(rows, job.entry.facts.dtype)


def _stored(rows: np.ndarray, dtype: str) -> np.ndarray:
    """Returns numbers in the type that an entry has.

    Raises:
        UsageError: If one is too large for it.
    """
    try:
        with np.errstate(over="raise"):
            return rows.astype(dtype, copy=False)
    except FloatingPointError:
        raise UsageError(
            f"This network's feature maps hold numbers up to {np.abs(rows).max():.0f}, "
            f"too large for {dtype}: set `--cache.dtype float32`."
        ) from None


def tell_damage(job: Job) -> None:
    """Says that parts of an entry are computed a second time, and why."""
    damaged, facts = [*filter(job.entry.digest, job.shards)], job.entry.facts
    if damaged:
        say(
            f"{len(damaged)} of {facts.shards} parts of the cache entry "
            f"{job.entry.path.name} ({facts.output}, view {facts.view}) are damaged: "
            "they are computed anew"
        )
