"""POST /v1/chat/completions."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final

import msgspec

from dd0c.sim import catalogue, replies, tokens, tools
from dd0c.sim.faults import Faults
from dd0c.sim.http import EVENT_STREAM, Answer, Refusal, Run, Stream, data_event, encode
from dd0c.sim.openai import dialect, prompts
from dd0c.sim.replies import Reply, Wish
from dd0c.sim.tools import Call

SLOT: Final = "\0"  # where a streamed event's text goes


class ImageUrl(msgspec.Struct):
    """An image of a message."""

    url: str
    detail: str | None = None


class Part(msgspec.Struct):
    """A part of a message; one with neither text nor image is a file or a sound."""

    type: str = "text"
    text: str | None = None
    image_url: ImageUrl | None = None


class Message(msgspec.Struct):
    """One message. Tool calls count towards the prompt as the JSON they are."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw()


class StreamOptions(msgspec.Struct):
    """Whether the stream ends with a chunk of usage."""

    include_usage: bool | None = None


class Format(msgspec.Struct):
    """What kind of text is wanted."""

    type: str = "text"
    json_schema: dict[str, Any] | None = None


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
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None


_chat = msgspec.json.Decoder(Chat)


def parse(body: bytes) -> Chat:
    """The request in a body; Refusal as OpenAI words it."""
    chat: Chat = dialect.check(_chat, body)
    if chat.reasoning_effort is not None and not prompts.reasons(chat.model):
        raise Refusal(400, "Unrecognized request argument supplied: reasoning_effort")
    return chat


def _text(content: str | list[Part] | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if part.text is not None)


def message_tokens(model: str, message: Message) -> int:
    """Tokens of one message, by the formula OpenAI documents for its chat models."""
    total = tokens.MESSAGE_OVERHEAD + tokens.count(message.role)
    total += tokens.count(_text(message.content))
    total += tokens.count(message.name) + 1 if message.name else 0
    total += prompts.raw_tokens(message.tool_calls)
    for part in message.content if isinstance(message.content, list) else ():
        if part.image_url is not None:
            image = part.image_url
            total += prompts.image_tokens(model, image.url, image.detail)
        elif part.text is None:
            total += tokens.OTHER_PART
    return total


def prefixes(chat: Chat) -> list[tuple[bytes, int]]:
    """The prompt's parts in order, each with its tokens: what a prompt cache compares."""
    offered = encode(chat.tools) if chat.tools else b""
    start = (offered, tokens.REPLY_OVERHEAD + tokens.count(offered.decode()))
    return [start, *((encode(m), message_tokens(chat.model, m)) for m in chat.messages)]


def _wish(chat: Chat, faults: Faults) -> Wish:
    """What is wanted of the model; each choice gets its own seed."""
    said = [(message.role, _text(message.content)) for message in chat.messages]
    offered = prompts.read_tools(chat.tools or [])
    choice = prompts.read_choice(chat.tool_choice, parallel=chat.parallel_tool_calls)
    prompts.check_choice(choice, offered)
    answered = chat.messages[-1].role in ("tool", "function")
    wanted = chat.response_format or Format()
    return Wish(
        replies.seed(chat.model, said),
        chat.max_completion_tokens or chat.max_tokens,
        (chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ()),
        tuple(tools.select(offered, choice, answered=answered, asked=faults.calls)),
        prompts.read_format(wanted.type, wanted.json_schema, "response_format.json_schema"),
        prompts.effort_tokens(chat.reasoning_effort, "reasoning_effort"),
    )


