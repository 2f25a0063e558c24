"""Starts the processes of a run on this machine, and ends them together."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from tl_keras import cluster as clusters
from tl_keras.cluster import Cluster

HOST = "127.0.0.1"
SECONDS_BETWEEN_LOOKS = 0.1
# Those that are left say what they know and end by themselves; then they are ended.
SECONDS_TO_END = 15.0
SECONDS_TO_DIE = 10.0


def launch(command: Sequence[str], workers: int) -> int:
    """Runs a command of `tl-keras` in several processes on this machine.

    What they print is printed here, the number of the process before each line. Where
    one fails, the others are ended. SIGINT and SIGTERM are passed on to all.

    Args:
        command: A command and what it takes, such as `["train", "photos"]`.
        workers: How many processes.

    Returns:
        The exit code of the process that failed first, 0 where none did.
    """
    addresses = tuple(f"{HOST}:{port}" for port in free_ports(workers))
    started = [_start(command, Cluster(addresses, number)) for number in range(workers)]
    readers = [
        threading.Thread(target=_forward, args=(number, pipe, screen), daemon=True)
        for number, one in enumerate(started)
        for pipe, screen in ((one.stdout, sys.stdout), (one.stderr, sys.stderr))
    ]
    for reader in readers:
        reader.start()
    before = {
        number: signal.signal(number, lambda number, _: _pass_on(started, number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        code = _wait(started)
    finally:
        _end(started, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)
    for reader in readers:
        reader.join()
    return code


def free_ports(count: int) -> list[int]:
    """Returns ports that no process listens on."""
    holders = [socket.socket() for _ in range(count)]
    try:
        # All are held until all are known: no port comes twice.
        for holder in holders:
            holder.bind((HOST, 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _start(command: Sequence[str], member: Cluster) -> subprocess.Popen:
    """Starts one process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tl_keras.cli", *command],
        env={**os.environ, clusters.VARIABLE: member.as_json()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Ctrl-C reaches this process alone, which passes it on, once.
        start_new_session=True,
    )


def _forward(number: int, pipe: IO[bytes], screen: IO[str]) -> None:
    """Prints each line of a process with its number before it."""
    for line in pipe:
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        screen.write(f"[{number}] {text}\n")
        screen.flush()


def _wait(started: Sequence[subprocess.Popen]) -> int:
    """Waits until all have ended; where one failed, for the others not long."""
    code, until = 0, float("inf")
    while any(one.poll() is None for one in started):
        failed = [one.returncode for one in started if one.poll() not in (None, 0)]
        if failed and not code:
            code, until = failed[0], time.monotonic() + SECONDS_TO_END
        if time.monotonic() > until:
            _end(started, signal.SIGTERM)
            _end_later(started)
            break
        time.sleep(SECONDS_BETWEEN_LOOKS)
    code = code or next((one.returncode for one in started if one.returncode), 0)
    # Of a process that a signal ended, as shells have it.
    return code if code >= 0 else 128 - code


def _end_later(started: Sequence[subprocess.Popen]) -> None:
    """Gives processes that were asked to end a while, and ends them."""
    until = time.monotonic() + SECONDS_TO_DIE
    while time.monotonic() < until and any(one.poll() is None for one in started):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    _end(started, signal.SIGKILL)


def _pass_on(started: Sequence[subprocess.Popen], number: int) -> None:
    """Sends a signal that this process got to all that run."""
    _end(started, signal.Signals(number))


def _end(started: Sequence[subprocess.Popen], how: signal.Signals) -> None:
    """Sends a signal to all processes that run, and to those that they started."""
    for one in started:
        if one.poll() is None:
            try:
                if how is signal.SIGKILL:
                    os.killpg(one.pid, how)
                else:
                    one.send_signal(how)
            except ProcessLookupError:
                continue
        if how is signal.SIGKILL:
            one.wait()
