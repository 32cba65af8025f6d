"""What all of Anthropic's endpoints share: headers, errors, the list of models."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from dd0c.sim import catalogue
from dd0c.sim.faults import NONE, Faults
from dd0c.sim.http import Answer, Refusal, encode

ID_HEADER: Final = b"request-id"
HEADERS: Final = (
    b"anthropic-organization-id: 00000000-0000-7000-8000-000000000001\r\n"
    b"anthropic-ratelimit-requests-limit: 4000\r\n"
    b"anthropic-ratelimit-requests-remaining: %d\r\n"
    b"anthropic-ratelimit-requests-reset: 2026-01-01T00:00:01Z\r\n"
    b"anthropic-ratelimit-input-tokens-limit: 2000000\r\n"
    b"anthropic-ratelimit-input-tokens-remaining: 1999000\r\n"
    b"anthropic-ratelimit-output-tokens-limit: 400000\r\n"
    b"anthropic-ratelimit-output-tokens-remaining: 399000\r\n"
    b"via: 1.1 google\r\ncf-cache-status: DYNAMIC\r\n"
)
ERRORS: Final = {  # status -> type, message
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key may not use this resource."),
    404: ("not_found_error", "Not found"),
    408: ("timeout_error", "The request took too long to arrive."),
    409: ("invalid_request_error", "The resource is being changed by another request."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: (
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 4,000 requests per minute. "
        "For details, refer to: https://docs.claude.com/en/api/rate-limits.",
    ),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "The request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
NO_KEY = "x-api-key header is required"
NO_VERSION: Final = "anthropic-version: header is required"
BAD_JSON: Final = "The request body is not valid JSON."


def check(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """What a decoder makes of a body, its complaints as a Refusal of this dialect."""
    try:
        ask = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, BAD_JSON) from None
    if ask.model.startswith(catalogue.UNKNOWN):
        raise Refusal(404, f"model: {ask.model}")
    return ask


def _invalid(complaint: str) -> Refusal:
    if missing := re.search(r"missing required field `(\w+)`", complaint):
        return Refusal(400, f"{missing[1]}: Field required")
    problem, _, where = complaint.partition(" - at `$.")
    return Refusal(400, f"{where.rstrip('`')}: {problem}")


def list_models() -> Answer:
    """GET /v1/models with an `anthropic-version` header."""
    models = catalogue.ANTHROPIC
    body = {
        "data": [_model(model) for model in models],
        "has_more": False,
        "first_id": models[0].served,
        "last_id": models[-1].served,
    }
    return Answer(200, headers(), ID_HEADER, encode(body))


def get_model(name: str) -> Answer:
    """GET /v1/models/{name}, by either of its names."""
    for model in catalogue.ANTHROPIC:
        if name in (model.name, model.served):
            return Answer(200, headers(), ID_HEADER, encode(_model(model)))
    raise Refusal(404, f"model: {name}")


def _model(model: catalogue.Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.served,
        "display_name": model.display,
        "created_at": f"{model.released}T00:00:00Z",
    }


def refuse(refusal: Refusal, faults: Faults, request_id: str) -> Answer:
    """An error in Anthropic's shape and with its headers."""
    error = error_of(refusal.status)
    if refusal.message:
        error["message"] = refusal.message
    body = {"type": "error", "error": error, "request_id": request_id}
    lines = headers(faults, limited=refusal.status == 429)
    wait_s = 1.0 if refusal.status == 429 and faults.retry_after is None else faults.retry_after
    if wait_s is not None:
        lines += b"retry-after: %g\r\n" % wait_s
    should_retry = refusal.status in (408, 409, 429) or refusal.status >= 500
    if faults.should_retry is not None:
        should_retry = faults.should_retry
    lines += b"x-should-retry: %b\r\n" % (b"true" if should_retry else b"false")
    return Answer(refusal.status, lines, ID_HEADER, encode(body))


def error_of(status: int) -> dict[str, str]:
    """What Anthropic says with a status."""
    kind, message = ERRORS.get(status) or ERRORS[500 if status >= 500 else 400]
    return {"type": kind, "message": message}


def headers(_faults: Faults = NONE, *, limited: bool = False) -> bytes:
    """The header lines Anthropic adds to every answer."""
    return HEADERS % (0 if limited else 3999)
