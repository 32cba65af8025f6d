"""The requests that are sent and the answers that the upstream gives.

The upstream cannot look into a body at nginx's speed: it tells a request for a stream from others
by the body's length, so lengths are part of the shape. A gateway may add or lose a few hundred
bytes. What the upstream reads lengths as stands in native/upstream.c.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

CHAT_BYTES, STREAM_BYTES, PACED_BYTES, LONG_BYTES = 1_000, 5_000, 7_000, 400_000
EVENTS = 64
PACED_EVENTS, PACED_PER_S = 250, 50
MOMENT_DIGITS = 16
MODEL = "gpt-5-mini"
PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request: its body, and how many tokens the answer says it had."""

    name: str
    body: bytes

    def head(self, host: str, headers: dict[str, str]) -> bytes:
        lines = [f"POST {PATH} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _body(size_bytes: int, *, stream: bool) -> bytes:
    asked: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": ""}]}
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    room = size_bytes - len(_written(asked))
    words = "the quick brown fox jumps over the lazy dog " * (room // 44 + 1)
    asked["messages"] = [{"role": "user", "content": words[:room]}]
    return _written(asked)


def _written(asked: dict[str, object]) -> bytes:
    return json.dumps(asked, separators=(",", ":")).encode()  # as the SDKs write it


CHAT = Call("chat 1 kB", _body(CHAT_BYTES, stream=False))
LONG = Call("chat 400 kB", _body(LONG_BYTES, stream=False))
STREAM = Call(f"stream of {EVENTS} events", _body(STREAM_BYTES, stream=True))

PACED = Call("paced stream", _body(PACED_BYTES, stream=True))
MIXED = "mixed"
MIX = ((CHAT, 90), (STREAM, 8), (LONG, 2))
"""Of a hundred requests, how many are of which kind."""

USAGE = {"prompt_tokens": 180, "completion_tokens": EVENTS, "total_tokens": 180 + EVENTS}


def answer() -> bytes:
    """A buffered chat completion of about 600 bytes."""
    message = {"role": "assistant", "content": "It depends. " * 20, "refusal": None}
    return json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            ],
            "usage": USAGE,
        }
    ).encode()


def event(content: str | None, finish: str | None = None) -> bytes:
    """One event of a stream."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _data({"choices": [choice], "usage": None})


def ending() -> bytes:
    """What follows the last event with text: finish, usage, terminal event."""
    return event(None, "stop") + _data({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"


def _data(fields: dict[str, object]) -> bytes:
    whole = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
    } | fields
    return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"


def answers() -> dict[str, bytes]:
    """What the upstream says, by the names of its files: whole answers with their heads, and the
    parts of a paced stream, in which each event carries the moment of writing."""
    chat = answer()
    head = _head("text/event-stream", "Transfer-Encoding: chunked")
    events = [event(f" word{number}") for number in range(EVENTS)]
    before, _, after = event("MOMENT").partition(b"MOMENT")
    size = len(before) + MOMENT_DIGITS + len(after)
    last = _chunk(ending()) + b"0\r\n\r\n"
    return {
        "chat": _head("application/json", f"Content-Length: {len(chat)}") + chat,
        "stream": head + b"".join(map(_chunk, events)) + last,
        "head": head,
        "before": b"%x\r\n%b" % (size, before),
        "after": after + b"\r\n",
        "ending": last,
    }


def _head(kind: str, how: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{how}\r\n\r\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
