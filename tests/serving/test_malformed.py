"""Malformed bodies by the thousand: a reason each, and the server serves on."""

import asyncio
import gc
import json

import hypothesis
import psutil
import pytest
from asking import PREDICT, asking, rows
from hypothesis import strategies as st

FEW, MANY = 100, 2000
# In bytes; what Python and TensorFlow keep for later is less.
GROWTH = 64 << 20
STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF....WEBPVP8 ")

texts = st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.integers() | st.floats()
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda parts: (
        st.lists(parts, max_size=4) | st.dictionaries(texts, parts, max_size=4)
    ),
    max_leaves=12,
)
base64_texts = st.from_regex(r"[A-Za-z0-9+/]{0,40}={0,2}", fullmatch=True) | texts
encoded = st.fixed_dictionaries({"b64": base64_texts | json_values})
values = encoded | texts | json_values
names = st.sampled_from(["serving_default", "pixels", "features", "", "no such"])


def bodies(red):
    """Returns a strategy: text, almost what is meant, and images cut or changed."""
    instances = st.lists(
        values | st.fixed_dictionaries({"image_bytes": values}), max_size=4
    )
    meant = st.fixed_dictionaries(
        {},
        optional={
            "instances": instances | json_values,
            "inputs": st.fixed_dictionaries({"image_bytes": st.lists(values)}) | values,
            "signature_name": names | json_values,
        },
    )
    content = red.read_bytes()
    places = st.integers(0, len(content) - 1)
    cut = places.map(lambda end: content[:end])
    changed = st.tuples(places, st.binary(min_size=1, max_size=8)).map(
        lambda found: (
            content[: found[0]] + found[1] + content[found[0] + len(found[1]) :]
        )
    )
    started = st.builds(bytes.__add__, st.sampled_from(STARTS), st.binary(max_size=80))
    images = (cut | changed | started).map(lambda image: json.dumps(rows(image)))
    written = (json_values | meant).map(json.dumps) | images
    ended = st.tuples(written, st.integers(0, 40)).map(lambda one: one[0][: one[1]])
    return st.binary(max_size=200) | (written | ended).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )


def bombard(shelf, red, count):
    """Sends malformed bodies; returns the statuses, and how memory grew."""
    memory, statuses = [], []
    loop = asyncio.new_event_loop()
    server = asking(shelf)
    client = loop.run_until_complete(server.__aenter__())

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(bodies(red))
    def send(body):
        answer = loop.run_until_complete(client.post(PREDICT, content=body))
        statuses.append(answer.status_code)
        found = answer.json()
        assert answer.status_code in (200, 400, 413), (body, found)
        assert answer.status_code == 200 or "Traceback" not in found["error"]
        if len(statuses) % (count // 4) == 0:
            gc.collect()
            memory.append(psutil.Process().memory_info().rss)

    try:
        send()
        answer = client.post(PREDICT, json=rows(red.read_bytes()))
        found = loop.run_until_complete(answer).json()["predictions"][0]
        assert found["label"] == "red" and client.server.bodies.held == 0
    finally:
        loop.run_until_complete(server.__aexit__(None, None, None))
        loop.close()
    return statuses, memory


def test_malformed_bodies_get_a_reason(shelf, red):
    statuses, _ = bombard(shelf, red, FEW)
    assert len(statuses) >= FEW and {200, 400} <= set(statuses)


@pytest.mark.slow
def test_two_thousand_malformed_bodies_leave_memory_flat(shelf, red):
    statuses, memory = bombard(shelf, red, MANY)
    assert len(statuses) >= MANY
    # From the first quarter on: before that, everything is used for the first time.
    assert memory[-1] - memory[0] < GROWTH, memory
