"""Compares the server with bare calls of the SavedModel it serves.

    python scripts/bench_serve.py saved_models/demo IMAGE…
    python scripts/bench_serve.py saved_models/demo IMAGE… --clients 1 4 16 --rounds 5
    python scripts/bench_serve.py saved_models/demo IMAGE… --quick

The server is a process of its own, `tl-keras serve`, asked over loopback by some
clients that send one image a request, one request after another each. The bare calls
are made in this process, of one image each and of as many as there are clients, with
the same images and nothing around them. Server and bare calls take turns, so that a
slow spell of the machine meets both; the ratio is that of a round. Where all cores are
busy the clients, too, take their share of them: on a machine that does other work, or
has few cores, the figures are those of the clients as well.

`--quick` proves that all runs: its figures say nothing.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import httpx2
import numpy as np

QUICK = {"requests": 16, "rounds": 1, "clients": [1, 4]}
WARM_UP = 8
GIVE_UP_AFTER = 300
TIMES = ("50 %", "90 %", "99 %", "100 %")


def main() -> None:
    """Measures the server and the bare calls in turn, and prints a table."""
    options = _arguments()
    images = [Path(path).read_bytes() for path in options.images]
    bare = _bare(options.export)
    print(f"{len(images)} images, {options.requests} requests a round\n")
    names = " | ".join(f"{name} ms" for name in TIMES)
    print(
        f"| Clients | Images/s | Bare, one by one | Bare, joined | {names} | Errors |"
    )
    print("|---|---|---|---|" + "---|" * (len(TIMES) + 1))
    with _server(options.export) as address:
        for clients in options.clients:
            rounds = [
                _round(address, bare, images, clients, options.requests)
                for _ in range(options.rounds)
            ]
            print(_row(clients, rounds), flush=True)
    if options.quick:
        print("\nQuick: few requests. These figures say nothing.")


def _arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path, help="an export's folder")
    parser.add_argument("images", nargs="+", help="image files, sent in turn")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--requests", type=int, default=400, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few requests, one round")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    return options


def _bare(folder: Path):
    """Returns a function from images to seconds, of calls of so many images each."""
    import tensorflow as tf

    from tl_keras.export.loaded import load

    model = tf.saved_model.load(str(load(folder).path))
    classify = model.signatures["serving_default"]

    def seconds(images: list[bytes], together: int) -> float:
        started = time.perf_counter()
        for first in range(0, len(images), together):
            found = classify(image_bytes=tf.constant(images[first : first + together]))
            found["probabilities"].numpy()
        return time.perf_counter() - started

    return seconds


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Serves an export by a process of its own; gives the address of its paths."""
    command = [
        sys.executable,
        "-m",
        "tl_keras.cli",
        "serve",
        str(folder),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            name, address = re.match(
                r"Serving (.+), version .* at (\S+)", line
            ).groups()
            yield f"{address}v1/models/{name}:predict"
        finally:
            process.terminate()


def _round(address, bare, images: list[bytes], clients: int, requests: int) -> dict:
    """Measures the server, and the bare calls behind it."""
    sent = [images[n % len(images)] for n in range(requests)]
    bodies = [
        json.dumps({"instances": [{"b64": base64.b64encode(one).decode()}]})
        for one in sent
    ]
    asyncio.run(_ask(address, bodies[: WARM_UP * clients], clients))
    started = time.perf_counter()
    times, errors = asyncio.run(_ask(address, bodies, clients))
    served = requests / (time.perf_counter() - started)
    bare(sent[:WARM_UP], 1)
    bare(sent[: WARM_UP * clients], clients)
    return {
        "served": served,
        "alone": requests / bare(sent, 1),
        "joined": requests / bare(sent, clients),
        "times": times,
        "errors": errors,
    }


async def _ask(address: str, bodies: list[str], clients: int) -> tuple[list, int]:
    """Sends bodies from some clients; returns milliseconds each, and the errors."""
    left, times, errors = iter(bodies), [], 0

    async def one(client: httpx2.AsyncClient) -> None:
        nonlocal errors
        for body in left:
            started = time.perf_counter()
            answer = await client.post(address, content=body)
            times.append(1000 * (time.perf_counter() - started))
            good = answer.status_code == 200 and answer.json()["predictions"][0]["ok"]
            errors += not good

    async with httpx2.AsyncClient(timeout=GIVE_UP_AFTER) as client:
        await asyncio.gather(*(one(client) for _ in range(clients)))
    return times, errors


def _row(clients: int, rounds: list[dict]) -> str:
    """Returns the table's line of so many clients."""
    times = np.concatenate([turn["times"] for turn in rounds])
    shares = [float(name.removesuffix(" %")) for name in TIMES]
    latencies = [f"{value:.1f}" for value in np.percentile(times, shares)]
    ratios = [
        _spread([turn["served"] / turn[name] for turn in rounds], ".2f")
        for name in ("alone", "joined")
    ]
    served = _spread([turn["served"] for turn in rounds], ".0f")
    errors = str(sum(turn["errors"] for turn in rounds))
    return "| " + " | ".join([str(clients), served, *ratios, *latencies, errors]) + " |"


def _spread(values: list[float], form: str) -> str:
    """Returns median and range."""
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}}–{max(values):{form}})"


if __name__ == "__main__":
    main()
