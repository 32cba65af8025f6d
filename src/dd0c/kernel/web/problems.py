"""Errors as answers: application/problem+json (RFC 9457), the same members everywhere.

`detail` says what is wrong and `hint` what to do. Nothing of the request body is echoed: it may
hold a secret. To a browser outside /api an error is a page, drawn by the console.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from psycopg import OperationalError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dd0c.base import redact
from dd0c.base.errors import Error, InvalidInput, Unavailable
from dd0c.kernel.web import twin

MEDIA_TYPE = "application/problem+json"
SHOWN_ERRORS_MAX = 5
SHOWN_CHARACTERS_MAX = 80

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What every error answer holds."""

    type: str = Field(description="A name for this kind of problem.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="The kind of problem, for programs.")
    detail: str = Field(description="What is wrong with this request.")
    hint: str = Field(description="What to do about it; may be empty.")
    request_id: str = Field(description="Also in the header x-dd0c-request-id and in our log.")


PageRenderer = Callable[[Request, Problem], Response]

# What the framework or the edge refuses, in our words: status -> code, detail, hint.
_REFUSALS = {
    400: ("invalid_input", "content-length and transfer-encoding exclude each other", ""),
    404: ("not_found", "there is nothing at this path", "see /api/openapi.json"),
    405: ("method_not_allowed", "this path does not take that method", "see the header `allow`"),
    413: ("too_large", "the request body is larger than 1 MiB", "send less at once"),
    431: ("headers_too_large", "the request's headers are too large", "send fewer or shorter ones"),
}


def install(app: FastAPI) -> None:
    """Answer every error of an endpoint as a problem."""
    app.add_exception_handler(Error, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_refusal)
    app.add_exception_handler(OperationalError, _on_database)


def answer(request: Request, error: Error) -> Response:
    """The error as this caller can read it."""
    headers: dict[str, str] = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    return _answer(request, _problem(request, error), headers)


def refuse(request: Request, status: int, headers: dict[str, str] | None = None) -> Response:
    """What is refused before any endpoint was found."""
    other = ("refused", HTTPStatus(status).description or "refused", "")
    code, detail, hint = _REFUSALS.get(status, other)
    return _answer(request, _fill(request, status, code, detail, hint), headers or {})


def sentence(error: Error, *, hint: bool = False) -> str:
    """The message as a form says it; its hint, which is mostly for programs, where that helps."""
    said = [error.message, error.hint] if hint and error.hint else [error.message]
    return " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in said)


def explain(errors: Sequence[Any]) -> str:
    """What is wrong with which field, without what was sent."""
    lines = [
        f"{_place(e['loc'])}: {e['msg'].removeprefix('Value error, ')}"
        for e in errors[:SHOWN_ERRORS_MAX]
    ]
    if len(errors) > SHOWN_ERRORS_MAX:
        lines.append(f"and {len(errors) - SHOWN_ERRORS_MAX} more")
    return "; ".join(lines)


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed: %s", error, extra={"path": request.url.path})
    return answer(request, error)


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(request, InvalidInput(explain(error.errors()), hint="see /api/openapi.json"))


def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:  # the framework's own words for a bad body
        return answer(request, InvalidInput("the request body cannot be read"))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_methods(request))
    return refuse(request, error.status_code, headers)


def _methods(request: Request) -> list[str]:
    """What this path takes: the framework names the methods of its first endpoint there."""
    path = request.scope["route"].path
    routes = iter_route_contexts(request.app.routes)
    return sorted({m for route in routes if route.path == path for m in route.methods or ()})


def _on_database(request: Request, error: Exception) -> Response:
    log.warning("database: %s", error, extra={"path": request.url.path})
    return answer(request, Unavailable("the database is away", retry_after_s=2))


def _answer(request: Request, problem: Problem, headers: dict[str, str]) -> Response:
    page: PageRenderer = request.app.state.problem_page
    if _is_for_a_browser(request):
        response = page(request, problem)
    else:
        # ASCII: text with lone surrogates must not become a second error
        body = json.dumps(problem.model_dump())
        response = Response(body, problem.status, media_type=MEDIA_TYPE)
    response.headers.update(headers)
    return response


def _is_for_a_browser(request: Request) -> bool:
    html = "text/html" in request.headers.get("accept", "")
    return html and not twin.is_wanted(request) and not request.url.path.startswith("/api/")


def _problem(request: Request, error: Error) -> Problem:
    return _fill(request, error.status, error.code, error.message, error.hint)


def _fill(request: Request, status: int, code: str, detail: str, hint: str) -> Problem:
    return Problem(
        type=f"urn:dd0c:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=redact.scrub(detail),
        hint=redact.scrub(hint),
        request_id=request.scope.get("dd0c.request_id", ""),
    )


def _place(location: Sequence[Any]) -> str:
    """`body.name`: the framework's path to a field."""
    return ".".join(str(part)[:SHOWN_CHARACTERS_MAX] for part in location)
