"""What stands before every path: who may ask, and that an answer is never a traceback.

A page from anywhere can make a browser send requests to this machine. With a name that
it lets point here (DNS rebinding) it could read the answers, too: only names that can
be nobody else's are answered. Nothing tells browsers to let other pages read (CORS).
"""

import ipaddress
import logging
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tl_keras.serving.refusals import BAD, FORBIDDEN
from tl_keras.serving.tensors import error

logger = logging.getLogger(__name__)

JSON = "application/json"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
FAILED = 500


class Guard:
    """Lets through what may ask, as an application around another one."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        """Stands before an application.

        Args:
            app: The application.
            names: Hosts that it may be asked by, beside numbers and `localhost`.
        """
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal:
            return await refusal(scope, receive, noting)
        try:
            await self._app(scope, receive, noting)
        except Exception as problem:
            logger.error("A request failed.", exc_info=problem)
            if started:
                raise
            why = "The request failed: see the server's messages."
            await Response(error(why), FAILED, media_type=JSON)(scope, receive, noting)

    def _refusal(self, headers: Headers) -> Response | None:
        """Returns the answer to whoever may not ask."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            why = (
                f"This server is not asked by the name {host[:80]!r}: use its number, "
                f"or start it with --allow_host NAME."
            )
            return Response(error(why), BAD, media_type=JSON)
        if origin is not None and _host_of(origin) != host.lower():
            why = "Pages of other servers may not ask."
            return Response(error(why), FORBIDDEN, media_type=JSON)
        return None

    def _is_ours(self, host: str) -> bool:
        """Tells whether a host's name can be nobody else's."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _host_of(origin: str) -> str:
    """Returns the host and port of an origin; empty where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
