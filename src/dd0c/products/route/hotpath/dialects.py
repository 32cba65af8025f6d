"""What the two dialects look like from outside: paths, and errors as each SDK expects them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from dd0c.products.route.models import Dialect, Endpoint


class Route(NamedTuple):
    """One of our paths. `suffix` is what follows the base URL of a provider of the dialect."""

    endpoint: Endpoint
    dialect: Dialect
    method: str
    suffix: bytes


_MODELS = Route(Endpoint.MODELS, Dialect.OPENAI, "GET", b"/models")
_ANTHROPIC_MODELS = Route(Endpoint.MODELS, Dialect.ANTHROPIC, "GET", b"/v1/models")

ROUTES = {
    b"/v1/chat/completions": Route(Endpoint.CHAT, Dialect.OPENAI, "POST", b"/chat/completions"),
    b"/v1/completions": Route(Endpoint.COMPLETIONS, Dialect.OPENAI, "POST", b"/completions"),
    b"/v1/responses": Route(Endpoint.RESPONSES, Dialect.OPENAI, "POST", b"/responses"),
    b"/v1/embeddings": Route(Endpoint.EMBEDDINGS, Dialect.OPENAI, "POST", b"/embeddings"),
    b"/v1/messages": Route(Endpoint.MESSAGES, Dialect.ANTHROPIC, "POST", b"/v1/messages"),
    b"/v1/messages/count_tokens": Route(
        Endpoint.COUNT_TOKENS, Dialect.ANTHROPIC, "POST", b"/v1/messages/count_tokens"
    ),
    b"/v1/models": _MODELS,
}
# An OpenAI base URL already ends in `/v1`, an Anthropic one does not: each SDK's own convention.

TYPES = {
    Dialect.OPENAI: {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "invalid_request_error",
        429: "rate_limit_error",
    },
    Dialect.ANTHROPIC: {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
    },
}


class Refusal(NamedTuple):
    """An answer of our own: the message says what to do."""

    status: int
    code: str
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False


def error_body(dialect: Dialect, refusal: Refusal, request_id: str) -> bytes:
    """The error as JSON in the dialect."""
    kind = TYPES[dialect].get(refusal.status) or _kind(refusal.status)
    if dialect is Dialect.ANTHROPIC:
        return msgspec.json.encode(
            {
                "type": "error",
                "error": {"type": kind, "message": refusal.message},
                "request_id": request_id,
            }
        )
    return msgspec.json.encode(
        {
            "error": {
                "message": refusal.message,
                "type": kind,
                "param": None,
                "code": refusal.code,
            }
        }
    )


def error_event(
    dialect: Dialect, refusal: Refusal, request_id: str, endpoint: Endpoint = Endpoint.CHAT
) -> bytes:
    """The error as the last event of a stream in the dialect."""
    body = error_body(dialect, refusal, request_id)
    if endpoint is Endpoint.RESPONSES:  # the SDK raises for `error`; other clients know the type
        told = {"code": refusal.code, "message": refusal.message, "param": None}
        event = {"type": "error", "sequence_number": 0} | told | msgspec.json.decode(body)
        return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"
    if dialect is Dialect.ANTHROPIC:
        return b"event: error\ndata: " + body + b"\n\n"
    return b"data: " + body + b"\n\n"


def models_in(dialect: Dialect) -> Route:
    """The list of models: both SDKs ask for it under the same path."""
    return _ANTHROPIC_MODELS if dialect is Dialect.ANTHROPIC else _MODELS


def _kind(status: int) -> str:
    return "api_error" if status >= 500 else "invalid_request_error"
