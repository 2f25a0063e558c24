"""The paths of the server: TensorFlow Serving's, and those of the page."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tl_keras.datasets import report
from tl_keras.serving import tensors
from tl_keras.serving.batching import Arrays, Batcher
from tl_keras.serving.bodies import Bodies
from tl_keras.serving.guard import JSON, Guard
from tl_keras.serving.heat import Heat
from tl_keras.serving.limits import Limits
from tl_keras.serving.models import Shelf
from tl_keras.serving.refusals import MISSING, Refusal, bad, busy
from tl_keras.serving.sizes import require_small
from tl_keras.serving.versions import INPUT, Signature, Version

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
SHARED_STYLE = Path(report.__file__).parent / "page.css"
# Seconds between two looks at the folder.
POLL = 1.0
READERS = 2
# For the first Grad-CAM picture the run's network is built.
PICTURE_SECONDS = 120.0


class Server:
    """What the paths share.

    Attributes:
        shelf: The versions.
        limits: What a request may take.
        heat: Makes Grad-CAM pictures; `None` where the run is not at hand.
        batcher: Calls the model.
        bodies: What is in memory.
    """

    def __init__(self, shelf: Shelf, limits: Limits, heat: Heat | None) -> None:
        """Starts the threads."""
        self.shelf, self.limits, self.heat = shelf, limits, heat
        self.batcher, self.bodies = Batcher(limits), Bodies(limits)
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._loader = ThreadPoolExecutor(1, "loader")

    @contextlib.asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Works and watches the folder while the application runs."""
        works = (self._watch, self.batcher.work)
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.batcher.close()
            self._readers.shutdown()
            self._loader.shutdown()
            if self.heat:
                self.heat.close()

    async def _watch(self) -> None:
        """Looks for a new version every `POLL` seconds."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(POLL)
            try:
                await loop.run_in_executor(self._loader, self.shelf.refresh)
            # It must go on looking, whatever the folder holds.
            except Exception:
                logger.exception("The folder of versions could not be looked at.")

    async def predict(self, request: Request, name: str, number: str | None) -> bytes:
        """Returns the body of TensorFlow Serving's answer to a request."""
        with self.shelf.using(name, number) as version:
            with self.batcher.coming():
                async with self.bodies.reading(request) as content:
                    read = partial(self._read, content, version)
                    loop = asyncio.get_running_loop()
                    found = await loop.run_in_executor(self._readers, read)
            body, signature, inputs, pixels = found
            outputs = await self.batcher.classify(signature, inputs, pixels)
        return tensors.answer(outputs, body.by_row)

    def _read(
        self, content: bytes, version: Version
    ) -> tuple[tensors.Body, Signature, Arrays, list[int]]:
        """Makes of a body what the model takes."""
        body = tensors.parse(content)
        signature = version.signature(body.signature)
        inputs = tensors.inputs(body, signature.inputs, self.limits.images)
        rows = len(next(iter(inputs.values())))
        if INPUT not in inputs:
            return body, signature, inputs, [0] * rows
        pixels = require_small(inputs[INPUT].tolist(), self.limits.pixels)
        return body, signature, inputs, pixels

    async def explain(self, request: Request) -> bytes:
        """Returns a Grad-CAM picture of the image in a body."""
        with self.shelf.using(self.shelf.name) as version:
            if not self._explains(version):
                raise Refusal(MISSING, "The run of this version is not at hand.")
        class_id = request.query_params.get("class_id", "")
        if not class_id.isdecimal() or len(class_id) > 9:
            raise bad("class_id must be the number of a class.")
        async with self.bodies.reading(request) as content:
            require_small([content], self.limits.pixels)
            return await self.heat.picture(content, int(class_id))

    def _explains(self, version: Version) -> bool:
        """Tells whether a version is of the run: a newer one may be of another."""
        return self.heat is not None and self.heat.explains(version.export)

    def about(self) -> dict[str, Any]:
        """Returns what the page has to know."""
        with self.shelf.using(self.shelf.name) as version:
            return {
                "name": self.shelf.name,
                "version": version.number,
                "classes": version.export.class_names,
                "several": version.export.outputs == "multi_label",
                "explains": self._explains(version),
                "body_bytes": self.limits.body_bytes,
            }


