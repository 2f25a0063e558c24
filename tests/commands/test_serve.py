"""`tl-keras serve`: refused early, on this machine alone, ended without a word."""

import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
from asking import PREDICT, rows

from tl_keras.cli import main
from tl_keras.commands import serve
from tl_keras.serving import server

GIVE_UP_AFTER = 120


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def started(monkeypatch):
    """Notes what would be served."""
    noted = []
    monkeypatch.setattr(
        server, "serve", lambda folder, **given: noted.append((folder.name, given))
    )
    return noted


def test_flags_reach_the_server(started):
    flags = ["--port", "0", "--images", "3", "--queue", "9", "--body_mb", "1.5"]
    assert main(["serve", "saved_models/pets", *flags, "--allow_host", "mine"]) == 0
    ((name, given),) = started
    limits = given["limits"]
    assert (name, given["host"], given["port"]) == ("pets", "127.0.0.1", 0)
    assert (limits.images, limits.queue, limits.body_mb) == (3, 9, 1.5)
    assert given["allowed"] == ["mine"] and given["run"] is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "65536"], "`port` must be in [0, 65535]"),
        (["--images", "0"], "`images` must be at least 1"),
        (["--queue", "1"], "`queue` must be at least images, 64"),
    ],
)
def test_flag_without_sense_is_refused(flags, said, started, capsys):
    assert main(["serve", "saved_models/pets", *flags]) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1 and started == []


def test_extra_that_is_missing_is_named(started, monkeypatch, capsys):
    monkeypatch.setattr(serve, "PACKAGES", ("fastapi", "no_such_package"))
    assert main(["serve", "saved_models/pets"]) == 2
    assert "no_such_package: pip install 'tl_keras[serve]'" in capsys.readouterr().err


def test_port_that_is_taken_is_refused_before_a_model_is_loaded(taken, capsys):
    assert main(["serve", "no/such/export", "--port", str(taken)]) == 2
    message = capsys.readouterr().err
    assert f"Port {taken} of 127.0.0.1 cannot be used" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("host", ["no.such.host.invalid", "198.51.100.7"])
def test_host_that_is_not_here_is_refused(host, capsys):
    assert main(["serve", "no/such/export", "--host", host, "--port", "0"]) == 2
    assert "cannot be used" in capsys.readouterr().err


def test_folder_without_an_export_is_refused(tmp_path, capsys):
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    message = capsys.readouterr().err
    assert "holds no SavedModel" in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False)]
)
def test_whoever_listens_to_others_is_warned(host, local):
    with server.listening(host, 0) as listener:
        assert server._is_local(listener.getsockname()[0]) is local


@pytest.fixture
def served(exported, tmp_path):
    """The command in a process of its own, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tl_keras.cli", "serve", str(exported), "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    try:
        yield process, re.search(r"http://[\d.:]+", line)[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_answers_what_it_was_asked_and_ends_quietly(served, red, number):
    process, address = served
    body = rows(*[red.read_bytes()] * 64)
    host, port = address.removeprefix("http://").split(":")
    request = httpx2.Client().build_request("POST", address + PREDICT, json=body)
    content = request.read()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), GIVE_UP_AFTER) as client:
        client.sendall(head.encode() + content[:-10])
        time.sleep(0.5)
        # The request is on its way when the signal comes.
        process.send_signal(number)
        time.sleep(0.5)
        client.sendall(content[-10:])
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.count(b'"red"') == 64
    _, messages = process.communicate(timeout=GIVE_UP_AFTER)
    assert (process.returncode, messages) == (0, "")
