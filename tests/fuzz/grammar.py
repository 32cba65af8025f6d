"""Inputs to begin with, and how one becomes another: by pieces of the languages that are read here,
for bytes drawn blindly are refused at their first line and find nothing behind it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from tests.support.worker import KEY

Make = Callable[[random.Random], bytes]

BYTES_MAX = 4 * 1024
_SLOTS = 4  # changes of one input at most

BODIES = (
    b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}]}',
    b'{"model":"openai/gpt-5-mini","messages":[]}',
    b'{"model":"gpt-5-mini","messages":[],"stream":true}',
    b'{"stream_options":{"include_usage":false},"model":"gpt-5-mini","stream":true}',
    b'{ "x" : [1.0, {"model":"no"}], "mod\\u0065l":\t"openai/gpt-5-mini" ,"messages":[], "n":1e0}',
    b'{"model":"a","model":"b"}',
    b"{}",
    b"",
    b"x",
)
TARGETS = (
    *(b"/v1/chat/completions", b"/v1/chat/completions", b"/v1/completions", b"/v1/messages"),
    *(b"/v1/messages/count_tokens", b"/v1/embeddings", b"/v1/responses", b"/v1/models"),
    *(b"/v1/models?limit=3", b"/livez", b"/readyz", b"/nowhere", b"*", b"http://gateway/v1/models"),
    *(b"http://gateway?x=/v1/models", b"/v1/chat/completions?a=b#c", b"gateway:443"),
)
METHODS = (b"POST",) * 6 + (b"GET", b"GET", b"HEAD", b"PUT", b"CONNECT", b"OPTIONS", b"post")
LINES = (
    *(b"content-type: application/json", b"accept: */*", b"user-agent: OpenAI/Python 2.1"),
    *(
        b"connection: keep-alive",
        b"connection: close",
        b"connection: x-a, keep-alive\r\nx-a: 0",
        b"x-a: 1",
    ),
    *(b"x-a: 2", b"X-A:\t3 ", b"expect: 100-continue", b"upgrade: h2c", b"connection: upgrade"),
    *(b"te: trailers", b"idempotency-key: one", b"x-stainless-retry-count: 1", b"cookie: a=b"),
    *(b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"tracestate: a=b"),
    *(b"x-dd0c-tags: a,b", b"x-dd0c-model: forged", b"content-encoding: identity", b"via: 1.1 me"),
    *(b"host: other", b"x-api-key: sk-ant-1", b"accept-encoding: gzip, br", b"x: \xe9\xff"),
    *(b"content-length: 0", b"content-length: 5", b"Content-Length: 5, 5", b"content-length: +5"),
    *(b"transfer-encoding: chunked", b"Transfer-Encoding: identity", b"transfer-encoding: gzip"),
    *(b"transfer-encoding : chunked", b"transfer-encoding:\x0bchunked", b" folded: x", b"\tx"),
    *(b"no colon", b": no name", b"x\x00: y", b"x: \x00", b"x: a\rb", b"content-length:", b""),
)
PIECES = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b":", b"\x00", b"\x0b", b"\xff"),
    *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b'5;a="\r\n"\r\nhello\r\n', b"0x5"),
    *(b"00000005", b"ffffffffffffffff\r\n", b"-1", b"5 ", b"5\n", b"HTTP/1.0", b"HTTP/1.1"),
    *(b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b"http/1.1", b"ICE/1.0", b"PRI * HTTP/2.0"),
    *(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", b"?", b"#", b"%0d%0a", b"//", b"@"),
)


def request(chance: random.Random) -> bytes:
    """Some requests on one connection, most of them good."""
    return b"".join(_one_request(chance) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _one_request(chance: random.Random) -> bytes:
    body = chance.choice(BODIES)
    length = chance.choice((b"Content-Length", b"content-length"))
    lines = [b"host: gateway", b"authorization: Bearer " + KEY.encode()]
    if chance.random() < 0.05:
        lines[1] = b"authorization: Bearer dd0c_sk_unheard_of"
    lines += chance.sample(LINES[:24], chance.randrange(4))
    if chance.random() < 0.2:
        lines.append(chance.choice(LINES))
    method, target = chance.choice(METHODS), chance.choice(TARGETS)
    if method in (b"GET", b"HEAD"):
        body = b""
    elif chance.random() < 0.3:
        lines.append(b"Transfer-Encoding: chunked")
        body = _chunked(chance, body)
    else:
        lines.append(b"%b: %d" % (length, len(body)))
    if chance.random() < 0.2:
        chance.shuffle(lines)
    version = chance.choice((b"HTTP/1.1",) * 9 + (b"HTTP/1.0",))
    head = b"%b %b %b\r\n" % (method, target, version)
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def answer(chance: random.Random) -> bytes:
    """What a provider may say to one request."""
    body = chance.choice((b'{"a":1}', b"", b"data: {}\n\ndata: [DONE]\n\n", b"x" * 300))
    lines = [b"content-type: " + chance.choice((b"application/json", b"text/event-stream"))]
    lines += chance.sample(ANSWER_LINES, chance.randrange(3))
    way = chance.random()
    if way < 0.5:
        lines.append(b"content-length: %d" % len(body))
    elif way < 0.9:
        lines.append(b"transfer-encoding: chunked")
        body = _chunked(chance, body)
    status = chance.choice((b"200 OK",) * 5 + (b"404 Not Found", b"204 No", b"304 No", b"299 "))
    interim = chance.choice((b"",) * 5 + (b"HTTP/1.1 100 Continue\r\n\r\n",))
    version = chance.choice((b"HTTP/1.1",) * 6 + (b"HTTP/1.0",))
    after = chance.choice(
        (b"",) * 8 + (b"\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"H")
    )
    head = b"%b %b\r\n" % (version, status) + b"".join(line + b"\r\n" for line in lines)
    return interim + head + b"\r\n" + body + after


ANSWER_LINES = (
    *(b"x-request-id: one", b"connection: close", b"Connection: keep-alive", b"set-cookie: a=b"),
    *(b"x-a: 1", b"X-A:\t2 ", b"x-dd0c-model: forged", b"content-length: 3", b"content-length: 7"),
    *(b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked", b"trailer: x-a"),
    *(b"content-encoding: gzip", b"content-encoding: identity", b"upgrade: h2c", b" folded: x"),
    *(b"x: \xe9\xff", b"x\x00: y", b"x: \x00", b"no colon", b"content-length: 7, 7", b"x-a :1"),
)
ANSWER_PIECES = (
    *PIECES,
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", b"200", b"101"),
    *(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", b"204", b"304"),
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
)


def document(chance: random.Random) -> bytes:
    """A JSON object with keys that matter among others that only look so."""
    pairs = [(chance.choice(KEYS), chance.choice(VALUES)) for _ in range(chance.randrange(6))]
    space = chance.choice((b"", b"", b" ", b"\n\t "))
    inner = (space + b",").join(space + k + space + b":" + space + v for k, v in pairs)
    return space + b"{" + inner + space + b"}" + space


KEYS = (
    *(b'"model"', b'"mod\\u0065l"', b'"stream"', b'"stream_options"', b'"Model"', b'"messages"'),
    *(b'"a"', b'""', b'"\xc3\xa9"', b'"\\u00e9"', b'"q\\"uote"', b'"back\\\\slash"', b'"\\/"'),
)
VALUES = (
    *(
        b'"gpt-5-mini"',
        b"true",
        b"null",
        b"1",
        b"-0.5e-7",
        b"{}",
        b"[]",
        b'{"model":"x"}',
        b'"\\""',
    ),
    *(
        b'"{\\"model\\":\\"x\\"}"',
        b"[[1],{}]",
        b'"\\ud83d\\ude00"',
        b'"\xf0\x9f\x98\x80"',
        b"1e999",
    ),
    *(b'"},{"', b'"\\\\"', b'{"include_usage":true}', b"12345678901234567890123", b'"\\ud83d"'),
)
JSON_PIECES = (
    *KEYS,
    *VALUES,
    *(
        b",",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b" ",
        b"\n",
        b"\\u006d",
        b"NaN",
        b"Infinity",
    ),
    *(b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x00", b"01", b"//", b"'", b',"model":"b"'),
)


def stream(chance: random.Random) -> bytes:
    """Events of a stream, of either dialect; the first byte says which, and whether our own usage
    chunk is to be left out."""
    kind, end = chance.randrange(8), chance.choice((b"\n",) * 6 + (b"\r\n", b"\r"))
    events = chance.choices(EVENTS[kind % 4 if kind % 4 < 3 else 0], k=chance.randrange(8))
    return bytes([kind]) + b"".join(event.replace(b"\n", end) for event in events)


def _chunk(**changes: object) -> bytes:
    whole = {
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "delta": {"content": "Hi"}}],
        **changes,
    }
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


def _named(kind: str, **more: object) -> bytes:
    data = json.dumps({"type": kind, **more}).encode()
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


_USAGE = {"prompt_tokens": 9, "completion_tokens": 3}
_INNER = {"model": "gpt-5-mini", "usage": {"input_tokens": 9, "output_tokens": 3}}
_STOP = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
EVENTS = (
    (
        *(_chunk(), _chunk(usage=None), _chunk(choices=[], usage=_USAGE), _chunk(usage=_USAGE)),
        *(_chunk(choices=_STOP), _chunk(choices=_STOP, usage=_USAGE), _chunk(error={"code": 1})),
        *(
            b"data: [DONE]\n\n",
            b": comment\n\n",
            b"data: {torn\n\n",
            b"id: 7\n",
            b"data\n\n",
            b"\n",
        ),
    ),
    (
        _named("message_start", message={**_INNER, "model": "claude-sonnet-4-5"}),
        _named("content_block_delta", index=0, delta={"text": '"usage" message_stop error'}),
        _named("message_delta", usage={"output_tokens": 30}),
        *(_named("message_stop"), _named("error", error={"type": "x"}), _named("ping"), b": c\n\n"),
        *(b"data: {torn\n\n", b"\n", b"event: message_stop\n", b"data:\n\n"),
    ),
    (
        _named("response.created", response={"model": "gpt-5-mini", "usage": None}),
        _named("response.output_text.delta", delta='"usage" [DONE] response.completed'),
        *(_named("response.completed", response=_INNER), _named("response.failed", response={})),
        *(_named("response.incomplete", response=_INNER), _named("error", code="x")),
        *(b"data: [DONE]\n\n", b": c\n\n", b"data: {torn\n\n", b"\n"),
    ),
)
STREAM_PIECES = (
    *(event for events in EVENTS for event in events),
    *(b"\n", b"\n\n", b"\r\n", b"\r", b"\r\n\r\n", b"data: ", b"event: ", b'"usage"', b"[DONE]"),
    *(b'"error"', b'"usage":null', b"message_", b":", b" ", b"{", b"}", b"\xff", b"\x00"),
)


def mutate(chance: random.Random, data: bytes, pieces: Sequence[bytes], other: bytes) -> bytes:
    """The input with a few changes; `other` is one to take parts from."""
    for _ in range(chance.randrange(1, _SLOTS + 1)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 30)))
        match chance.randrange(7):
            case 0 | 1:  # put a piece in
                data = data[:start] + chance.choice(pieces) + data[start:]
            case 2:  # put it over what is there
                data = data[:start] + chance.choice(pieces) + data[end:]
            case 3:
                data = data[:start] + data[end:]
            case 4:  # any one byte
                data = data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :]
            case 5:  # a line twice, or elsewhere
                data = _with_line(chance, data)
            case _:
                place = chance.randrange(len(other) + 1)
                data = (
                    data[:start] + other[place : place + chance.choice((4, 40, 400))] + data[end:]
                )
    return data[:BYTES_MAX]


def _with_line(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    lines.insert(chance.randrange(len(lines) + 1), chance.choice((*lines, *LINES)))
    return b"\r\n".join(lines)


def _chunked(chance: random.Random, body: bytes) -> bytes:
    size = chance.choice((1, 7, 1000))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    extension = chance.choice((b"",) * 4 + (b";a=b", b' ; a="b c"', b";"))
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    return chunks + b"0\r\n" + chance.choice((b"",) * 4 + (b"x-a: trailer\r\n",)) + b"\r\n"
