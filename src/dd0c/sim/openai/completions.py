"""POST /v1/completions, the endpoint from before there were messages."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final

import msgspec

from dd0c.sim import catalogue, replies, tokens
from dd0c.sim.faults import Faults
from dd0c.sim.http import EVENT_STREAM, Answer, Refusal, Run, Stream, data_event, encode
from dd0c.sim.openai import dialect, prompts
from dd0c.sim.openai.chat import SLOT, StreamOptions, usage_of
from dd0c.sim.replies import Reply, Wish

TOKENS_BY_DEFAULT: Final = 16  # what OpenAI stops at unless told otherwise
Tokens = list[int]


class Completion(msgspec.Struct):
    """The part of a completion request that changes the answer."""

    model: str
    prompt: str | list[str | int | Tokens] = "<|endoftext|>"
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    echo: bool | None = None


_completion = msgspec.json.Decoder(Completion)


def parse(body: bytes) -> Completion:
    """The request in a body; Refusal as OpenAI words it."""
    completion: Completion = dialect.check(_completion, body)
    if catalogue.is_chat_only(completion.model):
        message = (
            "This is a chat model and not supported in the v1/completions endpoint. "
            "Did you mean to use v1/chat/completions?"
        )
        raise Refusal(404, message, param="model")
    return completion


def _prompts(completion: Completion) -> list[str | Tokens]:
    """The prompts one by one: a list of numbers is one prompt, already in tokens."""
    given = completion.prompt
    if isinstance(given, str):
        return [given]
    if not given:
        raise Refusal(400, "Invalid value for 'prompt': it must not be empty.", param="prompt")
    numbers = [item for item in given if isinstance(item, int)]
    if numbers and len(numbers) < len(given):
        raise Refusal(400, "Invalid value for 'prompt': texts and tokens mixed.", param="prompt")
    return [numbers] if numbers else [item for item in given if not isinstance(item, int)]


def prefixes(completion: Completion) -> list[tuple[bytes, int]]:
    """Each prompt with its tokens. This endpoint adds none of its own."""
    return [
        (encode(p), tokens.count(p) if isinstance(p, str) else len(p)) for p in _prompts(completion)
    ]


def answer(completion: Completion, faults: Faults, key: str) -> Answer:
    """The completion, as one body or as a stream: n choices for each prompt."""
    stops = completion.stop
    limit = TOKENS_BY_DEFAULT if completion.max_tokens is None else completion.max_tokens
    asked = _prompts(completion)
    seeds = [replies.seed(completion.model, [("", encode(p).decode())]) for p in asked]
    wish = Wish(b"", limit, (stops,) if isinstance(stops, str) else tuple(stops or ()))
    choices = [
        replies.say(msgspec.structs.replace(wish, seed=seed + bytes(number)), faults, key)
        for seed in seeds
        for number in range(completion.n or 1)
    ]
    echoed = [
        p if completion.echo and isinstance(p, str) else ""
        for p in asked
        for _ in range(completion.n or 1)
    ]
    common = {
        "id": f"cmpl-{hashlib.blake2b(b''.join(seeds), digest_size=14).hexdigest()}",
        "object": "text_completion",
        "created": dialect.CREATED,
        "model": catalogue.served(completion.model),
        "system_fingerprint": "fp_dd0c000001",
    }
    usage = usage_of(sum(count for _, count in prefixes(completion)), choices, faults)
    lines = dialect.headers(faults)
    if completion.stream:
        options = completion.stream_options
        wanted = usage if options is not None and options.include_usage else {}
        stream = _stream(common, list(zip(choices, echoed, strict=True)), wanted)
        return Answer(200, lines, dialect.ID_HEADER, stream=stream, media_type=EVENT_STREAM)
    shown = [
        _choice(number, echo + reply.text, _reason(reply))
        for number, (reply, echo) in enumerate(zip(choices, echoed, strict=True))
    ]
    body = encode(common | {"choices": shown} | usage)
    spent = prompts.count_usage(0, choices, faults)[2]
    return Answer(200, lines, dialect.ID_HEADER, body, tokens=spent)


def _reason(reply: Reply) -> str:
    return "length" if reply.cut_short else "stop"


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


def _stream(common: dict[str, Any], said: list[tuple[Reply, str]], usage: dict[str, Any]) -> Stream:
    rest = {"usage": None} if usage else {}

    def chunk(index: int, text: str, reason: str | None = None) -> bytes:
        return data_event(common | {"choices": [_choice(index, text, reason)]} | rest)

    parts: list[bytes | Run] = []
    closing = []
    for index, (reply, echo) in enumerate(said):
        if echo:
            parts.append(chunk(index, echo))
        before, _, after = chunk(index, SLOT).rpartition(encode(SLOT))  # a name may hold it too
        parts.append(Run(before, reply.pieces, after))
        closing.append(chunk(index, "", _reason(reply)))
    finish = closing[0]
    if usage:
        closing.append(data_event(common | {"choices": []} | usage))
    closing.append(b"data: [DONE]\n\n")
    failure = data_event({"error": dialect.error_of(500)})
    return Stream((*parts, *closing), finish, failure)
