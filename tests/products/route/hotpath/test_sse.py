"""Events of a stream, with chunk borders wherever they may fall."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath import sse
from dd0c.products.route.hotpath.sse import EVENT_BYTES_MAX, Events

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.sampled_from(
    [
        "data: {}",
        'data: {"a":1}',
        "data:x",
        "event: ping",
        ": comment",
        "data: [DONE]",
        "id: 7",
        "data",
        "data:é€",
    ]
)
EVENT = st.tuples(st.lists(LINES, min_size=1, max_size=3), ENDS).map(
    lambda e: "".join(line + e[1] for line in e[0]) + e[1]
)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The data in pieces."""
    places = sorted({0, len(data), *(p for p in at if p < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(EVENT, max_size=6), st.lists(st.integers(0, 300)), st.booleans())
def test_bytes_pass_unchanged_whatever_the_chunks(
    events: list[str], at: list[int], open_end: bool
) -> None:
    """Joined, what is given out is what came in; each part given out is whole events (R-3)."""
    data = "".join(events).encode() + (b"data: torn" if open_end else b"")
    found = Events()
    given_out = [found.feed(chunk) for chunk in cut(data, at)]
    for run in filter(None, given_out):
        assert re.search(rb"(\r\n|\n|\r)(\r\n|\n|\r)\n?$", run)
        assert b"".join(sse.split(run)) == run
    assert b"".join(given_out) + found.rest() == data


@given(st.lists(EVENT, max_size=6), st.lists(st.integers(0, 300)))
def test_no_event_waits_for_the_next(events: list[str], at: list[int]) -> None:
    """Once an event's blank line came, all its bytes are given out."""
    data = "".join(events).encode()
    found = Events()
    out = b"".join(found.feed(chunk) for chunk in cut(data, at))
    assert data.removeprefix(out) in (b"", b"\n")  # the second half of a CRLF may come late


@given(st.lists(EVENT, max_size=6))
def test_the_objects_of_a_run_are_those_of_its_events(events: list[str]) -> None:
    """R-13: taken out all at once or one by one, the data that is counted is the same."""
    run = "".join(events).encode()
    one_by_one = [sse.read(raw).data for raw in sse.split(run)]
    assert sse.documents(run) == [data for data in one_by_one if data.startswith(b"{")]


def test_an_overlong_event_passes_in_pieces() -> None:
    """An event beyond the bound is not collected, and the next one is found again (R-33)."""
    found = Events()
    piece = b"x" * 65536
    out = found.feed(b"data: ")
    for _ in range(EVENT_BYTES_MAX // len(piece) + 2):
        out += found.feed(piece)
    assert found.overlong
    assert len(out) > EVENT_BYTES_MAX
    assert found.feed(b"end\n") == b"end\n"
    assert found.feed(b"\ndata: y\n\ndata: z") == b"\ndata: y\n\n"
    assert found.rest() == b"data: z"


@pytest.mark.parametrize(
    ("raw", "name", "data"),
    [
        (b"data: a\n\n", b"", b"a"),
        (b"data:a\n\n", b"", b"a"),
        (b"data:  a\n\n", b"", b" a"),
        (b"event: e\r\ndata: a\r\ndata: b\r\n\r\n", b"e", b"a\nb"),
        (b": c\rdata\r\r", b"", b""),
        (b"event: a\nevent: b\n\n", b"b", b""),
    ],
)
def test_fields_are_read_as_the_specification_says(raw: bytes, name: bytes, data: bytes) -> None:
    """Name and data of an event follow the WHATWG rules."""
    assert sse.read(raw)[1:] == (name, data)
