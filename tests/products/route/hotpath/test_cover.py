"""How much of a stream passes on the money that is held for it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath import sse
from dd0c.products.route.hotpath.cover import Cover

WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " word", '"', "\\", 'a"},"x":"', "\n\n", "delta", "é" * 5, "{}"]),
)
ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n"])


def _chat(text: str) -> dict[str, object]:
    delta = {"content": text} if text else {"role": "assistant"}
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "logprobs": None}], "usage": None}


def _message(text: str) -> dict[str, object]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def _response(text: str) -> dict[str, object]:
    return {"type": "response.output_text.delta", "output_index": 0, "delta": text}


FORMS = {"chat": _chat, "messages": _message, "responses": _response}


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[tuple[bytes, int]]]:
    """An endpoint and its events, each with the bytes of its text."""
    endpoint, close = draw(st.sampled_from(sorted(FORMS))), draw(ENDS)
    ascii_only, blank = draw(st.booleans()), draw(st.sampled_from([", ", ","]))
    events = []
    for text in draw(st.lists(WORDS, max_size=40)):
        data = json.dumps(FORMS[endpoint](text), ensure_ascii=ascii_only, separators=(blank, ":"))
        events.append((b"data: " + data.encode() + close, len(text.encode())))
    return endpoint, events


@given(streams(), st.integers(0, 400), st.lists(st.integers(1, 9), max_size=40))
def test_passes_what_is_paid_for_and_no_event_more(
    stream: tuple[str, list[tuple[bytes, int]]], paid: int, sizes: list[int]
) -> None:
    """Of events that come in runs of any length exactly those pass whose text is paid for, whether
    they had to be read or not (R-16)."""
    endpoint, events = stream
    cover, came, at = Cover(endpoint), 0, 0
    cover.paid = paid
    for size in [*sizes, len(events)]:
        run = events[at : at + size]
        at += size
        expected = 0
        for raw, length in run:
            if came + length > paid:
                break
            came += length
            expected += len(raw)
        whole = b"".join(raw for raw, _ in run)
        assert cover.take(whole, whole=True) == expected
        if expected < len(whole):
            assert cover.came == came
            assert cover.wanted == came + run[len(sse.split(whole[:expected]))][1]
            return


def test_goes_on_where_it_was_when_more_is_paid() -> None:
    """What waited for money passes with it, and what had passed unread was counted (R-16)."""
    events = [f"data: {json.dumps(_chat('words'))}\n\n".encode()] * 300
    cover = Cover("chat")
    cover.paid = 1000
    assert cover.take(b"".join(events[:150]), whole=True) == sum(map(len, events[:150]))
    assert cover.take(b"".join(events[150:]), whole=True) == sum(map(len, events[150:200]))
    assert (cover.came, cover.wanted) == (1000, 1005)
    cover.paid = 1500
    assert cover.take(b"".join(events[200:]), whole=True) == sum(map(len, events[200:]))


def test_a_piece_of_an_event_counts_as_it_is() -> None:
    """A piece of an event too long to hold is text, all of it, on top of what passed unread."""
    cover = Cover("chat")
    cover.paid = 400
    event = f"data: {json.dumps(_chat('words'))}\n\n".encode()
    assert cover.take(event * 2, whole=True) == 2 * len(event)
    assert cover.take(b"x" * 390, whole=False) == 390
    assert cover.take(b"x", whole=False) == 0
    assert (cover.came, cover.wanted) == (400, 401)
