"""The life of an attempt: every state with every event."""

from __future__ import annotations

import pytest

from dd0c.products.route.hotpath.exchange import REFUSALS, TABLE, Effect, Event, State
from dd0c.products.route.models import EndReason

LATE = {Event.TOO_DEAR, Event.TERMINAL_AHEAD, Event.CAUGHT_UP}  # of DRAINING and LAGGING
PERMISSION = {Event.PERMITTED, Event.REFUSED, Event.UNPAID}  # of RESERVING and HALTED
IMPOSSIBLE = {
    State.RESERVING: set(Event)
    - {Event.PERMITTED, Event.REFUSED, Event.CLIENT_GONE, Event.CUT},  # nothing was begun
    State.CONNECTING: {
        *LATE,
        *PERMISSION,
        Event.LEFT_TO_DRAIN,  # nothing was sent
        Event.STALE,  # no connection yet, so no answer either
        Event.HEAD_TO_HOLD,
        Event.HEAD_TO_RELAY,
        Event.TOO_LARGE_TO_HOLD,
        Event.TERMINAL,
        Event.TERMINAL_ERROR,
        Event.END,
        Event.ERROR_END,
        Event.BROKEN_OFF,
        Event.REDIRECTED,
        Event.UNREADABLE,
    },
    State.WAITING: {
        *LATE,
        *PERMISSION,
        Event.CONNECTED,  # it is
        Event.NOT_CONNECTED,
        Event.TOO_LARGE_TO_HOLD,  # no head yet
        Event.TERMINAL,
        Event.TERMINAL_ERROR,
        Event.END,
        Event.ERROR_END,
    },
    State.HOLDING: {
        *LATE,
        *PERMISSION,
        Event.CONNECTED,
        Event.NOT_CONNECTED,
        Event.STALE,  # bytes of an answer came
        Event.HEAD_TO_HOLD,
        Event.HEAD_TO_RELAY,
        Event.TERMINAL,  # only streams have one
        Event.TERMINAL_ERROR,
        Event.REDIRECTED,  # the head came before
        Event.UNREADABLE,
    },
    State.RELAYING: {
        *(PERMISSION - {Event.UNPAID}),
        Event.TOO_DEAR,
        Event.CAUGHT_UP,
        Event.CONNECTED,
        Event.NOT_CONNECTED,
        Event.STALE,
        Event.HEAD_TO_HOLD,
        Event.HEAD_TO_RELAY,
        Event.TOO_LARGE_TO_HOLD,
        Event.ERROR_END,  # an error with its own status is always held
        Event.REDIRECTED,
        Event.UNREADABLE,
    },
    State.HALTED: set(Event)
    - {
        *(Event.PERMITTED, Event.REFUSED, Event.CLIENT_GONE, Event.CUT),
        *(Event.BROKEN_OFF, Event.SILENT),
    },  # what else the provider says is heard when what came before has passed
    State.DRAINING: {
        *PERMISSION,
        Event.CONNECTED,
        Event.NOT_CONNECTED,
        Event.CLIENT_GONE,  # it is
        Event.LEFT_TO_DRAIN,
        Event.CAUGHT_UP,
    },
    State.LAGGING: set(Event) - {Event.CAUGHT_UP, Event.CLIENT_GONE, Event.CUT},  # no provider
    State.FINISHING: {
        *LATE,
        *PERMISSION,
        Event.LEFT_TO_DRAIN,
        Event.CONNECTED,
        Event.NOT_CONNECTED,
        Event.STALE,
        Event.HEAD_TO_HOLD,
        Event.HEAD_TO_RELAY,
        Event.TOO_LARGE_TO_HOLD,
        Event.TERMINAL,
        Event.TERMINAL_ERROR,
        Event.ERROR_END,
        Event.REDIRECTED,
        Event.UNREADABLE,
    },
    State.ENDED: set(),
}
NOBODY = (
    State.RESERVING,
    State.DRAINING,
    State.FINISHING,
    State.ENDED,
)  # to leave, or nothing left to book
PAIRS = [(state, event) for state in State for event in Event]
STEPS = [(state, event) for state in State for event in TABLE[state]]


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair_is_decided(state: State, event: Event) -> None:
    """Each pair of state and event has a step or is listed as impossible with a reason (R-30)."""
    assert (event in TABLE[state]) != (event in IMPOSSIBLE[state])


@pytest.mark.parametrize(("state", "event"), STEPS)
def test_an_attempt_is_booked_exactly_once(state: State, event: Event) -> None:
    """Each way out of the open states books, and nothing books after that (R-15)."""
    step = TABLE[state][event]
    open_before = State.RESERVING < state < State.FINISHING
    open_after = step.state < State.FINISHING
    retried = Effect.RETRY in step.effects
    books = step.effects.count(Effect.BOOK)
    assert books == (1 if open_before and (not open_after or retried) else 0)
    assert (step.end_reason is not None) == bool(books)


@pytest.mark.parametrize(("state", "event"), STEPS)
def test_the_record_precedes_the_last_byte(state: State, event: Event) -> None:
    """Whatever completes an answer to the caller comes after the close record (R-15)."""
    effects = TABLE[state][event].effects
    if state is State.RESERVING:
        return  # nothing was opened
    last = {Effect.ANSWER, Effect.TAIL, Effect.REFUSE, Effect.BREAK_OFF} & set(effects)
    for effect in last:
        assert effects.index(Effect.BOOK) < effects.index(effect)


@pytest.mark.parametrize(("state", "event"), STEPS)
def test_every_caller_gets_exactly_one_end(state: State, event: Event) -> None:
    """An attempt that ends lets the caller go on in exactly one way, or the caller has left."""
    step = TABLE[state][event]
    if state is State.ENDED or step.state is not State.ENDED:
        return
    ends = {Effect.FINISH, Effect.REFUSE, Effect.BREAK_OFF, Effect.DENY} & set(step.effects)
    alone = event is Event.CLIENT_GONE or state is State.DRAINING
    assert len(ends) == (0 if alone else 1)


@pytest.mark.parametrize("state", [s for s in TABLE if s not in NOBODY])
def test_a_caller_that_leaves_ends_the_upstream_first(state: State) -> None:
    """The provider's connection is dropped before anything else is done (R-13)."""
    step = TABLE[state][Event.CLIENT_GONE]
    first, *others = step.effects
    assert first is Effect.DROP
    assert set(others) - {Effect.WITHDRAW} == {Effect.BOOK}
    assert step.end_reason is EndReason.CLIENT_GONE


@pytest.mark.parametrize(("state", "event"), STEPS)
def test_every_refusal_has_its_words(state: State, event: Event) -> None:
    """An error that the caller gets has a status and says what to do (R-4)."""
    if event is Event.REFUSED:
        return  # by a rule, which it names
    if {Effect.REFUSE, Effect.BREAK_OFF} & set(TABLE[state][event].effects):
        assert REFUSALS[event].status >= 500
        assert "ry again" in REFUSALS[event].message
