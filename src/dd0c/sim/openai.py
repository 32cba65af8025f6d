"""Answers as OpenAI's API gives them: chat completions, the list of models, errors.

`id` and `created` follow from the request too: the same request gets the same bytes, so a test can
compare what came through a proxy with what came directly.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final

import msgspec

from dd0c.sim import catalogue, replies, tokens
from dd0c.sim.faults import NONE, Faults
from dd0c.sim.http import EVENT_STREAM, Answer, Refusal, Run, Stream, data_event, encode
from dd0c.sim.replies import Reply

CREATED: Final = 1_767_225_600  # 2026-01-01
ID_HEADER: Final = b"x-request-id"
HEADERS: Final = (
    b"access-control-expose-headers: X-Request-ID\r\n"
    b"openai-organization: dd0c-simulator\r\nopenai-version: 2020-10-01\r\n"
    b"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
    b"x-ratelimit-remaining-requests: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
    b"x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 30ms\r\n"
    b"openai-processing-ms: %d\r\n"
)
ERRORS: Final = {  # status -> type, code, message
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Not supported here."),
    404: ("invalid_request_error", None, "Invalid URL."),
    409: ("invalid_request_error", None, "The resource is being changed by another request."),
    413: ("invalid_request_error", None, "The request is too large."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM): Limit 10000, Used 10000, Requested 1. "
        "Please try again later. "
        "Visit https://platform.openai.com/account/rate-limits to learn more.",
    ),
    500: (
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
BAD_JSON: Final = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON.)"
)


class Part(msgspec.Struct):
    """A part of a message; one without text is an image or the like."""

    type: str = "text"
    text: str | None = None


class Message(msgspec.Struct):
    """One message. Tool calls count towards the prompt as the JSON they are."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw()


class StreamOptions(msgspec.Struct):
    """Whether the stream ends with a chunk of usage."""

    include_usage: bool | None = None


