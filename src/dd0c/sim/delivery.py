"""How an answer goes out: a script of writes, waits and an ending. No I/O, no clock.

The connection performs the steps one after the other and takes the next one only while the client
reads. All faults of timing and transport are in `perform`; what an answer says is not its business.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import chain

import msgspec

from dd0c.sim.faults import Faults
from dd0c.sim.http import Answer, Stream

BATCH_BYTES = 16 * 1024
FRAGMENT_PAUSE_S = 0.001
READ_PAUSE_S = 0.05  # a reset discards what the peer has not read yet
_LAST = b""  # stands after the last event, so that a fault can strike there too


class Write(msgspec.Struct, frozen=True, gc=False):
    """Bytes to write; `events` of them are whole server-sent events."""

    data: bytes
    events: int = 0


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Silence."""

    seconds: float


class End(enum.Enum):
    """The connection ends, by FIN or by RST."""

    CLOSE = "close"
    RESET = "reset"


Step = Write | Wait | End


def perform(head: bytes, answer: Answer, faults: Faults, *, chunks: bool) -> Iterator[Step]:
    """The steps of one answer; without an End the connection stays as it was."""
    if faults.latency:
        yield Wait(faults.latency / 1000)
    if faults.close or faults.reset:
        yield End.RESET if faults.reset else End.CLOSE
        return
    if answer.stream is not None:
        steps = _perform_stream(head, answer.stream, faults, chunks=chunks)
    else:
        steps = _perform_body(head, answer.body, faults)
    yield from _merged(steps) if faults.fragment is None else _fragmented(steps, faults.fragment)


def _perform_body(head: bytes, body: bytes, faults: Faults) -> Iterator[Step]:
    if faults.cut_after is None and faults.reset_after is None:
        yield Write(head + body)
        return
    yield Write(head + body[: len(body) // 2])
    yield from _break_off(faults.reset_after is not None)


def _perform_stream(head: bytes, stream: Stream, faults: Faults, *, chunks: bool) -> Iterator[Step]:
    yield Write(head)
    if faults.slow_first_token:
        yield Wait(faults.slow_first_token / 1000)
    for sent, event in enumerate(chain(stream.events(), (_LAST,))):
        if sent == faults.stall_after:
            yield Wait(faults.stall)
        if sent in (faults.cut_after, faults.reset_after):
            yield from _break_off(sent == faults.reset_after)
            return
        if sent == faults.garbage_after:
            yield Write(_framed(stream.garbage, chunks), 1)
        if sent == faults.error_after:
            yield Write(_framed(stream.failure, chunks), 1)
            break
        if event is _LAST:
            break
        if sent and faults.pace:
            yield Wait(faults.pace / 1000)
        yield Write(_framed(event, chunks), 1)
    if chunks:
        yield Write(b"0\r\n\r\n")


def _break_off(hard: bool) -> Iterator[Step]:
    if hard:
        yield Wait(READ_PAUSE_S)
    yield End.RESET if hard else End.CLOSE


def _framed(event: bytes, chunks: bool) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event) if chunks else event


def _merged(steps: Iterator[Step]) -> Iterator[Step]:
    """The same steps, writes that follow each other made one: a socket write costs 5 us."""
    parts: list[bytes] = []
    size = events = 0
    for step in steps:
        if isinstance(step, Write):
            parts.append(step.data)
            size += len(step.data)
            events += step.events
            if size < BATCH_BYTES:
                continue
        if parts:
            yield Write(b"".join(parts), events)
            parts.clear()
            size = events = 0
        if not isinstance(step, Write):
            yield step
    if parts:
        yield Write(b"".join(parts), events)


def _fragmented(steps: Iterator[Step], size: int) -> Iterator[Step]:
    """The same steps, their writes cut small; an event counts when its last byte is written."""
    for step in steps:
        if not isinstance(step, Write):
            yield step
            continue
        for start in range(0, len(step.data), size):
            last = start + size >= len(step.data)
            yield Write(step.data[start : start + size], step.events if last else 0)
            yield Wait(FRAGMENT_PAUSE_S)