def answer(chat: Chat, faults: Faults, key: str) -> Answer:
    """The completion, as one body or as a stream."""
    wish = _wish(chat, faults)
    choices = [
        replies.say(msgspec.structs.replace(wish, seed=wish.seed + bytes(number)), faults, key)
        for number in range(chat.n or 1)
    ]
    prompt = sum(count for _, count in prefixes(chat))
    common = {
        "id": f"chatcmpl-{hashlib.blake2b(wish.seed, digest_size=14).hexdigest()}",
        "object": "chat.completion.chunk" if chat.stream else "chat.completion",
        "created": dialect.CREATED,
        "model": catalogue.served(chat.model),
        "service_tier": prompts.served_tier(chat.service_tier),
        "system_fingerprint": "fp_dd0c000001",
    }
    usage = usage_of(prompt, choices, faults)
    forced = isinstance(chat.tool_choice, dict)  # then OpenAI says "stop", not "tool_calls"
    reasons = [_reason(reply, forced=forced) for reply in choices]
    lines = dialect.headers(faults)
    if chat.stream:
        asked = chat.stream_options is not None and bool(chat.stream_options.include_usage)
        stream = _stream(common, list(zip(choices, reasons, strict=True)), usage if asked else {})
        return Answer(200, lines, dialect.ID_HEADER, stream=stream, media_type=EVENT_STREAM)
    said = zip(choices, reasons, strict=True)
    shown = [_choice(number, reply, reason) for number, (reply, reason) in enumerate(said)]
    body = encode(common | {"choices": shown} | usage)
    spent = prompts.count_usage(0, choices, faults)[2]
    return Answer(200, lines, dialect.ID_HEADER, body, tokens=spent)


def _reason(reply: Reply, *, forced: bool) -> str:
    if reply.cut_short:
        return "length"
    return "tool_calls" if reply.calls and not forced else "stop"


def _choice(index: int, reply: Reply, reason: str) -> dict[str, Any]:
    content = None if reply.calls else reply.text
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if reply.calls:
        message["tool_calls"] = [_call(call, call.arguments) for call in reply.calls]
    message |= {"refusal": None, "annotations": []}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


def _call(call: Call, arguments: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments}
    return {"id": f"call_{call.key}", "type": "function", "function": function}


def usage_of(prompt: int, said: list[Reply], faults: Faults) -> dict[str, Any]:
    """The `usage` member of chat and of old completions; empty when it is to be missing."""
    if faults.no_usage or faults.null_usage:
        return {"usage": None} if faults.null_usage else {}
    counted, cached, completion, reasoning = prompts.count_usage(prompt, said, faults)
    usage = {
        "prompt_tokens": counted,
        "completion_tokens": completion,
        "total_tokens": counted + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return {"usage": usage}


def _stream(common: dict[str, Any], said: list[tuple[Reply, str]], usage: dict[str, Any]) -> Stream:
    rest = {"usage": None} if usage else {}

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return data_event(common | {"choices": [choice]} | rest)

    def run(index: int, delta: dict[str, Any], pieces: tuple[str, ...]) -> Run:
        before, _, after = chunk(index, delta).rpartition(encode(SLOT))  # a name may hold it too
        return Run(before, pieces, after)

    opening: list[bytes | Run] = []
    content: list[bytes | Run] = []
    closing = []
    for index, (reply, reason) in enumerate(said):
        if not reply.calls:
            opening.append(chunk(index, {"role": "assistant", "content": "", "refusal": None}))
            content.append(run(index, {"content": SLOT}, reply.pieces))
        start: dict[str, Any] = {"role": "assistant", "content": None}
        for number, call in enumerate(reply.calls):
            begun = {"index": number} | _call(call, "")
            content.append(chunk(index, start | {"tool_calls": [begun]}))
            delta = {"index": number, "function": {"arguments": SLOT}}
            content.append(run(index, {"tool_calls": [delta]}, call.pieces))
            start = {}
        closing.append(chunk(index, {}, reason))
    finish = closing[0]
    if usage:
        closing.append(data_event(common | {"choices": []} | usage))
    closing.append(b"data: [DONE]\n\n")
    failure = data_event({"error": dialect.error_of(500)})
    return Stream((*opening, *content, *closing), finish, failure)
