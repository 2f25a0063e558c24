"""How processes find one another, and what is said when one is gone."""

import pytest
import tensorflow as tf

from tl_keras.cluster import Cluster
from tl_keras.errors import TlKerasError, UsageError, WorkerError
from tl_keras.training.distribution import joining
from tl_keras.training.distribution.team import current

TWO = Cluster(("a:1", "b:2"), 0)
LOST = (
    "Collective ops is aborted by: Error reported from /job:worker/task:1: The "
    "following tasks are unhealthy (stopped sending heartbeats)"
)
TOLD = (
    "Barrier failed because: task is set to ERROR: FAILED_PRECONDITION: "
    "<<Folder x is full.>> [type...]. Task: /job:worker/replica:0/task:1"
)


@pytest.mark.parametrize("kind", ["auto", "none", "mirrored"])
def test_one_device_is_a_team_of_its_own(kind, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with joining.join(kind) as team:
        assert current() is team
        assert (team.strategy, team.replicas, team.workers) == (None, 1, 1)
        assert team.is_chief and team.told("a") == "a" and team.agreed(True)
        team.barrier()
    assert current() is not team


def test_cluster_of_one_process_is_none(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", Cluster(("a:1",), 0).as_json())
    with joining.join("auto") as team:
        assert team.cluster is None and team.workers == 1


def test_several_processes_are_not_looked_for_in_vain(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError, match="multi-worker needs several processes"):
        with joining.join("multi-worker"):
            pytest.fail("there is one process")


@pytest.mark.parametrize(
    "text, expected",
    [
        (LOST, "Worker 1 (b:2) is gone"),
        # The process that found out is named alone, or first.
        ("/job:worker/task:0: Socket closed", "Worker 1 (b:2) is gone"),
        ("/job:worker/task:0: RPC to /job:worker/task:1", "Worker 1 (b:2) is gone"),
        (TOLD, "Worker 1 (b:2) failed: Folder x is full"),
    ],
)
def test_lost_process_is_named_in_one_line(text, expected):
    with pytest.raises(WorkerError) as caught, joining._clear_words(TWO):
        raise tf.errors.UnavailableError(None, None, text)
    assert str(caught.value).startswith(expected) and "\n" not in str(caught.value)


def test_errors_of_this_process_stay_what_they_are():
    own = tf.errors.InternalError(None, None, "cuDNN is missing")
    for error in (own, TlKerasError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, joining._clear_words(TWO):
            raise error
        assert caught.value is error
