"""What the tests of the server share: one small export, and servers on it."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import httpx2
import pytest

from tl_keras.serving import models
from tl_keras.serving.app import create
from tl_keras.serving.heat import Heat
from tl_keras.serving.limits import Limits

ADDRESS = "http://127.0.0.1:8501"
PREDICT = "/v1/models/squares:predict"


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """An export of the small run, version 1; tests copy it to change it."""
    return trained.export(tmp_path_factory.mktemp("served") / "squares").path.parent


@pytest.fixture(scope="session")
def shelf(exported):
    """The export, loaded once for all tests that change no version."""
    return models.opened(exported)


@pytest.fixture
def versions(exported, tmp_path):
    """A copy of the export's folder, and what adds a version to it."""
    folder = Path(shutil.copytree(exported, tmp_path / "squares"))

    def add(number):
        # As exporting does: the whole of it appears at once.
        shutil.copytree(exported / "1", tmp_path / "new")
        return (tmp_path / "new").rename(folder / str(number))

    return folder, add


@contextlib.asynccontextmanager
async def asking(shelf, heat=None, names=(), **limits):
    """Gives a client of a server in this process, without a socket between them."""
    app = create(shelf, Limits(**limits), heat, names)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client,
    ):
        client.server = app.state.server
        yield client


@pytest.fixture
def ask(shelf):
    """Runs a conversation with a server: a function of its client."""

    def run(conversation, shelf=shelf, **settings):
        async def whole():
            async with asyncio.timeout(120), asking(shelf, **settings) as client:
                return await conversation(client)

        return asyncio.run(whole())

    return run


@pytest.fixture(scope="session")
def heat(trained):
    """Grad-CAM pictures of the small run."""
    return Heat(trained)
