"""Many clients at once, over loopback: everyone is answered, or told to come back."""

import asyncio

import httpx2
from asking import GIVE_UP_AFTER, PREDICT, rows, served

CLIENTS, REQUESTS = 16, 160


async def storm(address, body, clients=CLIENTS, requests=REQUESTS):
    """Asks from many clients, one request after another each; returns the answers."""
    left, answers = iter(range(requests)), []

    async def one(client):
        for _ in left:
            answers.append(await client.post(PREDICT, json=body))

    async with (
        asyncio.timeout(GIVE_UP_AFTER),
        httpx2.AsyncClient(base_url=address, timeout=GIVE_UP_AFTER) as client,
    ):
        await asyncio.gather(*(one(client) for _ in range(clients)))
    return answers


def test_every_request_of_many_clients_is_answered(shelf, red):
    with served(shelf) as address:
        answers = asyncio.run(storm(address, rows(red.read_bytes())))
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    labels = {answer.json()["predictions"][0]["label"] for answer in answers}
    assert labels == {"red"}


def test_overload_is_told_to_come_back_and_passes(shelf, red):
    body = rows(*[red.read_bytes()] * 8)
    with served(shelf, images=8, batch=1, queue=16) as address:
        answers = asyncio.run(storm(address, body, requests=48))
        after = httpx2.post(address + PREDICT, json=body, timeout=GIVE_UP_AFTER)
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 503} and after.status_code == 200
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    assert "try again" in refused.json()["error"]