class Chat(msgspec.Struct):
    """The part of a chat completion request that changes the answer."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    tools: msgspec.Raw = msgspec.Raw()


_chat = msgspec.json.Decoder(Chat)


def parse_chat(body: bytes) -> Chat:
    """The request in a body; Refusal as OpenAI words it."""
    chat: Chat = check(_chat, body)
    return chat


def check(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """What a decoder makes of a body, its complaints as a Refusal of this dialect."""
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, BAD_JSON) from None
    if value.model.startswith(catalogue.UNKNOWN):
        message = f"The model `{value.model}` does not exist or you do not have access to it."
        raise Refusal(404, message, code="model_not_found")
    return value


def _invalid(complaint: str) -> Refusal:
    if missing := re.search(r"missing required field `(\w+)`", complaint):
        name = missing[1]
        if name == "model":
            return Refusal(400, "you must provide a model parameter")
        message = f"Missing required parameter: '{name}'."
        return Refusal(400, message, param=name, code="missing_required_parameter")
    problem, _, place = complaint.partition(" - at `$.")
    if not place:
        return Refusal(400, BAD_JSON)
    name = place.rstrip("`")
    message = f"Invalid value for '{name}': {problem}."
    return Refusal(400, message, param=name, code="invalid_value")


def _text(content: str | list[Part] | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if part.text is not None)


def prompt_tokens(chat: Chat) -> int:
    """Tokens of the prompt, by the formula OpenAI documents for its chat models."""
    total = tokens.REPLY_OVERHEAD + tokens.count(bytes(chat.tools).decode())
    for message in chat.messages:
        total += tokens.MESSAGE_OVERHEAD + tokens.count(message.role)
        total += tokens.count(_text(message.content))
        total += tokens.count(message.name) + 1 if message.name else 0
        total += tokens.count(bytes(message.tool_calls).decode())
        if isinstance(message.content, list):
            total += tokens.IMAGE * sum(part.text is None for part in message.content)
    return total


def answer_chat(chat: Chat, faults: Faults, key: str) -> Answer:
    """The completion, as one body or as a stream."""
    said = [(message.role, _text(message.content)) for message in chat.messages]
    seed = replies.seed(chat.model, said)
    limit = chat.max_completion_tokens or chat.max_tokens
    stops = [chat.stop] if isinstance(chat.stop, str) else chat.stop or []
    choices = [
        replies.say(seed + bytes(number), limit, stops, faults, key)
        for number in range(chat.n or 1)
    ]
    usage = None if faults.no_usage else _usage(prompt_tokens(chat), choices, faults)
    common = {
        "id": f"chatcmpl-{hashlib.blake2b(seed, digest_size=14).hexdigest()}",
        "object": "chat.completion.chunk" if chat.stream else "chat.completion",
        "created": CREATED,
        "model": catalogue.served(chat.model),
        "service_tier": "default",
        "system_fingerprint": "fp_dd0c000001",
    }
    lines = headers(faults)
    if chat.stream:
        asked = chat.stream_options is not None and bool(chat.stream_options.include_usage)
        stream = _stream(common, choices, usage, asked=asked)
        return Answer(200, lines, ID_HEADER, stream=stream, media_type=EVENT_STREAM)
    body = common | {"choices": [_choice(n, reply) for n, reply in enumerate(choices)]}
    return Answer(
        200,
        lines,
        ID_HEADER,
        encode(body | ({"usage": usage} if usage else {})),
        tokens=sum(reply.tokens for reply in choices),
    )


def _choice(index: int, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    message |= {"refusal": None, "annotations": []}
    reason = "length" if reply.cut_short else "stop"
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def _usage(prompt: int, choices: list[Reply], faults: Faults) -> dict[str, Any]:
    cached, reasoning = faults.cached or 0, faults.reasoning or 0
    prompt = (prompt if faults.input is None else faults.input) + cached
    completion = sum(reply.tokens for reply in choices) + reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _stream(
    common: dict[str, Any], choices: list[Reply], usage: dict[str, Any] | None, *, asked: bool
) -> Stream:
    asked = asked and usage is not None
    rest = {"usage": None} if asked else {}

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return data_event(common | {"choices": [choice]} | rest)

    opening, runs, closing = [], [], []
    for index, reply in enumerate(choices):
        opening.append(chunk(index, {"role": "assistant", "content": "", "refusal": None}))
        before, after = chunk(index, {"content": "\0"}).split(encode("\0"))
        runs.append(Run(before, reply.pieces, after))
        closing.append(chunk(index, {}, "length" if reply.cut_short else "stop"))
    if asked:
        closing.append(data_event(common | {"choices": [], "usage": usage}))
    closing.append(b"data: [DONE]\n\n")
    failure = data_event({"error": _error(500)})
    return Stream((*opening, *runs, *closing), closing[0], failure)


def list_models() -> Answer:
    """GET /v1/models."""
    body = {"object": "list", "data": [_model(model) for model in catalogue.OPENAI]}
    return Answer(200, headers(), ID_HEADER, encode(body))


def get_model(name: str) -> Answer:
    """GET /v1/models/{name}."""
    model = catalogue.BY_NAME.get(name)
    if model is None:
        message = f"The model '{name}' does not exist"
        raise Refusal(404, message, param="model", code="model_not_found")
    return Answer(200, headers(), ID_HEADER, encode(_model(model)))


def _model(model: catalogue.Model) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
    }


def refuse(refusal: Refusal, faults: Faults, request_id: str) -> Answer:
    """An error in OpenAI's shape and with its headers."""
    error = _error(refusal.status)
    if refusal.message:
        error |= {"message": refusal.message, "code": refusal.code or None}
    body = {"error": error | {"param": refusal.param}}
    lines = headers(faults, limited=refusal.status == 429)
    wait_s = 1.0 if refusal.status == 429 and faults.retry_after is None else faults.retry_after
    if wait_s is not None:
        lines += b"retry-after: %g\r\nretry-after-ms: %d\r\n" % (wait_s, wait_s * 1000)
    if faults.should_retry is not None:
        lines += b"x-should-retry: %b\r\n" % (b"true" if faults.should_retry else b"false")
    return Answer(refusal.status, lines, ID_HEADER, encode(body))


def _error(status: int) -> dict[str, Any]:
    kind, code, message = ERRORS.get(status) or ERRORS[500 if status >= 500 else 400]
    return {"message": message, "type": kind, "param": None, "code": code}


def headers(faults: Faults = NONE, *, limited: bool = False) -> bytes:
    """The header lines OpenAI adds to every answer."""
    return HEADERS % (0 if limited else 9999, 1_999_000, faults.latency or 1)
