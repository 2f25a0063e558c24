"""The cache among processes: one is killed, two want the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cache_reader import SHARD, WANTED, cache_in

from tl_keras.training.cache import entry
from tl_keras.training.cache.checksums import missing

pytestmark = pytest.mark.slow
TESTS = Path(__file__).parents[2]
# Of the slowest machine: a limit, not a measure.
PATIENCE = 600


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Makes nine shards of the 36 images, as the processes do."""
    monkeypatch.setattr(entry, "SHARD", SHARD)


@pytest.fixture
def start(manifest, tmp_path):
    """Starts a process that reads the cache; ends what is left at the end."""
    processes = []

    def run(name):
        manifest.save(tmp_path / "manifest.csv")
        arguments = tmp_path, manifest.root, str(PATIENCE)
        command = [sys.executable, TESTS / "cache_reader.py", *arguments]
        with open(tmp_path / f"{name}.err", "w") as said:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=said, text=True
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


def wait_for(condition):
    """Waits until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def finish(process):
    """Returns what a process found."""
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return json.loads(output)


def test_killed_process_leaves_whole_shards_and_the_next_one_goes_on(
    start, manifest, tmp_path
):
    process = start("killed")
    # Two shards of two outputs, and the third begun: there it waits.
    wait_for(lambda: len(list(tmp_path.rglob("*.sha256"))) == 4)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    places = cache_in(tmp_path).entries(manifest, WANTED).values()
    assert [len(shards) for shards in missing(list(places))] == [7, 7]
    (tmp_path / "go").touch()
    resumed = finish(start("resumed"))
    assert resumed["computed"] == 2 * 7 * SHARD
    whole = cache_in(tmp_path / "anew").read(manifest, WANTED, what="all")
    for expected, found in zip(whole.values(), places):
        np.testing.assert_allclose(found.rows(), expected, rtol=1e-3)


def test_second_process_waits_for_the_first_and_computes_nothing(start, tmp_path):
    both = start("first"), start("second")
    said = [tmp_path / "first.err", tmp_path / "second.err"]
    words = "Another process computes"
    wait_for(lambda: any(words in path.read_text() for path in said))
    (tmp_path / "go").touch()
    found = [finish(process) for process in both]
    assert sorted(one["computed"] for one in found) == [0, 72]
    assert found[0]["digest"] == found[1]["digest"]


def test_who_waits_can_be_interrupted(start, tmp_path):
    both = {name: start(name) for name in ("first", "second")}
    words = "Another process computes"

    def waiting():
        return [
            name for name in both if words in (tmp_path / f"{name}.err").read_text()
        ]

    wait_for(waiting)
    process = both[waiting()[0]]
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=PATIENCE) != 0
    assert "KeyboardInterrupt" in (tmp_path / f"{waiting()[0]}.err").read_text()


def test_process_without_a_lock_does_no_harm(start, manifest, tmp_path):
    start("first")
    wait_for(lambda: len(list(tmp_path.rglob("*.sha256"))) == 4)
    # Another inode: the second process gets a lock of its own and overwrites.
    for lock in tmp_path.rglob("*.lock"):
        lock.unlink()
    (tmp_path / "go").touch()
    found = finish(start("second"))
    rows = cache_in(tmp_path).entries(manifest, WANTED).values()
    wait_for(lambda: not any(missing(list(rows))))
    assert found["computed"] <= 72
    assert all(np.isfinite(np.asarray(one.rows())).all() for one in rows)
