"""Starts a script of the tests in several processes that train together."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tl_keras.cluster import Cluster
from tl_keras.launching import free_ports

HERE = Path(__file__).parent
SECONDS = 900


@dataclass
class Done:
    """How a process ended: its exit code, and what it printed."""

    code: int
    said: str


class Team:
    """Processes that train together; their number is their place in the list."""

    def __init__(self, script, *arguments, processes=1, devices=1):
        """Starts them."""
        addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(processes))
        path = os.pathsep.join([str(HERE.parent), str(HERE)])
        base = {**os.environ, "PYTHONPATH": path, "VIRTUAL_DEVICES": str(devices)}
        base.pop("TF_CONFIG", None)
        self.started = []
        for number in range(processes):
            own = {"TF_CONFIG": Cluster(addresses, number).as_json()}
            self.started.append(
                subprocess.Popen(
                    [sys.executable, str(HERE / script), *map(str, arguments)],
                    env=base | (own if processes > 1 else {}),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )

    def wait(self, seconds=SECONDS):
        """Waits until all have ended; those that do not in time are killed."""
        until = time.monotonic() + seconds
        try:
            return [
                Done(*self._ended(one, until - time.monotonic()))
                for one in self.started
            ]
        finally:
            for one in self.started:
                one.kill()

    @staticmethod
    def _ended(one, seconds):
        said, _ = one.communicate(timeout=max(1.0, seconds))
        return one.returncode, said


def run_team(script, *arguments, processes=1, devices=1):
    """Runs a script in several processes to its end; returns how each ended."""
    return Team(script, *arguments, processes=processes, devices=devices).wait()
