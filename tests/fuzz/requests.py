"""Callers' bytes: our request side beside h11's (R-33).

What we serve, h11 must see too: the same requests in the same order, with the same method, target,
headers and body, and after an error of its never another one. The other way round we may be
stricter: refuse, and close. It all must hold for bytes that come at once, for the same bytes when
their heads are known already, and for any other portions.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.reference import Answered, Message, Mismatch, Undecided, answers, read
from tests.fuzz.wires import Outcome, Wired
from tests.support.worker import SECRET

# Written down here once more, not taken from the gateway (see `hotpath/request.py` for why).
STOPPED = {
    *(b"accept-encoding", b"authorization", b"connection", b"content-encoding", b"content-length"),
    *(b"cookie", b"expect", b"forwarded", b"host", b"keep-alive", b"proxy-authorization"),
    *(b"proxy-connection", b"te", b"traceparent", b"tracestate", b"trailer", b"transfer-encoding"),
    *(b"upgrade", b"via", b"x-api-key", b"x-forwarded-for", b"x-forwarded-host"),
    *(b"x-forwarded-port", b"x-forwarded-proto", b"x-real-ip"),
}
ADDED = {b"host", b"authorization", b"x-api-key", b"accept-encoding", b"traceparent", b"tracestate"}
ADDED |= {b"content-length"}
Seen = tuple[Sequence[Answered], Sequence[Message]]
LOCAL = ("/livez", "/readyz")
PREFIXES = ("openai", "anthropic")
STREAMED = ("/v1/chat/completions", "/v1/completions")


def check(wired: Wired, sent: bytes) -> None:
    """Raise Mismatch where our request side and h11 do not agree on these bytes."""
    try:
        reference = read(sent)
    except Undecided:
        return
    methods = [message.method for message in reference.messages]
    wired.plane.known.forget()
    seen: list[Seen] = []
    for chunks in ([sent], [sent], cut(sent)):
        outcome = wired.run(chunks)
        got = answers(outcome.written, methods)
        compare(reference.messages, outcome, got)
        seen.append((got, [_without_chance(message) for message in outcome.forwarded]))
    if seen[0] != seen[1]:
        raise Mismatch(f"known heads make a difference: {seen[0]} and {seen[1]}")
    if _gist(seen[0]) != _gist(seen[2]) and b"expect" not in sent.lower():
        raise Mismatch(f"portions make a difference: {seen[0]} and {seen[2]}")


def cut(sent: bytes) -> list[bytes]:
    """The bytes in portions that follow from them."""
    chance = random.Random(zlib.crc32(sent))
    if len(sent) > 500 or chance.random() < 0.7:
        places = sorted(chance.randrange(len(sent) + 1) for _ in range(chance.randrange(1, 8)))
    else:
        places = list(range(len(sent)))
    ends = [*places, len(sent)]
    return [sent[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def compare(messages: Sequence[Message], out: Outcome, got: Sequence[Answered]) -> None:
    """Raise Mismatch where what came of some bytes is not what these messages ask for."""
    numbers = [answer.forwarded for answer in got if answer.forwarded is not None]
    if numbers != list(range(len(out.forwarded))):
        raise Mismatch(f"{len(out.forwarded)} requests were sent on, these answered: {numbers}")
    for place, answer in enumerate(got):
        if answer.closes and place + 1 < len(got):
            raise Mismatch(f"something follows the last answer: {got}")
        if place >= len(messages):
            if answer.status < 400 or not answer.closes:
                raise Mismatch(f"h11 sees {len(messages)} requests, answer {place} is {answer}")
        elif answer.forwarded is not None:
            _same(messages[place], out.forwarded[answer.forwarded])
        elif answer.status < 400:
            _local(messages[place])
    ended = bool(got) and got[-1].closes
    if not ended and len(got) != len(messages):
        raise Mismatch(f"h11 sees {len(messages)} requests, {len(got)} are answered: {got}")
    if not ended and not out.open:
        raise Mismatch(f"the connection ended without saying so: {got}")


def _same(came: Message, went: Message) -> None:
    """Whether what came is what was sent on."""
    path, query = _target(came)
    expected = path + ("?" + query if query else "")
    if went.method != came.method or went.target.decode("latin-1") != expected:
        raise Mismatch(f"{came.method!r} {expected} was sent on as {went.method!r} {went.target!r}")
    options = b",".join(came.values(b"connection")).lower().split(b",")
    dropped = STOPPED | ({option.strip() for option in options} - {b"close", b"keep-alive", b""})
    ours = [(n, v) for n, v in went.headers if n not in ADDED]
    theirs = [(n, v) for n, v in came.headers if n not in dropped and not n.startswith(b"x-dd0c-")]
    if ours != theirs:
        raise Mismatch(f"headers {theirs} were sent on as {ours}")
    for name in ADDED - {b"authorization", b"x-api-key", b"tracestate", b"content-length"}:
        if len(went.values(name)) != 1:
            raise Mismatch(f"{name!r} was sent on {len(went.values(name))} times")
    secrets = went.values(b"authorization") + went.values(b"x-api-key")
    if [one.removeprefix(b"Bearer ") for one in secrets] != [SECRET.encode()]:
        raise Mismatch(f"the provider got other keys than its own: {secrets}")
    if came.method == b"POST":
        _same_body(came.body, went.body, streamed=path in STREAMED)
    elif went.body:
        raise Mismatch(f"a body was sent on with {came.method!r}")


def _same_body(came: bytes, went: bytes, *, streamed: bool) -> None:
    """Whether a body is the caller's but for the model's prefix and the wish for usage."""
    if came == went:
        return
    before, after = (dict(json.loads(body)) for body in (came, went))
    asked = streamed and before.get("stream") is True
    model = before.get("model", "")
    provider, _, name = model.partition("/")
    before["model"] = name if provider in PREFIXES else model
    if asked:
        options = before.get("stream_options")
        before["stream_options"] = {**(options or {}), "include_usage": True}
    if before != after:
        raise Mismatch(f"the body {came!r} was sent on as {went!r}")


def _local(message: Message) -> None:
    """Whether a request is one that we answer ourselves."""
    path, _ = _target(message)
    if path not in LOCAL or message.method not in (b"GET", b"HEAD"):
        raise Mismatch(f"{message.method!r} {message.target!r} was answered as if it were local")


def _target(message: Message) -> tuple[str, str]:
    """Path and query as RFC 3986 has them."""
    text = message.target.decode("latin-1")
    if text.startswith("/"):
        path, _, query = text.partition("?")
        return path, query
    found: Any = urlsplit(text, allow_fragments=False)
    return found.path or "/", found.query


def _gist(seen: Seen) -> object:
    """What must be the same for any portions; for which of its faults a request is refused need
    not, and `Expect` is an exception of its own: on an idle connection only."""
    answers, forwarded = seen
    return [(a.status < 400, a.closes, a.forwarded) for a in answers], forwarded


def _without_chance(message: Message) -> Message:
    """A request as it was sent on, without its trace, which is another each time."""
    headers = [pair for pair in message.headers if pair[0] != b"traceparent"]
    return Message(message.method, message.target, headers, message.body, message.version)
