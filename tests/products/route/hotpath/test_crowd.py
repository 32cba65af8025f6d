"""Two hundred callers that leave amid their streams, each its own way: what each got is what its
row says, to the token (R-13, proofs 11)."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from dd0c.products.route.models import AttemptClosed
from tests.support.upstream import Peer, Received, Upstream
from tests.support.worker import KEY, PROMPT_TOKENS, Worker, count, wait_for

PROGRAM = Path(__file__).with_name("crowd_process.py")
CALLERS = 200
EVENTS = 45  # at most, until a caller leaves; its stream is endless
EVERY_S = 0.04
WAYS = ("close", "reset", "unread", "kill")
WORDS = ("deliver", "ed ", " token", "s\n", "größe", "漢字", "👩", ' {"a": ', '"b"}', "\t0.12", "I")
PADDING = "x" * 700  # so that a small buffer is full after a few events


def chat(text: str) -> bytes:
    """An event of a chat completion."""
    return event({"model": "gpt-5-mini", "choices": [{"index": 0, "delta": {"content": text}}]})


def call(text: str) -> bytes:
    """An event inside the arguments of a tool call."""
    calls = [{"index": 0, "function": {"arguments": text}}]
    return event({"model": "gpt-5-mini", "choices": [{"index": 0, "delta": {"tool_calls": calls}}]})


def message(text: str) -> bytes:
    """An event of Anthropic's."""
    delta = {"type": "text_delta", "text": text}
    told = {"type": "content_block_delta", "index": 0, "delta": delta}
    return b"event: content_block_delta\n" + event(told)


def event(data: dict[str, Any]) -> bytes:
    """An event with this data."""
    return b"data: " + json.dumps({**data, "padding": PADDING}).encode() + b"\n\n"


KINDS = {
    "chat": ("/v1/chat/completions", "gpt-5-mini", chat),
    "call": ("/v1/chat/completions", "gpt-5-mini", call),
    "message": ("/v1/messages", "claude-sonnet-4-5", message),
}


async def talk(peer: Peer, request: Received) -> None:
    """An endless stream of words, which are others for each caller."""
    asked = json.loads(request.body)
    _, _, form = KINDS[asked["kind"]]
    chance = random.Random(asked["number"])
    await peer.send_stream_head()
    while not peer.gone():
        await asyncio.sleep(EVERY_S * chance.uniform(0.5, 1.5))
        await peer.send_chunk(form("".join(chance.choices(WORDS, k=chance.randrange(1, 6)))))


def body_of(received: bytes) -> bytes:
    """The body in an answer that may break off anywhere."""
    _, _, rest = received.partition(b"\r\n\r\n")
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


def text_of(received: bytes) -> str:
    """The text in the whole events that a socket received."""
    text = ""
    for one in body_of(received).split(b"\n\n")[:-1]:
        data = one.rpartition(b"data: ")[2]
        if not data.startswith(b"{"):
            continue
        found = json.loads(data)
        text += found.get("delta", {}).get("text", "")
        for choice in found.get("choices", ()):
            text += choice["delta"].get("content", "")
            for part in choice["delta"].get("tool_calls", ()):
                text += part["function"]["arguments"]
    return text


def a_crowd() -> list[dict[str, Any]]:
    """The callers: each way and each kind in each combination, leaving anywhere."""
    chance = random.Random(13)
    callers = []
    for number in range(CALLERS):
        kind = tuple(KINDS)[number % len(KINDS)]
        path, model, _ = KINDS[kind]
        body = {"model": model, "stream": True, "kind": kind, "number": number, "max_tokens": 999}
        who = {"metadata": {"user_id": str(number)}} if kind == "message" else {"user": str(number)}
        how = WAYS[number // len(KINDS) % len(WAYS)]
        events = chance.randrange(-1, 3 if how == "unread" else EVENTS)
        callers.append({"path": path, "body": body | who, "events": events, "how": how})
    return callers


def test_each_of_a_crowd_pays_for_what_its_socket_received(
    worker: Worker, upstream: Upstream
) -> None:
    """200 at once leave after any event, by close, reset, with kilobytes unread, stopped and
    killed: the delivered tokens of each row are those of the text that its socket received, and no
    connection that a request went out on is left (R-13)."""
    assert count("".join(WORDS)) > 0, "the vocabulary is loaded before anybody waits for a count"
    upstream.script = talk
    callers = a_crowd()
    command = [sys.executable, str(PROGRAM), str(worker.port), KEY]
    done = subprocess.run(
        command,
        input="".join(json.dumps(caller) + "\n" for caller in callers),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    asked = {request.connection for request in upstream.received}  # others are kept, as unused
    wait_for(lambda: all(p.gone() for p in upstream.peers if p.number in asked))
    rows = {row.request_id: row for row in worker.closed(CALLERS)}
    by_caller = {int(o.end_user or -1): rows[o.request_id] for o in worker.opened()}
    lines = done.stdout.splitlines()
    got = [text_of(base64.b64decode(line.partition(" ")[2])) for line in lines]
    assert len(got) == len(by_caller) == CALLERS
    wrong = [
        (callers[number]["how"], callers[number]["events"], count(text), said)
        for number, text in enumerate(got)
        if (said := by_caller[number].delivered_output_tokens) != count(text)
    ]
    assert not wrong
    assert {row.end_reason for row in rows.values()} == {"client_gone"}
    for number, row in by_caller.items():
        adds_up(row, anthropic=callers[number]["body"]["kind"] == "message")


def adds_up(row: AttemptClosed, *, anthropic: bool) -> None:
    """100 tokens of the prompt at $0.25 and the delivered ones at $2 for a million, or, of
    Anthropic, at $3 and $15; nothing, if the caller left before anything was sent."""
    assert row.delivered_output_tokens is not None
    rate_in, rate_out = (3_000_000, 15_000_000) if anthropic else (250_000, 2_000_000)
    expected = PROMPT_TOKENS * rate_in + row.delivered_output_tokens * rate_out
    assert row.cost_pico == row.cost_delivered_pico == (expected if row.usage.input else 0)
