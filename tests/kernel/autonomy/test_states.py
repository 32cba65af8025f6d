"""What begins and ends a panic, and what several channels say together: every pair."""

from __future__ import annotations

import itertools
import uuid

import pytest

from dd0c.kernel.autonomy.brake import Brake, Word
from dd0c.kernel.autonomy.states import TABLE, Channel, Effect, Event, Panic, State, strictest

PASSTHROUGH, HALT = Panic.PASSTHROUGH, Panic.HALT
STATES: tuple[State, ...] = (None, PASSTHROUGH, HALT)
ACME, GLOBEX = uuid.UUID(int=1), uuid.UUID(int=2)
SILENCE = "silence"


def test_every_pair_of_state_and_event_is_decided() -> None:
    """K-63: what is pressed twice is nothing, a press never loosens, an end ends whatever is on."""
    assert TABLE.keys() == set(itertools.product(STATES, Event))
    for (state, event), (after, effect) in TABLE.items():
        if event is Event.END:
            assert after is None
            assert effect is (Effect.NOTHING if state is None else Effect.END)
        else:
            assert after is strictest((state, Panic(event)))
            assert (effect is Effect.BEGIN) == (after is not state)
            assert (effect is Effect.REFUSE) == (state is HALT and event is Event.PASSTHROUGH)


@pytest.mark.parametrize("one", STATES)
@pytest.mark.parametrize("other", STATES)
def test_the_stricter_of_two_words_holds(one: State, other: State) -> None:
    """K-63: halt before passthrough before none, whoever says it and about whom."""
    expected = HALT if HALT in (one, other) else one or other
    for channels in itertools.permutations(Channel, 2):
        for scopes in itertools.product((None, ACME), repeat=2):
            brake = Brake()
            for channel, scope, word in zip(channels, scopes, (one, other), strict=True):
                brake.hear(channel, {scope: word})
            assert brake.of(ACME) is expected


@pytest.mark.parametrize("last", STATES)
@pytest.mark.parametrize("heard", [SILENCE, *STATES])
@pytest.mark.parametrize("others", STATES)
@pytest.mark.parametrize("channel", Channel)
def test_only_who_said_it_takes_it_back(
    last: State, heard: State | str, others: State, channel: Channel
) -> None:
    """K-63: a channel that is away, or has lost what it knew, keeps its last word; and what one
    channel says ends nothing that another said."""
    brake = Brake()
    other = next(one for one in Channel if one is not channel)
    brake.hear(other, {ACME: others})
    brake.hear(channel, {ACME: last})
    if heard is SILENCE:
        brake.away.add(channel)
        brake.hear(channel, {})  # it answers again, and knows nobody
        assert brake.of(ACME) is strictest((last, others))
    else:
        now = None if heard is None else Panic(heard)
        brake.hear(channel, {ACME: now})
        assert brake.of(ACME) is strictest((now, others))
    assert brake.of(GLOBEX) is None


def test_an_answer_is_as_old_as_its_question() -> None:
    """K-63: who asked before the brake was pressed, and hears after it, undoes nothing; another
    channel's word makes no answer old."""
    brake = Brake()
    answered = brake.asks(Channel.DATABASE)
    brake.hear(Channel.CACHE, {GLOBEX: HALT})
    brake.hear(Channel.DATABASE, {ACME: HALT})
    answered({ACME: None})
    assert brake.of(ACME) is HALT
    answered = brake.asks(Channel.DATABASE)
    brake.hear(Channel.CACHE, {GLOBEX: None})
    answered({ACME: None})
    assert brake.panics() == {}


def test_a_change_is_told_once() -> None:
    """K-63: who listens hears of what is new; a word that is repeated is none."""
    told: list[dict[uuid.UUID | None, Panic]] = []
    brake = Brake(lambda: told.append(brake.panics()))
    for _ in range(2):
        brake.hear(Channel.DATABASE, {ACME: HALT})
    brake.hear(Channel.CACHE, {ACME: HALT})
    brake.hear(Channel.DATABASE, {ACME: None})
    brake.hear(Channel.CACHE, {ACME: None, None: PASSTHROUGH})
    assert told == [{ACME: HALT}, {None: PASSTHROUGH}]
    assert brake.of(GLOBEX) is PASSTHROUGH


def test_what_was_heard_since_is_newer_than_what_was_kept() -> None:
    """K-63: words from before a start hold where their channel has said nothing since."""
    brake = Brake()
    brake.hear(Channel.DATABASE, {ACME: None})
    brake.restore([Word(Channel.DATABASE, ACME, HALT), Word(Channel.CACHE, GLOBEX, HALT)])
    assert (brake.of(ACME), brake.of(GLOBEX)) == (None, HALT)
    assert brake.said_by(Channel.CACHE, GLOBEX) is HALT
