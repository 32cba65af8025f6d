"""Answers as Anthropic's API gives them: messages, the list of models, errors."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final

import msgspec

from dd0c.sim import catalogue, replies, tokens
from dd0c.sim.faults import NONE, Faults
from dd0c.sim.http import EVENT_STREAM, Answer, Refusal, Run, Stream, encode
from dd0c.sim.replies import Reply

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
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: (
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 4,000 requests per minute. "
        "For details, refer to: https://docs.claude.com/en/api/rate-limits.",
    ),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
NO_KEY = "x-api-key header is required"
NO_VERSION: Final = "anthropic-version: header is required"
BAD_JSON: Final = "The request body is not valid JSON."


class Block(msgspec.Struct):
    """A block of content; one without text is an image, a tool's result or the like."""

    type: str
    text: str | None = None


class Message(msgspec.Struct):
    """One message."""

    role: str
    content: str | list[Block]


class Messages(msgspec.Struct):
    """The part of a messages request that changes the answer."""

    model: str
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    system: str | list[Block] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    tools: msgspec.Raw = msgspec.Raw()


_messages = msgspec.json.Decoder(Messages)


def parse_messages(body: bytes) -> Messages:
    """The request in a body; Refusal as Anthropic words it."""
    try:
        ask = _messages.decode(body)
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


def _text(content: str | list[Block] | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.text for block in content or () if block.text is not None)


def input_tokens(ask: Messages) -> int:
    """Tokens of the prompt, by the same formula as OpenAI's (Claude's tokenizer is not public)."""
    total = tokens.REPLY_OVERHEAD + tokens.count(bytes(ask.tools).decode())
    if ask.system:
        total += tokens.MESSAGE_OVERHEAD + tokens.count(_text(ask.system))
    for message in ask.messages:
        total += tokens.MESSAGE_OVERHEAD + tokens.count(message.role)
        total += tokens.count(_text(message.content))
        if isinstance(message.content, list):
            total += tokens.IMAGE * sum(block.text is None for block in message.content)
    return total


def answer_messages(ask: Messages, faults: Faults, key: str) -> Answer:
    """The message, as one body or as a stream."""
    said = [("system", _text(ask.system))]
    said += [(message.role, _text(message.content)) for message in ask.messages]
    seed = replies.seed(ask.model, said)
    reply = replies.say(seed, ask.max_tokens, ask.stop_sequences or [], faults, key)
    message = {
        "model": catalogue.served(ask.model),
        "id": f"msg_01{hashlib.blake2b(seed, digest_size=11).hexdigest()}",
        "type": "message",
        "role": "assistant",
        "content": [] if ask.stream else [{"type": "text", "text": reply.text}],
        "stop_reason": None if ask.stream else _stop_reason(reply),
        "stop_sequence": None if ask.stream else reply.stopped_by,
    }
    counts = None if faults.no_usage else _counts(input_tokens(ask), faults)
    output = reply.tokens + (faults.reasoning or 0)
    if ask.stream:
        stream = _stream(message, reply, counts, output)
        lines = headers(faults) + b"cache-control: no-cache\r\n"
        return Answer(200, lines, ID_HEADER, stream=stream, media_type=EVENT_STREAM)
    usage = _usage(counts, output)
    return Answer(200, headers(faults), ID_HEADER, encode(message | usage), tokens=output)


def _stop_reason(reply: Reply) -> str:
    if reply.stopped_by is not None:
        return "stop_sequence"
    return "max_tokens" if reply.cut_short else "end_turn"


def _counts(counted: int, faults: Faults) -> dict[str, int]:
    """The input side of usage; the detail of cache writes is added by `_usage`."""
    return {
        "input_tokens": counted if faults.input is None else faults.input,
        "cache_read_input_tokens": faults.cached or 0,
        "ephemeral_5m_input_tokens": faults.cache_write_5m or 0,
        "ephemeral_1h_input_tokens": faults.cache_write_1h or 0,
    }


def _usage(counts: dict[str, int] | None, output: int, *, detail: bool = True) -> dict[str, Any]:
    """The `usage` member; empty when usage is to be missing."""
    if counts is None:
        return {}
    written = {k: n for k, n in counts.items() if k.startswith("ephemeral")}
    usage: dict[str, Any] = {
        "input_tokens": counts["input_tokens"],
        "cache_creation_input_tokens": sum(written.values()),
        "cache_read_input_tokens": counts["cache_read_input_tokens"],
        "output_tokens": output,
    }
    if detail:
        usage |= {"cache_creation": written, "service_tier": "standard"}
    return {"usage": usage}


def _event(kind: str, **rest: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind} | rest))


def _stream(
    message: dict[str, Any], reply: Reply, counts: dict[str, int] | None, output: int
) -> Stream:
    opening = (
        _event("message_start", message=message | _usage(counts, min(output, 1))),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
    )
    delta = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "\0"})
    before, after = delta.split(encode("\0"))
    stop = {"stop_reason": _stop_reason(reply), "stop_sequence": reply.stopped_by}
    closing = (
        _event("content_block_stop", index=0),
        _event("message_delta", delta=stop, **_usage(counts, output, detail=False)),
        _event("message_stop"),
    )
    failure = _event("error", error=_error(529))
    return Stream((*opening, Run(before, reply.pieces, after), *closing), closing[1], failure)


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
    error = _error(refusal.status)
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


def _error(status: int) -> dict[str, str]:
    kind, message = ERRORS.get(status) or ERRORS[500 if status >= 500 else 400]
    return {"type": kind, "message": message}


def headers(_faults: Faults = NONE, *, limited: bool = False) -> bytes:
    """The header lines Anthropic adds to every answer."""
    return HEADERS % (0 if limited else 3999)
