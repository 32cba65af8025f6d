"""A breaker as a table: state, event -> state, what to do (K-61). No I/O, no clock.

    CLOSED ── enough failures ──> OPEN ── rested, and somebody asks ──> HALF_OPEN
       ▲                           ▲ ▲                                    │  │ │
       │                           │ └───────── the probe failed ─────────┘  │ │
       │                           └─── the probe was given up: no rest ─────┘ │
       └─────────────────────────── the probe succeeded ──────────────────────┘

In OPEN and HALF_OPEN nobody is let through but the probe, one at a time. It has a lease: when that
is over, whoever asks next is the probe, and the old one's result comes too late.

Every change of state, and every probe, begins a new *epoch*. A result says in which epoch its call
began; one of another epoch is STALE and changes nothing, so a success that was on its way since
before the trip closes nothing. Epochs are taken from the clock where that is ahead, so that a
record that was lost or forgotten does not bring an old one back.

`breakers.lua` does the same on the server, by this table: it is sent along with each call.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class State(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Event(StrEnum):
    """What can happen to it."""

    ASKED = "asked"
    ASKED_DUE = "asked_due"  # the rest, or the probe's lease, is over
    SUCCESS = "success"
    FAILURE = "failure"
    LAST_FAILURE = "last_failure"  # the one that makes it enough
    ABANDONED = "abandoned"  # the call was given up: it says nothing
    STALE = "stale"  # a result from another epoch
    TOLD_OPEN = "told_open"  # a process that could not share it has found so


class Effect(StrEnum):
    """What is done about it. All but the first four begin a new epoch."""

    NOTHING = "nothing"
    ADMIT = "admit"
    REFUSE = "refuse"
    COUNT = "count"
    FORGET = "forget"
    PROBE = "probe"
    TRIP = "trip"
    RELEASE = "release"
    CLOSE = "close"


class Step(NamedTuple):
    """One cell of the table."""

    state: State
    effect: Effect


_S, _E, _F = State, Event, Effect
_CLOSED, _OPEN, _HALF = (Step(state, _F.NOTHING) for state in _S)

TABLE: dict[State, dict[Event, Step]] = {
    _S.CLOSED: {
        _E.ASKED: Step(_S.CLOSED, _F.ADMIT),
        _E.ASKED_DUE: Step(_S.CLOSED, _F.ADMIT),
        _E.SUCCESS: Step(_S.CLOSED, _F.FORGET),
        _E.FAILURE: Step(_S.CLOSED, _F.COUNT),
        _E.LAST_FAILURE: Step(_S.OPEN, _F.TRIP),
        _E.ABANDONED: _CLOSED,
        _E.STALE: _CLOSED,
        _E.TOLD_OPEN: Step(_S.OPEN, _F.TRIP),
    },
    _S.OPEN: {
        _E.ASKED: Step(_S.OPEN, _F.REFUSE),
        _E.ASKED_DUE: Step(_S.HALF_OPEN, _F.PROBE),
        _E.SUCCESS: _OPEN,
        _E.FAILURE: _OPEN,
        _E.LAST_FAILURE: _OPEN,
        _E.ABANDONED: _OPEN,
        _E.STALE: _OPEN,
        _E.TOLD_OPEN: _OPEN,
    },
    _S.HALF_OPEN: {
        _E.ASKED: Step(_S.HALF_OPEN, _F.REFUSE),
        _E.ASKED_DUE: Step(_S.HALF_OPEN, _F.PROBE),
        _E.SUCCESS: Step(_S.CLOSED, _F.CLOSE),
        _E.FAILURE: Step(_S.OPEN, _F.TRIP),
        _E.LAST_FAILURE: Step(_S.OPEN, _F.TRIP),
        _E.ABANDONED: Step(_S.OPEN, _F.RELEASE),
        _E.STALE: _HALF,
        _E.TOLD_OPEN: _HALF,
    },
}


class Rules(msgspec.Struct, frozen=True):
    """So many failures without a success between them are enough; two that lie further apart than
    `memory_ms` do not add up. `rest_ms`: until a probe, `lease_ms`: how long it may take."""

    failures: int = 5
    rest_ms: int = 10_000
    lease_ms: int = 30_000
    memory_ms: int = 60_000


class Circuit(msgspec.Struct, frozen=True):
    """One breaker. `until_ms`: end of the rest, or of the probe's lease."""

    state: State = State.CLOSED
    epoch: int = 0
    failures: int = 0
    failed_ms: int = 0
    until_ms: int = 0


def ask(circuit: Circuit, rules: Rules, now_ms: int) -> tuple[Circuit, Effect]:
    """Somebody wants through: ADMIT, PROBE or REFUSE."""
    return _step(circuit, _E.ASKED_DUE if now_ms >= circuit.until_ms else _E.ASKED, rules, now_ms)


def hear(
    circuit: Circuit, event: Event, epoch: int, rules: Rules, now_ms: int
) -> tuple[Circuit, Effect]:
    """What became of a call that began in that epoch: SUCCESS, FAILURE or ABANDONED; or TOLD_OPEN,
    which has no epoch."""
    if event is not _E.TOLD_OPEN and epoch != circuit.epoch:
        event = _E.STALE
    elif event is _E.FAILURE and _recent(circuit, rules, now_ms) + 1 >= rules.failures:
        event = _E.LAST_FAILURE
    return _step(circuit, event, rules, now_ms)


def _recent(circuit: Circuit, rules: Rules, now_ms: int) -> int:
    """Failures that still count."""
    return circuit.failures if now_ms - circuit.failed_ms <= rules.memory_ms else 0


def _step(circuit: Circuit, event: Event, rules: Rules, now_ms: int) -> tuple[Circuit, Effect]:
    state, effect = TABLE[circuit.state][event]
    next_epoch = max(circuit.epoch + 1, now_ms)
    match effect:
        case _F.COUNT:
            failures = _recent(circuit, rules, now_ms) + 1
            after = msgspec.structs.replace(circuit, failures=failures, failed_ms=now_ms)
        case _F.FORGET:
            after = msgspec.structs.replace(circuit, failures=0)
        case _F.PROBE:
            after = Circuit(state, next_epoch, until_ms=now_ms + rules.lease_ms)
        case _F.TRIP:
            after = Circuit(state, next_epoch, until_ms=now_ms + rules.rest_ms)
        case _F.RELEASE:
            after = Circuit(state, next_epoch, until_ms=now_ms)
        case _F.CLOSE:
            after = Circuit(state, next_epoch)
        case _:
            after = circuit
    return after, effect
