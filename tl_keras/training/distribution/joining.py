"""How the processes of a run find one another, and what is said when one is gone."""

import contextlib
import functools
import re
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context

from tl_keras import cluster as clusters
from tl_keras.cluster import Cluster
from tl_keras.errors import TlKerasError, UsageError, WorkerError
from tl_keras.progress import hushed, say
from tl_keras.training.distribution.team import Team, entered

AUTO, NONE, MIRRORED, MULTI_WORKER = "auto", "none", "mirrored", "multi-worker"
# A process that sends no sign of life for so long is taken for dead.
HEARTBEAT_SECONDS = 20
# The machines of a cluster come up one after another.
SECONDS_TO_COME = 600
SECONDS_TO_LEAVE = 10
# Marks what a failing process tells the others, in the middle of TensorFlow's words.
MARK, END = "<<", ">>"
TOLD = re.compile(f"{MARK}(.*?){END}", re.DOTALL)
TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")
NETWORK = re.compile(r"/job:|[Cc]ollective|heartbeat|Socket|RPC|oordination|Barrier")
# What TensorFlow raises where another process is gone.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


@contextlib.contextmanager
def join(kind: str) -> Iterator[Team]:
    """Starts what trains together, before anything of TensorFlow has run.

    Behind the block, all processes have left it. Those that are not the chief print
    nothing in it.

    Args:
        kind: `Config.strategy`.

    Yields:
        The team.

    Raises:
        UsageError: If `TF_CONFIG` or the strategy cannot be used here.
        WorkerError: If another process failed or is gone.
    """
    found = clusters.of_environment() if kind in (AUTO, MULTI_WORKER) else None
    several = found is not None and len(found.members) > 1
    if kind == MULTI_WORKER and not several:
        raise UsageError(
            f"`strategy` multi-worker needs several processes: start them by `tl-keras "
            f"launch`, with --workers and --worker-index, or with {clusters.VARIABLE}."
        )
    if not several:
        with entered(Team(_mirrored(kind))) as team:
            yield team
        return
    clusters.require_resolvable(found.members)
    quiet = contextlib.nullcontext() if found.is_chief else hushed()
    with quiet, _clear_words(found):
        team = _start(found)
        say(f"{team.workers} processes train together, {team.replicas} devices in all")
        with entered(team), _telling(found):
            yield team
            team.barrier()


def _mirrored(kind: str) -> tf.distribute.Strategy | None:
    """Returns a strategy for all devices of this process; `None` for one."""
    if kind == NONE:
        return None
    # Their number is known without starting them.
    if kind == AUTO and len(tf.config.list_physical_devices("GPU")) < 2:
        return None
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        return None
    return _mirrored_on(tuple(device.name for device in devices))


@functools.cache
def _mirrored_on(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """Returns the strategy of some devices: one a process.

    A second one would number its collective operations as the first did, and get what
    was meant for those.
    """
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _start(found: Cluster) -> Team:
    """Waits for the other processes, and makes the strategy: once a process."""
    jobs = [(clusters.CHIEF, found.chiefs), (clusters.WORKER, found.workers)]
    first = next(job for job, members in jobs if members)
    context.context().configure_coordination_service(
        "standalone",
        service_leader=f"/job:{first}/replica:0/task:0",
        heartbeat_timeout_in_ms=HEARTBEAT_SECONDS * 1000,
        cluster_register_timeout_in_ms=SECONDS_TO_COME * 1000,
        shutdown_barrier_timeout_in_ms=SECONDS_TO_LEAVE * 1000,
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(name=job, num_tasks=len(members))
            for job, members in jobs
            if members
        ],
    )
    return Team(tf.distribute.MultiWorkerMirroredStrategy(), found)


@contextlib.contextmanager
def _telling(found: Cluster) -> Iterator[None]:
    """Tells the others where this process fails, so that they need not find out."""
    try:
        yield
    except BaseException as error:
        if _is_of_others(error):
            raise
        clear = isinstance(error, TlKerasError)
        why = str(error) if clear else type(error).__name__
        with contextlib.suppress(Exception):
            text = f"{MARK}{why}{END}"
            context.context().report_error_to_cluster(
                tf.errors.FAILED_PRECONDITION, text
            )
        raise


@contextlib.contextmanager
def _clear_words(found: Cluster) -> Iterator[None]:
    """Says in one line that another process is gone, and which."""
    try:
        yield
    except GONE as error:
        if not _is_of_others(error):
            raise
        raise WorkerError(_words(str(error), found)) from None


def _is_of_others(error: BaseException) -> bool:
    """Tells whether an error is that another process is gone."""
    return isinstance(error, GONE) and NETWORK.search(str(error)) is not None


def _words(text: str, found: Cluster) -> str:
    """Returns what is wrong, of TensorFlow's words for it."""
    told, who = TOLD.search(text), _lost(text, found)
    cure = "Then start all of them again; `tl-keras resume RUN` goes on with the run."
    if told:
        return f"{who} failed: {told[1].strip()} {cure}"
    return (
        f"{who} is gone: it was ended, or the network to it is cut. See what it "
        f"printed. {cure}"
    )


def _lost(text: str, found: Cluster) -> str:
    """Returns the name and the address of the process that is gone, where known."""
    jobs = {clusters.CHIEF: found.chiefs, clusters.WORKER: found.workers}
    named = [
        (job, number, address)
        for job, members in jobs.items()
        for number, address in enumerate(members)
        # This process is named, too: as the one that found out.
        if (job, number) != (found.kind, found.index)
    ]
    seen = {(job, int(number)) for job, number in TASK.findall(text)}
    lost = [one for one in named if one[:2] in seen] or named
    if len(lost) > 1:
        return "Another process"
    ((job, number, address),) = lost
    return f"{job.capitalize()} {number} ({address})"
