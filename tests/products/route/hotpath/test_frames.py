"""Messages between a parent and its workers, over any borders of chunks."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath.frames import Frames, encode
from dd0c.products.route.hotpath.snapshot import Drain, FromWorker, PriceWanted, ToWorker

SENT: list[ToWorker | FromWorker] = [Drain(1.5), PriceWanted("openai", "m" * 300), Drain(0)]
STREAM = b"".join(encode(message) for message in SENT)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_messages_survive_any_chunks(cuts: list[int]) -> None:
    """Whatever the socket cuts apart or joins, the same messages come out, in order, once."""
    frames, edges = Frames(), sorted({0, len(STREAM), *cuts})
    found: list[bytes] = []
    for begin, end in pairwise(edges):
        found += frames.feed(STREAM[begin:end])
    assert found == [msgspec.msgpack.encode(message) for message in SENT]


def test_a_message_over_the_bound_is_refused_before_it_is_held() -> None:
    """A worker that talks nonsense does not fill its parent's memory."""
    frames = Frames(bytes_max=100)
    assert list(frames.feed(encode(Drain(1.5)))) == [msgspec.msgpack.encode(Drain(1.5))]
    with pytest.raises(msgspec.DecodeError):
        list(frames.feed((101).to_bytes(4, "big")))
