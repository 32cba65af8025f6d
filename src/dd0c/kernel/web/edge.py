"""The outermost layer: request id, bounds, deadline, headers, numbers, log, the last `except`.

Everything that must hold for each answer, whoever made it, holds here. A deadline runs until the
answer starts, so that neither a slow body nor a slow dependency keeps a request for ever; an answer
that has started may stream.
"""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dd0c.base import ids
from dd0c.base.errors import Internal, Timeout
from dd0c.kernel.web import brakes, problems, requires
from dd0c.kernel.web.metrics import Metrics, method_of, route_of

DEADLINE_S = 30.0
BODY_BYTES_MAX = 1_048_576
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}

UNTOLD = frozenset({"/livez", "/readyz", "/metrics"})

log = logging.getLogger(__name__)


class Edge:
    """The ASGI application around the application."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        header_bytes_max: int,
        deadline_s: float = DEADLINE_S,
    ):
        self._app = app
        self._metrics = metrics
        self._deadline_s = deadline_s
        self._header_bytes_max = header_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = ids.text(ids.Kind.REQUEST, ids.new())
        scope["dd0c.request_id"] = request_id
        request = Request(scope)
        begun, status = time.perf_counter(), 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["x-dd0c-request-id"] = request_id
                if panic := brakes.of(request, requires.principal_of(request)):
                    headers[brakes.HEADER] = panic
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        async def send_in_time(message: Message) -> None:
            deadline.reschedule(None)
            await send_marked(message)

        try:
            async with asyncio.timeout(self._deadline_s) as deadline:
                await self._serve(request, _bounded(receive), send_in_time)
        except TimeoutError:
            late = Timeout(f"this took longer than {self._deadline_s:g} s")
            log.warning("%s", late, extra={"path": request.url.path, "request_id": request_id})
            if not status:
                await problems.answer(request, late)(scope, receive, send_marked)
        except Exception:
            log.exception("unhandled", extra={"path": request.url.path, "request_id": request_id})
            if not status:
                await problems.answer(request, _ours())(scope, receive, send_marked)
        finally:
            seconds = time.perf_counter() - begun
            self._metrics.observe(request, status, seconds)
            _tell(request, status, seconds)

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        """Refuse what is over a bound before anything reads it; else pass it on."""
        length = request.headers.get("content-length", "")
        if sum(len(name) + len(value) for name, value in request.headers.raw) > (
            self._header_bytes_max
        ):
            app: ASGIApp = problems.refuse(request, 431)
        elif "transfer-encoding" in request.headers and length:
            app = problems.refuse(request, 400, {"connection": "close"})
        elif length.isdecimal() and int(length) > BODY_BYTES_MAX:
            app = problems.refuse(request, 413)
        else:
            app = self._app
        await app(request.scope, receive, send)


def _tell(request: Request, status: int, seconds: float) -> None:
    """One line a request; ids in paths, queries and bodies stay out. Who only looks whether we are
    there is not worth a line. Status 0: the client left before an answer."""
    route = route_of(request)
    if route in UNTOLD:
        return
    who = requires.principal_of(request)
    log.info(
        "request",
        extra={
            "method": method_of(request),
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "org": who and ids.text(ids.Kind.ORGANISATION, who.org),
            "key": who.actor.text if who and who.key_id else None,
            "person": who.actor.text if who and who.person else None,
            "request_id": request.scope["dd0c.request_id"],
        },
    )


def _ours() -> Internal:
    return Internal(
        "something went wrong inside dd0c", hint="look for the request id in the control server log"
    )


def _bounded(receive: Receive) -> Receive:
    """Receive that refuses a body beyond its bound, for bodies that do not say their length."""
    total = 0

    async def receive_bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > BODY_BYTES_MAX:
            raise HTTPException(413)
        return message

    return receive_bounded
