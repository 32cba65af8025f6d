"""The table of a breaker, all of it (K-61, proofs 13)."""

from __future__ import annotations

import itertools

import pytest

from dd0c.kernel.guard import circuit as circuits
from dd0c.kernel.guard.circuit import TABLE, Circuit, Effect, Event, Rules, State

RULES = Rules(failures=3, rest_ms=100, lease_ms=50, memory_ms=1_000)
RESULTS = (Event.SUCCESS, Event.FAILURE, Event.ABANDONED)
NEW_EPOCH = {Effect.PROBE, Effect.TRIP, Effect.RELEASE, Effect.CLOSE}
LET_THROUGH = {Effect.ADMIT, Effect.PROBE}

PAIRS = list(itertools.product(State, Event))


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair(state: State, event: Event) -> None:
    """K-61: each event has its place in each state, and what follows fits what is done."""
    after, effect = TABLE[state][event]
    asked = event in (Event.ASKED, Event.ASKED_DUE)
    assert asked == (effect in LET_THROUGH | {Effect.REFUSE})
    assert (effect is Effect.ADMIT) == (asked and state is State.CLOSED)
    assert (effect is Effect.PROBE) == (event is Event.ASKED_DUE and state is not State.CLOSED)
    if event is Event.STALE:
        assert (after, effect) == (state, Effect.NOTHING)
    if after is not state:
        assert effect in NEW_EPOCH
    if effect is Effect.PROBE:
        assert after is State.HALF_OPEN
    if after is State.CLOSED and state is not State.CLOSED:
        assert event is Event.SUCCESS  # nothing else closes it
        assert state is State.HALF_OPEN  # and only the probe's


def test_nothing_is_missing() -> None:
    """K-61: there is no state and no event that the table does not know."""
    assert {(state, event) for state, steps in TABLE.items() for event in steps} == set(PAIRS)


def failed(times: int, circuit: Circuit | None = None, now_ms: int = 1) -> Circuit:
    found = circuit or Circuit()
    for _ in range(times):
        found, _ = circuits.hear(found, Event.FAILURE, found.epoch, RULES, now_ms)
    return found


def test_opens_at_the_threshold() -> None:
    """K-61: one failure fewer is not enough, and a success between them starts anew."""
    assert failed(2).state is State.CLOSED
    assert failed(3).state is State.OPEN
    again, _ = circuits.hear(failed(2), Event.SUCCESS, 0, RULES, 1)
    assert failed(2, again).state is State.CLOSED
    assert failed(3, again).state is State.OPEN


def test_old_failures_are_forgotten() -> None:
    """K-61: a failure an hour does not add up to an outage."""
    assert failed(1, failed(2), now_ms=1 + 1_001).failures == 1
    assert failed(1, failed(2), now_ms=1 + 1_000).state is State.OPEN


@pytest.mark.parametrize("outcome", RESULTS)
@pytest.mark.parametrize("state", State)
def test_other_epochs_change_nothing(state: State, outcome: Event) -> None:
    """K-61: a result of another epoch changes nothing, in any state."""
    circuit = Circuit(state, epoch=9, failures=2, failed_ms=1, until_ms=5)
    for epoch in (0, 8, 10):
        after, effect = circuits.hear(circuit, outcome, epoch, RULES, 1)
        assert (after, effect) == (circuit, Effect.NOTHING)


def test_one_probe_with_a_lease() -> None:
    """K-61: after the rest one is let through; another only when the lease is over, and then the
    first one's result is too late."""
    tripped = failed(3, now_ms=1_000)
    assert circuits.ask(tripped, RULES, 1_099)[1] is Effect.REFUSE
    first, effect = circuits.ask(tripped, RULES, 1_100)
    assert effect is Effect.PROBE
    assert circuits.ask(first, RULES, 1_149)[1] is Effect.REFUSE
    second, effect = circuits.ask(first, RULES, 1_150)
    assert effect is Effect.PROBE
    assert circuits.hear(second, Event.SUCCESS, first.epoch, RULES, 1_151) == (
        second,
        Effect.NOTHING,
    )
    closed, _ = circuits.hear(second, Event.SUCCESS, second.epoch, RULES, 1_151)
    assert (closed.state, closed.failures) == (State.CLOSED, 0)


def test_what_becomes_of_the_probe() -> None:
    """K-61: failed, it rests again; given up, the next may try at once."""
    probing, _ = circuits.ask(failed(3, now_ms=1_000), RULES, 1_100)
    again, _ = circuits.hear(probing, Event.FAILURE, probing.epoch, RULES, 1_110)
    assert (again.state, again.until_ms) == (State.OPEN, 1_210)
    given_up, _ = circuits.hear(probing, Event.ABANDONED, probing.epoch, RULES, 1_110)
    assert circuits.ask(given_up, RULES, 1_110)[1] is Effect.PROBE


def test_epochs_only_rise() -> None:
    """K-61: whatever happens, an epoch does not come back, even when the record was lost."""
    for events in itertools.product((Event.ASKED, *RESULTS), repeat=5):
        circuit, before = Circuit(), 0
        for now_ms, event in enumerate(events, 1_000):
            if event is Event.ASKED:
                circuit, effect = circuits.ask(circuit, RULES, now_ms + 10_000)
            else:
                circuit, effect = circuits.hear(circuit, event, circuit.epoch, RULES, now_ms)
            assert (circuit.epoch > before) == (effect in NEW_EPOCH)
            before = circuit.epoch
    lost = failed(3, Circuit(), now_ms=2_000)
    assert lost.epoch > failed(3, Circuit(), now_ms=1_000).epoch
