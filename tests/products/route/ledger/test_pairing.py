"""Pairing without files or a database: any order, any chunks, any restarts (R-15)."""

from __future__ import annotations

import uuid

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.models import AttemptClosed, AttemptOpened, SpoolRecord
from dd0c.products.route.pairing import START, Pairing, Position
from tests.products.route import records

PID = 400_001
TEMPLATE = records.opened(uuid.UUID(int=1))


def opened(n: int) -> AttemptOpened:
    return msgspec.structs.replace(TEMPLATE, request_id=n.to_bytes(16, "big"))


@st.composite
def written(draw: st.DrawFn) -> list[SpoolRecord]:
    """What one worker wrote: each close somewhere after its open, some opens without."""
    keys = draw(st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(0, 1)), max_size=30))
    timed: list[tuple[float, SpoolRecord]] = []
    for n, (begin, lasts) in enumerate(keys):
        timed.append((begin, opened(n)))
        if lasts is not None:
            timed.append((begin + lasts, records.closed(opened(n))))
    return [record for _, record in sorted(timed, key=lambda item: item[0])]


@given(written(), st.data())
def test_nothing_is_lost_by_chunks_and_restarts(
    spool: list[SpoolRecord], data: st.DataObject
) -> None:
    """However the records come in pieces, and wherever a restart begins again from what was
    remembered, each close meets its open and only what never closed is lost."""
    low = shipped = START
    seen: dict[bytes, bool] = {}
    while True:
        pairing, at = Pairing(PID, shipped), low.offset
        restart = False
        while at < len(spool) and not restart:
            end = data.draw(st.integers(at + 1, len(spool)))
            if at < shipped.offset:
                end = min(end, shipped.offset)
            found = pairing.add(spool[at:end], Position(0, at))
            assert found.orphans == []
            seen |= {pair.opened.request_id: pair.closed is not None for pair in found.attempts}
            at = end
            if at > shipped.offset and data.draw(st.booleans()):
                shipped, low = Position(0, at), pairing.low(Position(0, at))
                restart = True
        if not restart:
            break
    lost = {pair.opened.request_id for pair in pairing.end()} - seen.keys()
    closes = {r.request_id for r in spool if isinstance(r, AttemptClosed)}
    opens = {r.request_id for r in spool if isinstance(r, AttemptOpened)}
    assert set(seen) == closes
    assert lost == opens - closes
    assert len(pairing) == 0


def test_what_is_written_twice_counts_once() -> None:
    """A second open, of an attempt for which more was reserved, replaces the first in its place; a
    second close has no open any more and is kept apart (R-16)."""
    pairing = Pairing(PID)
    first = opened(1)
    grown = msgspec.structs.replace(first, reserved_pico=2_000)
    close = records.closed(first)
    pairing.add([first], Position(0, 0))
    pairing.add([grown], Position(0, 90))
    assert pairing.low(Position(0, 120)) == Position(0, 0)
    found = pairing.add([close, close], Position(0, 120))
    assert [(pair.opened, pair.closed) for pair in found.attempts] == [(grown, close)]
    assert found.orphans == [close]


def test_attempts_of_one_request_are_apart() -> None:
    """A request's second attempt does not close its first."""
    pairing = Pairing(PID)
    one, two = opened(1), msgspec.structs.replace(opened(1), attempt=2)
    found = pairing.add([one, two, records.closed(two)], Position(0, 0))
    assert [pair.opened for pair in found.attempts] == [two]
    assert [pair.opened for pair in pairing.end()] == [one]
