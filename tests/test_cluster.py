"""Which processes train together: what `TF_CONFIG` and the flags may say."""

import json

import pytest

from tl_keras import cluster
from tl_keras.cluster import Cluster
from tl_keras.errors import UsageError

TWO = ["a:2000", "b:2000"]


def text(workers=TWO, kind="worker", index=1, **more):
    jobs = {"worker": workers, **more}
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


def test_workers_are_read():
    found = cluster.of_json(text())
    assert (found.members, found.number, found.is_chief) == (tuple(TWO), 1, False)


def test_first_worker_is_the_chief_where_none_is_named():
    assert cluster.of_json(text(index=0)).is_chief


def test_chief_comes_before_the_workers():
    found = cluster.of_json(text(chief=["c:1"]))
    assert found.members == ("c:1", *TWO) and found.number == 2
    assert cluster.of_json(text(chief=["c:1"], kind="chief", index=0)).is_chief


def test_what_is_written_is_what_is_read():
    found = Cluster(tuple(TWO), 1, chiefs=("c:1",))
    assert cluster.of_json(found.as_json()) == found


@pytest.mark.parametrize(
    "value, words",
    [
        ("{", "no JSON"),
        ("[]", "no `cluster`"),
        ("{}", "no `cluster`"),
        (text(workers="a:1"), "must be a list"),
        (text(workers=[1]), "must be a list"),
        (text(workers=[]), "no workers"),
        (text(workers=["a:1", "a:1"]), "'a:1' stands there twice"),
        (text(chief=["a:2000"]), "stands there twice"),
        (text(chief=["c:1", "d:1"]), "must have one address"),
        (text(workers=["a"]), "must be `host:port`"),
        (text(workers=["a:0"]), "port from 1"),
        (text(workers=["a:65536"]), "port from 1"),
        (text(workers=["http://a:1"]), "must be `host:port`"),
        (text(ps=["c:1"]), "cluster.ps is not known"),
        (text(kind="evaluator"), "Received: 'evaluator'"),
        (text(kind="chief", index=0), "one of the cluster's: worker"),
        (text(index=2), "from 0 to 1"),
        (text(index=-1), "from 0 to 1"),
        (text(index="1"), "from 0 to 1"),
        (text(index=True), "from 0 to 1"),
        (json.dumps({"cluster": {"worker": TWO}}), "no `task`"),
    ],
)
def test_wrong_text_is_refused_in_one_line(value, words):
    with pytest.raises(UsageError, match="TF_CONFIG") as caught:
        cluster.of_json(value)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_address_of_the_sixth_version_stands_in_brackets():
    assert cluster.of_json(text(workers=["[::1]:20", "b:1"])).members[0] == "[::1]:20"
    assert cluster.split("[::1]:20") == ("::1", 20)


def test_flags_say_the_same():
    assert cluster.of_flags("a:2000, b:2000", 1) == cluster.of_json(text())


@pytest.mark.parametrize(
    "flags, words",
    [(("a:1", None), "--worker-index"), (("a:1,a:1", 0), "twice"), (("a:1", 1), "0")],
)
def test_wrong_flags_are_named(flags, words):
    with pytest.raises(UsageError, match="--workers") as caught:
        cluster.of_flags(*flags)
    assert words in str(caught.value) and "TF_CONFIG" not in str(caught.value)


def test_process_without_others_is_its_own_chief(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert cluster.of_environment() is None and cluster.is_chief()
    cluster_of_two = cluster.of_flags("a:1,b:1", 1)
    monkeypatch.setenv("TF_CONFIG", cluster_of_two.as_json())
    assert cluster.of_environment() == cluster_of_two and not cluster.is_chief()


def test_unknown_host_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_RESOLVE", 0.0)
    monkeypatch.setattr(cluster, "SECONDS_BETWEEN_LOOKS", 0.0)
    cluster.require_resolvable(["127.0.0.1:1", "localhost:1"])
    with pytest.raises(UsageError, match="'no.such.invalid' of 'no.such.invalid:1'"):
        cluster.require_resolvable(["no.such.invalid:1"])
