"""What one process has heard of panics: the last word of each channel about everybody. Pure memory.

An answer is of the time when it was asked for: where its channel was heard meanwhile, through who
presses the brake in this very process, it is old and counts for nothing.

A word stays until the channel that said it says another. To say nothing (the channel is away, or it
lost what it had) is not to say that a panic is over: that is always said in so many words.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dd0c.kernel.autonomy.states import Channel, Panic, State, strictest

Scope = uuid.UUID | None
"""An organisation; None: everywhere."""


@dataclass(frozen=True, slots=True)
class Word:
    """The last that a channel said about somebody."""

    channel: Channel
    scope: Scope
    panic: State


class Brake:
    """The words of all channels. `changed` is called when they come to something else."""

    def __init__(self, changed: Callable[[], None] = lambda: None):
        self.changed = changed
        self.away = set(Channel)  # those that did not answer when they were last asked
        self._words: dict[tuple[Channel, Scope], State] = {}
        self._heard: Counter[Channel] = Counter()

    def asks(self, channel: Channel) -> Callable[[Mapping[Scope, State]], None]:
        """What takes the answer to a question that is asked now."""
        heard = self._heard[channel]

        def answered(said: Mapping[Scope, State]) -> None:
            if self._heard[channel] == heard:
                self.hear(channel, said)

        return answered

    def hear(self, channel: Channel, said: Mapping[Scope, State]) -> None:
        """What a channel says now."""
        self._heard[channel] += 1
        self.away.discard(channel)
        before = self.panics()
        self._words.update({(channel, scope): panic for scope, panic in said.items()})
        if self.panics() != before:
            self.changed()

    def restore(self, words: Iterable[Word]) -> None:
        """What was heard before this process began; what was heard since is newer."""
        self._words = {(w.channel, w.scope): w.panic for w in words} | self._words
        self.changed()

    def of(self, org: uuid.UUID | None) -> State:
        """What holds for an organisation; None: for those without a panic of their own."""
        return strictest(p for (_, scope), p in self._words.items() if scope in (None, org))

    def said_by(self, channel: Channel, org: uuid.UUID) -> State:
        """What a channel says about an organisation."""
        scopes: tuple[Scope, ...] = (None, org)
        return strictest(self._words.get((channel, scope)) for scope in scopes)

    def panics(self) -> dict[Scope, Panic]:
        """All that is on, by whom it was put on for."""
        found: dict[Scope, Panic] = {}
        for (_, scope), panic in self._words.items():
            if panic is not None and found.get(scope) is not Panic.HALT:
                found[scope] = panic
        return found

    def words(self) -> list[Word]:
        """Everything that was said."""
        return [Word(channel, scope, p) for (channel, scope), p in self._words.items()]