def create(
    shelf: Shelf,
    limits: Limits | None = None,
    heat: Heat | None = None,
    names: Iterable[str] = (),
) -> FastAPI:
    """Returns the application.

    Args:
        shelf: The versions, one of them loaded.
        limits: What a request may take.
        heat: Makes Grad-CAM pictures.
        names: Hosts that it may be asked by, beside numbers and `localhost`.
    """
    server = Server(shelf, limits or Limits(), heat)
    app = FastAPI(
        title=f"tl-keras serve: {shelf.name}",
        lifespan=server.running,
        # They would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        exception_handlers={Refusal: _refused, HTTPException: _unknown},
    )
    app.state.server = server
    app.include_router(_rest(server))
    app.include_router(_page(server))
    app.add_middleware(Guard, names=names)
    return app


def _rest(server: Server) -> APIRouter:
    """Returns TensorFlow Serving's paths."""
    router, model = APIRouter(), "/v1/models/{name}"
    seconds = server.limits.seconds

    @router.post(model + "/versions/{version}:predict")
    async def predict_version(request: Request, name: str, version: str) -> Response:
        """Classify images with a version that is named."""
        return await _in_time(seconds, server.predict(request, name, version))

    @router.post(model + ":predict")
    async def predict(request: Request, name: str) -> Response:
        """Classify images with the newest version."""
        return await _in_time(seconds, server.predict(request, name, None))

    @router.get(model + "/versions/{version}/metadata")
    async def version_metadata(name: str, version: str) -> Response:
        """Tell the signatures of a version."""
        with server.shelf.using(name, version) as found:
            return _json(server.shelf.metadata(found))

    @router.get(model + "/versions/{version}")
    async def version_status(name: str, version: str) -> Response:
        """Tell whether a version is served."""
        return _json(server.shelf.statuses(name, version))

    @router.get(model + "/metadata")
    async def metadata(name: str) -> Response:
        """Tell the signatures of the newest version."""
        with server.shelf.using(name) as found:
            return _json(server.shelf.metadata(found))

    @router.get(model)
    async def status(name: str) -> Response:
        """Tell which versions are served, were, or cannot be."""
        return _json(server.shelf.statuses(name))

    return router


def _page(server: Server) -> APIRouter:
    """Returns the page's paths."""
    router = APIRouter(include_in_schema=False)
    style = SHARED_STYLE.read_text("utf-8") + (PAGE / "serve.css").read_text("utf-8")
    files = {
        "/": ((PAGE / "index.html").read_text("utf-8"), "text/html"),
        "/page.css": (style, "text/css"),
        "/page.js": ((PAGE / "serve.js").read_text("utf-8"), "text/javascript"),
    }
    for path, (text, kind) in files.items():
        router.add_api_route(path, partial(_file, text, kind))

    @router.get("/about")
    async def about() -> Response:
        """Tell what the page has to know."""
        return _json(server.about())

    @router.post("/explain")
    async def explain(request: Request) -> Response:
        """Draw what speaks for a class."""
        seconds = max(PICTURE_SECONDS, server.limits.seconds)
        return await _in_time(seconds, server.explain(request), "image/png")

    return router


async def _in_time(seconds: float, work: Any, kind: str = JSON) -> Response:
    """Returns what some work gives, unless that takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return Response(await work, media_type=kind)
    except TimeoutError:
        raise busy(f"No answer within {seconds:g} seconds.") from None
    except ClientDisconnect:
        raise bad("The request was not sent to its end.") from None


def _json(value: Any) -> Response:
    """Returns an answer, spaced for readers as TensorFlow Serving does."""
    return Response(tensors.to_json(value, indent=1), media_type=JSON)


async def _file(text: str, kind: str) -> Response:
    """Returns a file of the page."""
    return Response(text, media_type=kind)


async def _refused(request: Request, refusal: Refusal) -> Response:
    """Returns the answer to what is refused."""
    body = tensors.error(refusal.reason)
    return Response(body, refusal.status, refusal.headers, media_type=JSON)


async def _unknown(request: Request, error: HTTPException) -> Response:
    """Returns the answer to a path or method that there is none of."""
    why = f"Malformed request: {request.method} {request.url.path}"
    return Response(
        tensors.error(why), error.status_code, error.headers, media_type=JSON
    )
