"""Reading a provider's answer while it passes: model, usage, and where a stream ends. No I/O.

`Reading` gathers what the ledger needs from a whole answer or from events. `Stream` says of each
chunk what may go to the caller now, what must wait for the close record (the terminal event and
what follows it), and leaves out a usage chunk that exists only because we asked for it. Every other
byte passes as it came. Most chunks hold nothing of interest and are not even split.

A count that was told before the answer was complete is not the count of it. Anthropic's first one
is provisional until another comes; in OpenAI's chunks a count holds as long as nothing more was
produced after it. Of a count that does not hold the input is kept, the output is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from dd0c.products.route.hotpath import formats, said, sse, usage
from dd0c.products.route.models import NO_USAGE, Dialect, Endpoint, Usage

TAIL_BYTES = 16 * 1024  # usage stands in the last bytes of every answer that we know
HEAD_BYTES = 256  # an event says in its first bytes what it is

_ENDS = {  # of a response: whether it has failed
    b"response.completed": False,
    b"response.incomplete": False,
    b"response.failed": True,
    b"error": True,
}
_MARKS = {
    Endpoint.MESSAGES: (b"message_", b'"error"', b"event: error"),
    Endpoint.RESPONSES: (
        *(b"response.completed", b"response.incomplete", b"response.failed"),
        *(b'"error"', b"event: error", b"[DONE]"),
    ),
}
_CHUNK_MARKS = (b'"usage"', b"[DONE]", b'"error"')
_NO_USAGE, _NO_USAGE_BLANKED = b'"usage":null', b'"     ":null'  # in all chunks of OpenAI but one


class Reading:
    """What an answer said about itself. `final`: the last word on usage was heard.

    `provider` is its name in the price list. `wrong`: the field for which usage is not believed.
    """

    def __init__(self, dialect: Dialect, endpoint: str, provider: str = ""):
        self.dialect = dialect
        self.endpoint = endpoint
        self.provider = provider
        self.model: str | None = None
        self.service_tier: str | None = None
        self.usage_raw: bytes | None = None
        self.final = False
        self.overtaken = False
        self.wrong: str | None = None

    @property
    def flaw(self) -> str | None:
        """What is wrong with the answer though it arrived, as a code for the ledger."""
        return None if self.wrong is None else f"bad_usage_{self.wrong}"

    def whole(self, body: bytes) -> None:
        """Read an answer that is complete."""
        if self.dialect is Dialect.ANTHROPIC:
            message = said.find_anthropic(body)
            if message is not None:
                self.name(message.model)
                self.tell(said.present(message.usage), final=True)
            return
        self._take(said.find_openai(body))

    def tail(self, tail: bytes) -> None:
        """Read the last bytes of an answer that was too large to hold."""
        self._take(said.find_in_tail(tail, b"{"))

    def tail_of_event(self, tail: bytes) -> None:
        """Read the last bytes of an event with a whole response that was too large to hold."""
        found = said.find_in_tail(tail, b'{"response":{')
        self._take(said.find_openai(found.response) if found is not None else None)

    def name(self, model: Any, service_tier: Any = None) -> None:
        """What the answer calls its model and tier, where it does."""
        if model and isinstance(model, str):
            self.model = model
        if service_tier and isinstance(service_tier, str):
            self.service_tier = service_tier

    def tell(self, raw: bytes | None, *, final: bool) -> None:
        """A usage object has come; a later one replaces it, or with Anthropic completes it."""
        if raw is None:
            return
        if self.dialect is Dialect.ANTHROPIC and self.usage_raw is not None:
            raw = usage.overlay(self.usage_raw, raw)
        self.usage_raw = raw
        self.final = final
        self.overtaken = False

    def overtake(self) -> None:
        """More was produced after the usage was told."""
        self.final = False
        self.overtaken = True

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
        """The tokens used, as far as the answer said it; notes the tier that is said beside them,
        and what is wrong with them."""
        if self.usage_raw is None:
            return NO_USAGE
        provisional = self.overtaken
        if self.dialect is Dialect.ANTHROPIC:
            form, provisional = formats.ANTHROPIC, not self.final
        elif self.endpoint == Endpoint.EMBEDDINGS:
            form = formats.EMBEDDINGS
        else:
            form = formats.OPENAI
        counted = usage.read(self.usage_raw, form, self.provider)
        self.wrong = counted.wrong
        self.service_tier = counted.tier or self.service_tier
        return usage.without_output(counted.usage) if provisional else counted.usage

    def _take(self, found: said.OpenAI | None) -> None:
        if found is not None:
            self.name(found.model, found.service_tier)
            self.tell(said.find_usage(found), final=True)


class Passage(msgspec.Struct, frozen=True, gc=False):
    """What a chunk lets pass. `held` (from the terminal event on) waits for the close record."""

    forward: bytes
    held: bytes = b""
    ended: bool = False
    failed: bool = False


class _Large(NamedTuple):
    """An event too large to hold, as far as it came: its end, and whether it ends the stream, and
    how."""

    tail: bytes
    failed: bool | None


class Stream:
    """Feeds on a stream's chunks and tells what passes."""

    __slots__ = ("_alert", "_events", "_judge", "_large", "_marks", "_reading", "_strip_usage")

    def __init__(self, dialect: Dialect, reading: Reading, *, strip_usage: bool):
        self._reading = reading
        self._strip_usage = strip_usage
        self._events = sse.Events()
        self._large: _Large | None = None
        self._alert = True  # every event is looked at
        if dialect is Dialect.ANTHROPIC:
            self._judge, self._marks = self._message, _MARKS[Endpoint.MESSAGES]
        elif reading.endpoint == Endpoint.RESPONSES:
            self._judge, self._marks = self._response, _MARKS[Endpoint.RESPONSES]
        else:
            self._judge, self._marks = self._chunk, _CHUNK_MARKS

    @property
    def in_event(self) -> bool:
        """Whether the caller has a part of an unfinished event."""
        return self._events.overlong

    def feed(self, chunk: bytes) -> Passage:
        """What passes now that this chunk came."""
        run = self._events.feed(chunk)
        if self._events.overlong or self._large is not None:
            return self._pass_large(run)
        return self._examine(run)

    def end(self) -> Passage:
        """What is left when the provider's message is over: an event that was not closed."""
        rest = self._events.rest()
        return self._examine(rest) if rest.strip() else Passage(rest)

    def _examine(self, run: bytes) -> Passage:
        """Look at those events of a run, one by one, that may have more to say than text."""
        at = 0 if self._alert else self._quiet(run, 0)
        if at == len(run):
            return Passage(run)
        passed, reading = [run[:at]], self._reading
        while at < len(run):
            end = sse.end_of_event(run, at)
            raw = run[at:end]
            verdict = self._judge(sse.read(raw))
            if verdict in ("terminal", "failed"):
                return Passage(b"".join(passed), run[at:], True, verdict == "failed")
            if verdict == "pass":
                passed.append(raw)
            # A count is the last word until more is produced, which any event may tell.
            chunks, alert = self._marks is _CHUNK_MARKS, self._alert
            self._alert = reading.model is None or (chunks and reading.usage_raw is not None)
            at = self._quiet(run, end) if alert and not self._alert else end
            passed.append(run[end:at])
        return Passage(b"".join(passed))

    def _quiet(self, run: bytes, start: int) -> int:
        """Where in a run, from the start of an event on, the first event begins that may have more
        to say than text; its end if there is none."""
        told = run.replace(_NO_USAGE, _NO_USAGE_BLANKED) if self._marks is _CHUNK_MARKS else run
        first = len(run)
        for mark in self._marks:
            place = told.find(mark, start, first)
            if place >= 0:
                first = place
        if first == len(run):
            return first
        border = run.rfind(b"\n\n", start, first)
        return border + 2 if border >= 0 else start  # with other line ends, all are looked at

    def _pass_large(self, run: bytes) -> Passage:
        """An event too large to hold passes in pieces; the last one waits if it ends the stream."""
        large = self._large or _Large(b"", self._ends_with(run[:HEAD_BYTES]))
        first, *_ = [run] if self._events.overlong else sse.split(run)
        self._large = large = large._replace(tail=(large.tail + first)[-TAIL_BYTES:])
        if self._events.overlong:
            return Passage(run)
        self._large = None
        if large.failed is None:
            return self._examine(run)
        self._reading.tail_of_event(large.tail)
        return Passage(b"", run, True, large.failed)

    def _ends_with(self, head: bytes) -> bool | None:
        """Whether a response has failed with the event that begins so; None: it goes on."""
        if self._judge != self._response:
            return None
        return next((failed for mark, failed in _ENDS.items() if b'"%b"' % mark in head), None)

    def _chunk(self, event: sse.Event) -> str:
        """A chunk of a chat or of a completion."""
        if event.data.strip() == b"[DONE]":
            return "terminal"
        found = said.find_openai(event.data)
        if found is None:
            return "pass"
        reading = self._reading
        reading.name(found.model, found.service_tier)
        raw = said.find_usage(found)
        if raw is not None or reading.usage_raw is not None:
            produced, ended = said.look_at(found.choices)
            if raw is not None:
                reading.tell(raw, final=ended)
            elif produced:
                reading.overtake()
        if said.present(found.error) is not None:
            return "failed"
        if self._strip_usage and said.present(found.usage) and said.is_empty(found.choices):
            return "drop"
        return "pass"

    def _response(self, event: sse.Event) -> str:
        """An event of a response."""
        if event.data.strip() == b"[DONE]":
            return "terminal"
        found = said.find_openai(event.data)
        if found is None:
            return "pass"
        kind = found.type.encode() if isinstance(found.type, str) else event.name
        inner = said.find_openai(found.response) if said.present(found.response) else None
        if inner is not None:
            self._reading.name(inner.model, inner.service_tier)
        failed = True if said.present(found.error) else _ENDS.get(kind)
        if failed is None:
            return "pass"
        if inner is not None:
            self._reading.tell(said.find_usage(inner), final=True)
        return "failed" if failed else "terminal"

    def _message(self, event: sse.Event) -> str:
        """An event of a message."""
        if event.name == b"message_stop":
            return "terminal"
        found = said.find_anthropic(event.data)
        if found is None:
            return "pass"
        if event.name == b"error" or found.type == "error":
            return "failed"
        if found.type == "message_stop":
            return "terminal"
        inner = said.find_anthropic(found.message) if said.present(found.message) else None
        if inner is not None:
            self._reading.name(inner.model)
        raw = said.present((inner or found).usage)
        self._reading.tell(raw, final=found.type == "message_delta")
        return "pass"
