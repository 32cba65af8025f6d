"""Reading a provider's answer while it passes: model, usage, and where a stream ends. No I/O.

`Reading` gathers what the ledger needs from a whole answer or from events. `Stream` says of each
chunk what may go to the caller now, what must wait for the close record (the terminal event and
what follows it), and leaves out a usage chunk that exists only because we asked for it. Every other
byte passes as it came. Most chunks hold nothing of interest and are not even split.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dd0c.products.route.hotpath import sse, usage
from dd0c.products.route.hotpath.usage import Said
from dd0c.products.route.models import NO_USAGE, Dialect, Usage

TAIL_BYTES = 16 * 1024  # usage stands in the last bytes of every answer that we know

_OPENAI_MARKS = (b'"usage"', b"[DONE]", b'"error"')
_ANTHROPIC_MARKS = (b"message_", b'"error"', b"event: error")


class Reading(msgspec.Struct):
    """What an answer said about itself. `final`: the last word on usage was heard."""

    dialect: Dialect
    endpoint: str
    model: str | None = None
    service_tier: str | None = None
    usage_raw: bytes | None = None
    final: bool = False

    def whole(self, body: bytes) -> None:
        """Read an answer that is complete."""
        self._take(usage.find_said(body), final=True)

    def tail(self, tail: bytes) -> None:
        """Read the last bytes of an answer that was too large to hold."""
        self._take(usage.find_in_tail(tail), final=True)

    def event(self, found: Said) -> None:
        """Read one event of a stream."""
        if self.dialect is Dialect.ANTHROPIC:
            self._take(found.message or found, final=found.type == "message_delta")
        else:
            told = usage.present(found.usage) is not None
            self._take(found, final=told and usage.is_last_chunk(found.choices))

    def mask(self, scrub: Callable[[bytes], bytes]) -> None:
        """Take out what the provider may have repeated of its secret: all of this is kept."""
        model, tier, raw = self.model or "", self.service_tier or "", self.usage_raw or b""
        kept = b"\n".join((model.encode(), tier.encode(), raw))
        if scrub(kept) == kept:  # one look at all of it: nearly always the end
            return
        self.model = scrub(model.encode()).decode() or None
        self.service_tier = scrub(tier.encode()).decode() or None
        self.usage_raw = scrub(raw) or None

    def usage(self) -> Usage:
        """The tokens used, as far as the answer said it."""
        if self.usage_raw is None:
            return NO_USAGE
        if self.dialect is Dialect.ANTHROPIC:
            return usage.of_anthropic(self.usage_raw)[0]
        return usage.of_openai(self.usage_raw, self.endpoint)

    def _take(self, found: Said | None, *, final: bool) -> None:
        if found is None:
            return
        if found.model:
            self.model = found.model
        if found.service_tier:
            self.service_tier = found.service_tier
        raw = usage.present(found.usage)
        if raw is None:
            return
        if self.dialect is Dialect.ANTHROPIC:
            try:
                raw = usage.merge_anthropic(self.usage_raw, raw, final=final)
            except msgspec.DecodeError:
                return
            self.service_tier = usage.of_anthropic(raw)[1] or self.service_tier
        self.usage_raw = raw
        self.final = final


class Passage(msgspec.Struct, frozen=True, gc=False):
    """What a chunk lets pass. `held` (from the terminal event on) waits for the close record."""

    forward: bytes
    held: bytes = b""
    ended: bool = False
    failed: bool = False


class Stream:
    """Feeds on a stream's chunks and tells what passes."""

    __slots__ = ("_events", "_judge", "_marks", "_reading", "_strip_usage")

    def __init__(self, dialect: Dialect, reading: Reading, *, strip_usage: bool):
        self._reading = reading
        self._strip_usage = strip_usage
        self._events = sse.Events()
        anthropic = dialect is Dialect.ANTHROPIC
        self._marks = _ANTHROPIC_MARKS if anthropic else _OPENAI_MARKS
        self._judge = self._anthropic if anthropic else self._openai

    @property
    def in_event(self) -> bool:
        """Whether the caller has a part of an unfinished event."""
        return self._events.overlong

    def feed(self, chunk: bytes) -> Passage:
        """What passes now that this chunk came."""
        run = self._events.feed(chunk)
        if self._reading.model is not None and not any(mark in run for mark in self._marks):
            return Passage(run)
        return self._examine(run)

    def end(self) -> Passage:
        """What is left when the provider's message is over: an event that was not closed."""
        rest = self._events.rest()
        return self._examine(rest) if rest.strip() else Passage(rest)

    def _examine(self, run: bytes) -> Passage:
        passed: list[bytes] = []
        events = sse.split(run) or [run]
        for index, raw in enumerate(events):
            event = sse.read(raw)
            verdict = self._judge(event)
            if verdict in ("terminal", "failed"):
                held = b"".join(events[index:])
                return Passage(b"".join(passed), held, True, verdict == "failed")
            if verdict == "pass":
                passed.append(raw)
        return Passage(b"".join(passed))

    def _openai(self, event: sse.Event) -> str:
        if event.data.strip() == b"[DONE]":
            return "terminal"
        found = usage.find_said(event.data)
        if found is None:
            return "pass"
        self._reading.event(found)
        if usage.present(found.error) is not None:
            return "failed"
        if self._strip_usage and usage.present(found.usage) and usage.is_empty(found.choices):
            return "drop"
        return "pass"

    def _anthropic(self, event: sse.Event) -> str:
        if event.name == b"message_stop":
            return "terminal"
        found = usage.find_said(event.data)
        if found is None:
            return "pass"
        if event.name == b"error" or found.type == "error":
            return "failed"
        if found.type == "message_stop":
            return "terminal"
        self._reading.event(found)
        return "pass"
