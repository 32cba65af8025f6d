"""How an answer goes out: a script of writes, waits and an ending. No I/O, no clock.

The connection performs the steps one after the other and takes the next one only while the client
reads. All faults of timing and transport are in `perform`; what an answer says is not its business.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

import msgspec

from dd0c.sim.faults import Faults
from dd0c.sim.framing import Framing
from dd0c.sim.http import Answer, Stream
from dd0c.sim.latency import INSTANT, Pace

BATCH_BYTES: Final = 16 * 1024
FRAGMENT_PAUSE_S: Final = 0.001
READ_PAUSE_S: Final = 0.05  # a reset discards what the peer has not read yet
EMPTY_FRAME: Final = b"data: \n\n"
COMMENT: Final = b": simulated keep-alive\n\n"
_LAST: Final = b""  # stands after the last event, so that a fault can strike there too


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


class Plan(msgspec.Struct, frozen=True):
    """An answer, how it is disturbed and how long it takes."""

    answer: Answer
    faults: Faults
    pace: Pace = INSTANT


def perform(head: bytes, plan: Plan, *, chunks: bool) -> Iterator[Step]:
    """The steps of one answer; without an End the connection stays as it was."""
    answer, faults, pace = plan.answer, plan.faults, plan.pace
    if faults.latency:
        yield Wait(faults.latency / 1000)
    if faults.silence is not None:
        yield Wait(faults.silence / 1000)
        yield End.CLOSE
        return
    if faults.close or faults.reset:
        yield End.RESET if faults.reset else End.CLOSE
        return
    if answer.stream is not None:
        steps = _perform_stream(head, answer.stream, faults, pace, chunks=chunks)
    else:
        steps = _perform_body(head, answer, faults, pace)
    yield from _merged(steps) if faults.fragment is None else _fragmented(steps, faults.fragment)


def _perform_body(head: bytes, answer: Answer, faults: Faults, pace: Pace) -> Iterator[Step]:
    if answer.tokens and (wait_ms := pace.first_ms + answer.tokens * pace.token_ms):
        yield Wait(wait_ms / 1000)
    body = answer.body
    if faults.cut_after is not None or faults.reset_after is not None:
        yield Write(head + body[: len(body) // 2])
        yield from _break_off(faults.reset_after is not None)
        return
    if answer.chunked:
        framing = Framing(faults, chunks=True, compress=False)
        body = framing.frame(body) + framing.end()
    yield Write(head + body)


def _perform_stream(
    head: bytes, stream: Stream, faults: Faults, pace: Pace, *, chunks: bool
) -> Iterator[Step]:
    framing = Framing(faults, chunks=chunks, compress=faults.gzip)
    first_ms = pace.first_ms if faults.slow_first_token is None else faults.slow_first_token
    pace_ms = pace.token_ms if faults.pace is None else faults.pace
    yield Write(head)
    if first_ms:
        yield Wait(first_ms / 1000)
    for sent, event in enumerate(chain(_disturbed(stream, faults), (_LAST,))):
        if sent == faults.stall_after:
            yield Wait(faults.stall)
        if sent in (faults.cut_after, faults.reset_after):
            yield from _break_off(sent == faults.reset_after)
            return
        if sent == faults.garbage_after:
            yield Write(framing.frame(stream.garbage), 1)
        if sent == faults.error_after:
            yield Write(framing.frame(stream.failure), 1)
            break
        if event is _LAST:
            break
        if sent and pace_ms:
            yield Wait(pace_ms / 1000)
        yield Write(framing.frame(event), 1)
    yield Write(framing.end())


def _disturbed(stream: Stream, faults: Faults) -> Iterator[bytes]:
    """The events of a stream with those that are too many, and in the wrong order."""
    events: Iterator[bytes] = stream.events()
    if faults.out_of_order is not None:
        events = _swapped(events, faults.out_of_order)
    for event in events:
        if faults.comments:
            yield COMMENT
        yield event
        if faults.double_finish and event is stream.finish:
            yield event
        if faults.empty_frames:
            yield EMPTY_FRAME


def _swapped(events: Iterator[bytes], after: int) -> Iterator[bytes]:
    yield from islice(events, after)
    yield from reversed(list(islice(events, 2)))
    yield from events


def _break_off(hard: bool) -> Iterator[Step]:
    if hard:
        yield Wait(READ_PAUSE_S)
    yield End.RESET if hard else End.CLOSE


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
