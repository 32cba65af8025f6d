"""What of a stream was delivered, and the text in it, for every endpoint that streams (R-13)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath import delivery
from dd0c.products.route.hotpath.delivery import Delivery, Room, Text
from dd0c.products.route.models import Endpoint


def event(data: Any, name: str = "") -> bytes:
    """An event with JSON as its data."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def delta(index: int = 0, **said: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    return {"choices": [{"index": index, "delta": said}]}


def call(index: int, **function: str) -> dict[str, Any]:
    """A piece of a tool call."""
    return delta(tool_calls=[{"index": index, "function": function}])


def block(index: int = 0, **said: Any) -> dict[str, Any]:
    """An Anthropic delta."""
    return {"type": "content_block_delta", "index": index, "delta": said}


STREAMS: list[tuple[str, list[Any], str]] = [
    (Endpoint.CHAT, [delta(role="assistant", content=""), delta(content="A"), delta()], "A"),
    (Endpoint.CHAT, [delta(refusal="I ca"), delta(refusal="n't")], "I can't"),
    (Endpoint.CHAT, [delta(reasoning_content="hm", reasoning="hm"), delta(content="B")], "hmB"),
    (Endpoint.CHAT, [call(0, name="f", arguments=""), call(0, arguments='{"a"')], 'f{"a"'),
    (
        Endpoint.CHAT,  # alternating strands are put together again
        [call(0, arguments="to"), call(1, arguments="[1"), call(0, arguments="ken"), delta(1)],
        "token[1",
    ),
    (Endpoint.CHAT, [delta(0, content="a"), delta(1, content="x"), delta(0, content="b")], "abx"),
    (
        Endpoint.CHAT,
        [delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}])],
        "so",
    ),
    (Endpoint.CHAT, [{"choices": []}, {"choices": None}, {"error": {}}, [1], "x", delta()], ""),
    (Endpoint.COMPLETIONS, [{"choices": [{"index": 0, "text": "on"}]}], "on"),
    (
        Endpoint.MESSAGES,
        [
            {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"thinking": ""}},
            block(type="thinking_delta", thinking="Let me"),
            block(type="signature_delta", signature="c2ln"),
            block(1, type="text_delta", text="Hi"),
            {
                "type": "content_block_start",
                "index": 2,
                "content_block": {"type": "tool_use", "name": "f", "input": {}},
            },
            block(2, type="input_json_delta", partial_json='{"x":'),
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        ],
        'Let meHif{"x":',
    ),
    (
        Endpoint.RESPONSES,
        [
            {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "why"},
            {"type": "response.output_item.added", "output_index": 1, "item": {"name": "f"}},
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"},
            {"type": "response.output_text.delta", "output_index": 2, "delta": "Hi"},
            {"type": "response.output_text.done", "output_index": 2, "text": "Hi"},
            {"type": "response.audio.delta", "delta": "UklGRg=="},
            {"type": "response.completed", "response": {"output": [{"content": []}]}},
        ],
        "whyf{}Hi",
    ),
]

WHOLE: list[tuple[str, Any, str]] = [
    (Endpoint.CHAT, {"choices": [{"message": {"content": "A", "refusal": None}}]}, "A"),
    (
        Endpoint.CHAT,
        {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "1"}}]}}]},
        "f1",
    ),
    (Endpoint.COMPLETIONS, {"choices": [{"text": "on"}]}, "on"),
    (
        Endpoint.MESSAGES,
        {"content": [{"text": "Hi"}, {"type": "tool_use", "name": "f", "input": {"a": 1}}]},
        'Hif{"a": 1}',
    ),
    (
        Endpoint.RESPONSES,
        {
            "output": [
                {"type": "reasoning", "summary": [{"text": "why"}]},
                {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
                {"type": "function_call", "name": "f", "arguments": "{}"},
            ]
        },
        "whyHif{}",
    ),
    (Endpoint.EMBEDDINGS, {"data": [{"embedding": [0.1]}]}, ""),
]


@pytest.mark.parametrize(("endpoint", "events", "text"), STREAMS)
def test_the_text_of_a_stream(endpoint: str, events: list[Any], text: str) -> None:
    """All that is paid for as output and can be read counts, in the order of its strands; said
    twice it counts once (R-14, proofs 9)."""
    noted = Delivery(endpoint, Room())
    noted.add(b"".join(map(event, events)), 10_000)
    assert noted.text() == Text(text, len(text))


@pytest.mark.parametrize(("endpoint", "body", "text"), WHOLE)
def test_the_text_of_a_whole_answer(endpoint: str, body: Any, text: str) -> None:
    """The same of an answer that is given whole."""
    assert delivery.of_whole(endpoint, json.dumps(body).encode()) == Text(text, len(text))


def test_what_cannot_be_read_has_no_text() -> None:
    """A broken event costs its own text, not that of its neighbours; what a whole answer says that
    is broken is unknown, not nothing."""
    good = event(delta(content="a"))
    noted = Delivery(Endpoint.CHAT, Room())
    noted.add(good + b'data: {"choices": [{"delta": {"content": "\n\n: comment\n\n' + good, 1000)
    noted.add(b'id: 7\r\ndata: {"choices":\r\ndata: [{"delta":{"content":"b"}}]}\r\n\r\n', 2000)
    assert noted.text() == Text("aab", 3)
    assert delivery.of_whole(Endpoint.CHAT, b"no JSON") is None
    assert delivery.of_whole(Endpoint.CHAT, b'{"choices": [{"message": {"content": "a"') is None
    assert delivery.of_whole(Endpoint.EMBEDDINGS, b"no JSON") == Text("", 0)  # it has none anyway


@given(
    st.lists(st.tuples(st.text(max_size=5), st.integers(0, 40), st.booleans()), max_size=12),
    st.integers(0, 2000),
)
def test_delivered_are_whole_events_before_a_byte(
    runs: list[tuple[str, int, bool]], acked: int
) -> None:
    """Wherever the acknowledged bytes end, and however often what was kept was condensed before,
    the delivered text is that of the events that end before; the rest was received only (R-13)."""
    noted = Delivery(Endpoint.CHAT, Room())
    at, before, after = 0, "", ""
    for text, between, condensed in runs:
        run = event(delta(content=text))
        at += between + len(run)
        noted.add(run, at)
        if at <= acked:
            before += text
        else:
            after += text
        if condensed:
            noted.condense(min(at, acked))
    noted.abandon(acked)
    noted.add(event(delta(content="!")), delivery.NEVER)
    assert noted.text() == Text(before + after + "!", len(before))


def test_an_event_in_two_runs_counts_with_its_end() -> None:
    """A long event goes out in pieces; it is delivered when its last byte is."""
    raw = event(delta(content="long"))
    for acked, expected in ((len(raw) - 1, 0), (len(raw), 4)):
        noted = Delivery(Endpoint.CHAT, Room())
        noted.add(raw[:20], 20)
        noted.condense(20)
        noted.add(raw[20:], len(raw))
        noted.abandon(acked)
        assert noted.text() == Text("long", expected)


def test_text_beyond_the_room_is_not_counted() -> None:
    """What all streams keep is bounded; one that finds no room says so, and gives back its own."""
    room = Room(10)
    first, second = Delivery(Endpoint.CHAT, room), Delivery(Endpoint.CHAT, room)
    first.add(event(delta(content="12345678")), 100)
    second.add(event(delta(content="12345678")), 100)
    assert first.text() == Text("12345678", 8)
    assert second.text() is None
    first.forget()
    assert room.left == 10
