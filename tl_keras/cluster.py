"""The processes that train one run together: read from `TF_CONFIG`, or put there.

`TF_CONFIG` is what TensorFlow, Ray Train and Kubeflow's TFJob use: JSON with the
addresses of all processes and the number of this one. No TensorFlow is imported here.
"""

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tl_keras.errors import UsageError

VARIABLE = "TF_CONFIG"
CHIEF, WORKER = "chief", "worker"
# Names of a cluster that is being started resolve when its machines are up.
SECONDS_TO_RESOLVE = 30.0
SECONDS_BETWEEN_LOOKS = 1.0
HOW = (
    'as in {"cluster": {"worker": ["host:port", ...]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The processes of a run, and which of them this one is.

    Attributes:
        chiefs: Address of the process of type `chief`, where there is one.
        workers: Addresses of those of type `worker`, `host:port` each.
        kind: This process's type.
        index: Its number among those of its type.
    """

    workers: tuple[str, ...]
    index: int
    kind: str = WORKER
    chiefs: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The addresses of all processes; the first one is the chief's."""
        return self.chiefs + self.workers

    @property
    def number(self) -> int:
        """This process's place among the members."""
        return self.index + (len(self.chiefs) if self.kind == WORKER else 0)

    @property
    def is_chief(self) -> bool:
        """Tells whether this process writes the run folder."""
        return self.number == 0

    def as_json(self) -> str:
        """Returns the text of `TF_CONFIG`."""
        jobs = {CHIEF: list(self.chiefs), WORKER: list(self.workers)}
        return json.dumps(
            {
                "cluster": {job: found for job, found in jobs.items() if found},
                "task": {"type": self.kind, "index": self.index},
            }
        )


def of_environment() -> Cluster | None:
    """Returns the cluster that `TF_CONFIG` names, `None` where there is none.

    Raises:
        UsageError: If the variable is set and cannot be used.
    """
    text = os.environ.get(VARIABLE, "").strip()
    return of_json(text) if text else None


def is_chief() -> bool:
    """Tells whether this process is the chief, or the only one."""
    found = of_environment()
    return found is None or found.is_chief


def of_json(text: str) -> Cluster:
    """Reads the text of `TF_CONFIG`.

    Raises:
        UsageError: If it is no JSON, an address is wrong or double, or the task is
            none of the cluster's.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{VARIABLE} is no JSON ({error}): write it {HOW}.") from None
    found = value.get("cluster") if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise UsageError(f"{VARIABLE} has no `cluster`: write it {HOW}.")
    for job in found:
        if job not in (CHIEF, WORKER):
            raise UsageError(
                f"{VARIABLE}: cluster.{job} is not known here; processes are of type "
                f"`{WORKER}`, one of them may be `{CHIEF}`."
            )
    chiefs, workers = (_addresses(found.get(job, []), job) for job in (CHIEF, WORKER))
    if len(chiefs) > 1:
        raise UsageError(
            f"{VARIABLE}: cluster.chief must have one address. Received: {chiefs}"
        )
    _refuse_double(chiefs + workers)
    kind, index = _task(value.get("task"), {CHIEF: chiefs, WORKER: workers})
    return Cluster(workers, index, kind, chiefs)


def of_flags(workers: str, index: int | None) -> Cluster:
    """Reads `--workers host:port,…` and `--worker-index`.

    Raises:
        UsageError: If an address is wrong or double, or the index is missing or out
            of range.
    """
    addresses = [part.strip() for part in workers.split(",") if part.strip()]
    if index is None:
        raise UsageError(
            "--workers needs --worker-index: the number of this process in that list, "
            "from 0."
        )
    cluster = {"cluster": {WORKER: addresses}, "task": {"type": WORKER, "index": index}}
    try:
        return of_json(json.dumps(cluster))
    except UsageError as error:
        text = str(error).removeprefix(f"{VARIABLE}: ")
        raise UsageError(f"--workers, --worker-index: {text}") from None


def put(cluster: Cluster) -> None:
    """Writes `TF_CONFIG` into this process's environment."""
    os.environ[VARIABLE] = cluster.as_json()


def require_resolvable(members: Sequence[str]) -> None:
    """Refuses addresses whose host has no address of its own, after a while.

    Raises:
        UsageError: If one cannot be resolved.
    """
    until = time.monotonic() + SECONDS_TO_RESOLVE
    for address in members:
        host, _ = split(address)
        while not _resolves(host):
            if time.monotonic() > until:
                raise UsageError(
                    f"{VARIABLE}: the host {host!r} of {address!r} is not known to "
                    "this machine: correct the name, or write its IP address."
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)


def split(address: str) -> tuple[str, int]:
    """Returns the host and the port of `host:port`; IPv6 stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _resolves(host: str) -> bool:
    """Tells whether a host name has an address."""
    try:
        return bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


def _addresses(values: Any, job: str) -> tuple[str, ...]:
    """Returns the addresses of one type of process."""
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise UsageError(
            f"{VARIABLE}: cluster.{job} must be a list of `host:port`. "
            f"Received: {values!r}"
        )
    for address in values:
        host, colon, port = address.rpartition(":")
        fits = bool(host and colon) and port.isascii() and port.isdigit()
        bare = ":" not in host or (host.startswith("[") and host.endswith("]"))
        if not (fits and bare and 0 < int(port) < 65536):
            raise UsageError(
                f"{VARIABLE}: addresses must be `host:port`, with a port from 1 to "
                f"65535. Received: {address!r}"
            )
    return tuple(values)


def _refuse_double(members: Sequence[str]) -> None:
    """Refuses clusters of nobody, and two processes at one address."""
    if not members:
        raise UsageError(f"{VARIABLE}: the cluster has no workers: write it {HOW}.")
    for address in members:
        if members.count(address) > 1:
            raise UsageError(
                f"{VARIABLE}: {address!r} stands there twice; each process needs an "
                "address of its own."
            )


def _task(task: Any, jobs: Mapping[str, Sequence[str]]) -> tuple[str, int]:
    """Returns the type and the number of this process."""
    if not isinstance(task, dict):
        raise UsageError(f"{VARIABLE} has no `task`: write it {HOW}.")
    kind, index = task.get("type"), task.get("index")
    if kind not in jobs or not jobs[kind]:
        known = ", ".join(job for job, found in jobs.items() if found)
        raise UsageError(
            f"{VARIABLE}: task.type must be one of the cluster's: {known}. "
            f"Received: {kind!r}"
        )
    count = len(jobs[kind])
    if type(index) is not int or not 0 <= index < count:
        raise UsageError(
            f"{VARIABLE}: task.index must be from 0 to {count - 1}, as there are "
            f"{count} of type {kind}. Received: {index!r}"
        )
    return kind, index
