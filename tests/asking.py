"""Asking the server of `tl-keras serve` in this process, with and without a socket."""

import asyncio
import base64
import contextlib
import threading
import time

import httpx2
import uvicorn

from tl_keras.serving.app import create
from tl_keras.serving.limits import Limits
from tl_keras.serving.server import listening

ADDRESS = "http://127.0.0.1:8501"
PREDICT = "/v1/models/squares:predict"
GIVE_UP_AFTER = 120


def b64(content):
    """Returns an image file's bytes as JSON takes them."""
    return {"b64": base64.b64encode(content).decode()}


def rows(*contents):
    """Returns the body that asks for image files' classes."""
    return {"instances": [{"image_bytes": b64(content)} for content in contents]}


@contextlib.asynccontextmanager
async def asking(shelf, heat=None, names=(), **limits):
    """Gives a client of a server on some versions; its `server` is the server."""
    app = create(shelf, Limits(**limits), heat, names)
    # What fails has to be an answer, no error here.
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client,
    ):
        client.server = app.state.server
        yield client


def talk(conversation, shelf, **settings):
    """Runs a conversation with a server, a function of its client."""

    async def whole():
        async with asyncio.timeout(GIVE_UP_AFTER), asking(shelf, **settings) as client:
            return await conversation(client)

    return asyncio.run(whole())


@contextlib.contextmanager
def served(shelf, heat=None, **limits):
    """Serves some versions on loopback, by a thread of its own; gives the address."""
    app = create(shelf, Limits(**limits), heat)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
