"""One request on its way through: does what the table of `exchange` says, attempt by attempt.

Everything runs in callbacks of the caller's connection and of the provider's; there is no task and
no await. What keeps the ledger true is order: the open record is written before anything is sent
(`_begin`), the close record (`_book`) before the last bytes go to the caller (`_answer`, `_tail`).

Where the provider has not told what an answer used, or its caller left, tokens are counted first
(`_ask`): then booking and what follows it wait for that, two seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dd0c.base.errors import Unavailable
from dd0c.base.process import crash_point
from dd0c.products.route.hotpath import (
    circuits,
    coding,
    dialects,
    exchange,
    fare,
    heads,
    spool,
    sse,
)
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.answers import TAIL_BYTES, Passage, Reading, Stream
from dd0c.products.route.hotpath.bill import Bill
from dd0c.products.route.hotpath.delivery import Delivery
from dd0c.products.route.hotpath.denials import STORE_AWAY
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.exchange import Effect, Event, State
from dd0c.products.route.hotpath.holds import Hold
from dd0c.products.route.hotpath.identity import Identity
from dd0c.products.route.hotpath.journal import UNBOOKABLE
from dd0c.products.route.hotpath.meter import Meter
from dd0c.products.route.hotpath.outlet import Outlet
from dd0c.products.route.hotpath.received import Received
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.snapshot import Counted
from dd0c.products.route.models import EndReason

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.plane import DataPlane
    from dd0c.products.route.hotpath.server import Caller
    from dd0c.products.route.hotpath.upstream import Connection

HOLD_BYTES_MAX = 1024 * 1024
ATTEMPTS_MAX = 2
CUT_SHORT = (EndReason.CLIENT_GONE, EndReason.LIMIT)  # less may be delivered than came

Act = Callable[["Relay", Event], None]


class Relay:
    """Carries one request to a provider and the answer back."""

    def __init__(
        self, plane: DataPlane, caller: Caller, request: Request, plan: Plan, who: Identity
    ):
        assert request.head.route is not None
        assert request.head.entry is not None
        self._plane = plane
        self._caller = caller
        self._request = request
        self._plan = plan
        self._route = request.head.route
        self._entry = request.head.entry
        self._who = who
        self.request_id = who.text
        self._state = State.RESERVING
        self._attempt = 1
        self._meter = Meter(who, 1, who.begun_us)
        self._got = self._nothing_received()
        self._epoch = circuits.UNTIMELY
        self._out = Outlet(caller)
        self._hold: Hold | None = None
        self._denial: Refusal | None = None
        self._connection: Connection | None = None
        self._recorded = False
        self._end: EndReason | None = None
        self._bill: Bill | None = None
        self._awaiting: Sequence[Act] | None = None  # what follows a count that is asked for
        self._later: Sequence[Event] = ()  # what happened meanwhile
        self._unpaid: Sequence[Passage] = ()
        self._upstream = False  # the organisation pays for what the provider made
        self._drain_pico: int | None = None

    def take_over(self, hold: Hold | None, begun_ns: int, connection: Connection | None) -> None:
        """Go on with what an express has sent; without a connection its answer is there."""
        self._hold, self._connection = hold, connection
        self._meter.begun_ns = begun_ns
        self._epoch = self._plan.target.circuit.epoch_of(begun_ns)
        self._recorded = self._got.sent = True
        self._state = State.WAITING
        if connection is not None:
            connection.hand_over(self)

    # -- the caller's side

    def start(self) -> None:
        """Begin the first attempt as soon as limits and budgets permit it."""
        held = self._plane.purse.hold(self, self._who.id, self._request, self._plan)
        if isinstance(held, Refusal):
            self.refused(held)
            return
        self._hold = held
        if held is None or not held.waits:
            self.permitted()

    def permitted(self) -> None:
        """All that the request may cost is held (`purse.Holder`)."""
        self._on(Event.PERMITTED)

    def refused(self, refusal: Refusal) -> None:
        """It will not be."""
        self._denial = refusal
        self._on(Event.REFUSED)

    def caller_gone(self, acked: int) -> None:
        """The caller has left, with so many bytes of its connection."""
        self._out.left = True
        if self._awaiting is not None:
            self._awaiting, self._later, self._state = (), (), State.ENDED
            self._drop(Event.CLIENT_GONE)
            return
        if self._got.delivery is not None:
            self._got.delivery.abandon(acked)
        self._on(self._farewell())

    def caller_caught_up(self) -> None:
        """The caller took what it was sent."""
        self._on(Event.CAUGHT_UP)

    @property
    def head_sent(self) -> bool:
        """Whether the caller has got anything."""
        return self._out.begun

    @property
    def over(self) -> bool:
        """Whether nothing more can come of it (`circuits.Passenger`)."""
        return self._state is State.ENDED

    @property
    def lagging(self) -> bool:
        """Whether the end waits until the caller has caught up."""
        return self._state is State.LAGGING

    def cut(self) -> None:
        """End it now: the worker stops."""
        self._on(Event.CUT)

    def pause(self) -> None:
        """The caller reads slowly: let the provider wait."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """The caller has caught up."""
        if self._connection is not None and self._state is not State.HALTED:
            self._connection.resume()

    def probe(self) -> bytes:
        """Bytes that mean nothing to a caller, but make a closed socket say so; b"" if none can
        be sent now."""
        if not self._out.begun:
            return b"" if self._request.head.old else b"HTTP/1.1 100 Continue\r\n\r\n"
        if self._got.stream is None or self._got.stream.in_event:
            return b""
        return self._out.framed(b":\n\n")

    # -- the provider's side (`upstream.Attempt`)

    def connected(self, connection: Connection) -> None:
        """The connection asked for is there."""
        if self._state is not State.CONNECTING:
            self._plane.pool.give(connection)  # the caller left meanwhile
            return
        self._connection = connection
        self._on(Event.CONNECTED)

    def not_connected(self, *, timeout: bool) -> None:
        """No connection could be made."""
        self._on(Event.SILENT if timeout else Event.NOT_CONNECTED)

    def head(self, status: int, lines: list[bytes], said: dict[bytes, bytes]) -> None:
        """The head of the answer: a stream of events is relayed, all else is held."""
        self._meter.first_byte_us = self._meter.elapsed_us()
        got = self._got
        got.status, got.lines, got.said = status, lines, said
        self._plan.target.circuit.answered(self._epoch, status)
        if 300 <= status < 400:
            self._on(Event.REDIRECTED)
            return
        if said.get(b"content-encoding", b"") not in coding.READABLE:
            self._on(Event.UNREADABLE)
            return
        kind = said.get(b"content-type", b"")
        if status != 200 or not kind.lower().startswith(b"text/event-stream"):
            self._on(Event.HEAD_TO_HOLD)
            return
        got.stream = Stream(self._route.dialect, got.reading, strip_usage=self._plan.strip_usage)
        got.delivery = Delivery(self._route.endpoint, self._plane.room)
        self._on(Event.HEAD_TO_RELAY)

    def answered(
        self, status: int, lines: list[bytes], said: dict[bytes, bytes], body: bytes
    ) -> None:
        """The answer is there, all of it; its connection is no longer ours."""
        self._connection = None
        self.head(status, lines, said)
        if self._state is not State.ENDED:
            if body:
                self.data(body)
            self.ended()

    def data(self, chunk: bytes) -> None:
        """A run of the answer's body."""
        got = self._got
        if self._state is State.FINISHING:
            pass  # nothing follows the terminal event
        elif got.stream is not None:
            self._pass(got.stream.feed(chunk))
            if self._out.left and self._is_too_dear():
                self._on(Event.TOO_DEAR)
        elif got.large:
            self._pass_large(chunk)
        else:
            got.hold(chunk)
            if got.held_bytes > HOLD_BYTES_MAX:
                got.large = got.status < 400
                self._on(Event.TOO_LARGE_TO_HOLD if got.large else Event.BROKEN_OFF)
                held = got.gather()
                if got.large:
                    self._pass_large(held)

    def ended(self) -> None:
        """The answer is complete; the connection is no longer ours."""
        self._connection = None
        got = self._got
        got.over = True
        if self._state is State.HALTED or self._state is State.LAGGING:
            return  # until what was kept back has passed, or its caller has caught up
        failed = got.status >= 400
        if self._state is State.FINISHING:
            pass
        elif got.stream is not None:
            over = self._pass(got.stream.end())
            if self._unpaid:
                return
            self._write(got.carry)
            if not over and not got.reading.final:
                self._on(Event.BROKEN_OFF)  # ended politely, but not at the end of the stream
                return
        elif got.large:
            got.reading.tail(got.last)
        else:
            got.body = self._plan.target.scrub(got.gather())
            if not failed:
                got.reading.whole(got.body)
        self._on(Event.ERROR_END if failed else Event.END)

    def lost(self, *, answered: bool) -> None:
        """The connection is gone; `answered`: bytes of an answer had come."""
        kept = self._connection is not None and self._connection.used
        self._connection = None
        again = kept and not answered and self._attempt < ATTEMPTS_MAX
        self._on(Event.STALE if again else Event.BROKEN_OFF)

    def silent(self) -> None:
        """A deadline of the connection has passed."""
        self._on(Event.SILENT)

    # -- a caller that left

    def _farewell(self) -> Event:
        """What its organisation wants done when a caller has left."""
        terms = self._plane.terms.get(self._entry.org)
        if terms is None or terms.disconnect == "abort":
            return Event.CLIENT_GONE
        self._upstream = True
        if terms.disconnect == "drain_up_to_usd":
            self._drain_pico = terms.drain_pico or 0
        if self._state not in exchange.DRAINED or self._is_too_dear():
            return Event.CLIENT_GONE
        self._plane.drains.add(self)
        self.resume()
        return Event.LEFT_TO_DRAIN

    def _is_too_dear(self) -> bool:
        """Whether what came so far may cost more than its organisation pays to read on; an answer
        that comes whole shows its length at the end only."""
        if self._drain_pico is None:
            return False
        _, rate = fare.find(self._plane, self._plan.lane, self._got, self._meter.started_us)
        cost = self._got.likely_cost(rate, self._request.body_bytes)
        return cost is None or cost > self._drain_pico

    # -- what the table asks for

    def _on(self, event: Event) -> None:
        if self._awaiting is not None:
            self._later = *self._later, event
            return
        self._state, end, acts = STEPS[self._state][event]
        if end is not None:
            self._end = end
        if acts:
            self._do(acts, event)

    def _do(self, acts: Sequence[Act], event: Event) -> None:
        try:
            for act in acts:
                if act is _BOOK and self._ask(event):
                    self._awaiting = acts[acts.index(act) + 1 :]
                    return
                act(self, event)
        except Unavailable:
            self._give_up()

    def _begin(self, _: Event) -> None:
        """Open an attempt and send it; only the first one trusts a kept connection."""
        plane = self._plane
        if self._hold is not None:
            self._plan = self._hold.plan
        self._epoch = self._plan.target.circuit.begin(self)
        crash_point("before_open")
        self._open()
        crash_point("after_open")
        origin = self._plan.target.origin
        kept = plane.pool.find_idle(origin) if self._attempt == 1 else None
        if kept is not None:
            self.connected(kept)
        else:
            plane.pool.connect(origin, self)

    def _open(self) -> None:
        reserved_pico = self._hold.reserved if self._hold is not None else None
        record = self._meter.opened(self._request, self._plan, reserved_pico)
        first = self._attempt == 1 and self._denial is None
        self._recorded = self._plane.journal.open(spool.encode(record), record.org, first=first)

    def _send(self, _: Event) -> None:
        assert self._connection is not None
        plan = self._plan
        head = heads.onward(plan.lane.outward, self._request, self._who.trace, plan.length)
        self._got.sent = True
        self._connection.send(self, head, plan.pieces)
        crash_point("after_upstream_send")

    def _drop(self, _: Event) -> None:
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    def _ask(self, event: Event) -> bool:
        """Have counted what the provider did not tell; whether the bill has to wait for it."""
        got, end, counts = self._got, self._end, self._plane.counts
        assert end is not None
        left = end in CUT_SHORT
        got.conclude(end, refused=event is Event.STALE or event is Event.TERMINAL_ERROR)
        if got.free or event is Event.CUT:
            return False
        if got.known and not left:
            if end is EndReason.COMPLETE and counts.sample_due():
                wanted = fare.question(self._plane, self._plan.lane, got)
                counts.learn(wanted, got.text(), got.usage)
            return False
        wanted = fare.question(self._plane, self._plan.lane, got)
        asked = got.question(wanted, self._request.content(), left=left, head_sent=self._out.begun)
        if asked is None:
            return False
        self._meter.stop()
        return counts.ask(asked, partial(self._counted, event))

    def _counted(self, event: Event, counted: Counted | None) -> None:
        """The count has come, or will not: book, and do what had to wait."""
        after, self._awaiting = self._awaiting or (), None
        try:
            self._book(event, counted)
        except Unavailable:
            self._give_up()
        else:
            self._do(after, event)
            while self._later and self._awaiting is None:
                first, *self._later = self._later
                self._on(first)

    def _book(self, event: Event, counted: Counted | None = None) -> None:
        assert self._end is not None
        got = self._got
        told = self._denial or exchange.REFUSALS.get(event)
        status = told.status if told is not None and not self._out.begun else got.status
        if self._end is EndReason.CLIENT_GONE and not self._out.begun:
            status = 0
        target = self._plan.target
        got.reading.mask(target.scrub)
        price, rate = fare.find(self._plane, self._plan.lane, got, self._meter.started_us)
        whole = self._end is EndReason.COMPLETE or (self._end not in CUT_SHORT and self._out.begun)
        self._bill = got.bill(rate, counted, whole=whole, upstream=self._upstream)
        if self._hold is not None and self._state is not State.CONNECTING:
            self._spend(self._hold, self._bill)
        record = self._meter.closed(
            got,
            self._bill,
            self._end,
            final=event is not Event.STALE,
            status=status or None,
            own_id=got.own_id(target),
            error_code=told.code if told is not None else got.reading.flaw,
            bytes_in=self._request.body_bytes,
            bytes_out=self._out.size or len(got.body),
        )
        if got.delivery is not None:
            got.delivery.forget()
            got.delivery = None
        self._plane.drains.discard(self)
        if not got.status:
            target.circuit.unanswered(self._epoch, event)
        crash_point("before_close_record")
        if self._recorded:
            self._plane.journal.close(record, self._entry.org)
        crash_point("after_close_record")
        self._plane.metrics.attempt(target.provider, price, record)

    def _spend(self, hold: Hold, paid: Bill) -> None:
        if self._recorded:
            self._plane.purse.settle(hold, paid.rating.cost_pico, paid.usage)
        else:
            self._plane.purse.release(hold)  # no ledger will ever know of it

    def _nothing_received(self) -> Received:
        endpoint = self._route.endpoint
        whose = self._plan.target.provider.price_provider
        return Received(Reading(self._route.dialect, endpoint, whose), endpoint)

    def _retry(self, event: Event) -> None:
        self._attempt += 1
        self._got = self._nothing_received()
        self._meter = Meter(self._who, self._attempt, self._plane.clock.now_us())
        self._begin(event)

    def _send_head(self, _: Event) -> None:
        framing = b"transfer-encoding: chunked\r\n"
        if self._request.head.old:  # knows no chunks: the end of the connection is the end
            framing, self._request.keep_alive = b"", False
        self._out.begin(self._head(framing), chunked=bool(framing))

    def _answer(self, _: Event) -> None:
        body = self._got.body
        self._out.begin(self._head(b"content-length: %d\r\n" % len(body)) + body, chunked=False)
        self._out.size = len(body)
        crash_point("after_last_byte")

    def _tail(self, _: Event) -> None:
        last = self._got.last
        cost = self._bill.rating.cost_pico if self._bill is not None else None
        if self._got.stream is not None and cost is not None and self._end is EndReason.COMPLETE:
            last = sse.comment(heads.told_cost(cost, self.request_id), last) + last
        self._write(last)
        if self._connection is not None:
            self._connection.hurry()
        crash_point("after_last_byte")

    def _refuse(self, event: Event) -> None:
        self._caller.refuse(exchange.REFUSALS[event], self._request, self.request_id)

    def _break_off(self, event: Event) -> None:
        """Say in the stream what went wrong; an answer without events can only be cut short."""
        if self._got.stream is None:
            self._caller.abort()
            return
        refusal, route = self._denial or exchange.REFUSALS[event], self._route
        told = dialects.error_event(route.dialect, refusal, self.request_id, route.endpoint)
        self._write((b"\n\n" if self._got.stream.in_event else b"") + told)
        self._finish(event)

    def _finish(self, _: Event) -> None:
        self._out.end()
        self._caller.done(self._got.status)

    def _deny(self, _: Event) -> None:
        """Say no. A refusal is an attempt too, the one of number 0; what was said to the caller is
        why it went nowhere."""
        assert self._denial is not None
        if self._denial is not STORE_AWAY:
            self._meter = Meter(self._who, 0, self._plane.clock.now_us())
            self._plan = msgspec.structs.replace(self._plan, reason=self._denial.message)
            self._open()
            record = self._meter.denied(self._denial, self._request.body_bytes)
            if self._recorded:
                self._plane.journal.close(record, self._entry.org)
        self._caller.refuse(self._denial, self._request, self.request_id)

    def _withdraw(self, _: Event) -> None:
        """Wait for permission no more."""
        if self._hold is not None:
            self._plane.purse.withdraw(self, self._hold)
            if self._state is State.ENDED and not self._got.sent:
                self._plane.purse.release(self._hold)

    def _go_on(self, _: Event) -> None:
        """What was kept back is paid for now; what came behind it may not be."""
        self._open()
        unpaid, self._unpaid = self._unpaid, ()
        for passage in unpaid:
            self._pass(passage)
        if self._state is State.RELAYING and not self._caller.slow:
            self.resume()
        if self._got.over and self._state is not State.HALTED:
            self.ended()

    def _give_up(self) -> None:
        """The spool takes no more records: nothing is given that could not be booked."""
        self._state = State.ENDED
        self._drop(Event.CUT)
        if self._hold is not None and not self._out.begun:
            self._plane.purse.release(self._hold)
        if self._out.begun:
            self._caller.abort()
        else:
            self._caller.refuse(UNBOOKABLE, self._request, self.request_id)

    # -- bytes to the caller

    def _pass(self, passage: Passage) -> bool:
        """Give on what passes, as far as money is held for it; whether the stream is over."""
        hold, run = self._hold, passage.forward
        if self._unpaid:
            self._unpaid = [*self._unpaid, passage]
            return passage.ended
        whole = self._got.stream is None or not self._got.stream.in_event
        paid = len(run) if hold is None else hold.covers(run, whole=whole)
        if hold is None or paid == len(run):
            return self._give(passage)
        if self._out.left:
            self._on(Event.TOO_DEAR)
            return passage.ended
        self._give(Passage(run[:paid]))
        self._unpaid = [msgspec.structs.replace(passage, forward=run[paid:])]
        self.pause()
        self._on(Event.UNPAID)
        self._plane.purse.extend(self, hold)
        if not hold.waits:
            self.permitted()
        return passage.ended

    def _give(self, passage: Passage) -> bool:
        ahead = passage.ended and not self._out.left and self._caller.lags()
        if passage.forward:
            self._write(self._got.scrub_run(passage.forward, self._plan.target))
        if passage.ended:
            self._got.last = self._plan.target.scrub(self._got.carry + passage.held)
            self._got.carry = b""
            if passage.failed:
                self._on(Event.TERMINAL_ERROR)
            else:
                self._on(Event.TERMINAL_AHEAD if ahead else Event.TERMINAL)
        return passage.ended

    def _pass_large(self, chunk: bytes) -> None:
        """Keep back the last bytes: they wait for the close record, they hold the usage, and a
        secret that lies across two chunks is whole in them."""
        joined = self._plan.target.scrub(self._got.last + chunk)
        self._write(joined[:-TAIL_BYTES])
        self._got.last = joined[-TAIL_BYTES:]

    def _write(self, data: bytes) -> None:
        self._out.write(data, self._got.delivery)

    def _head(self, framing: bytes) -> bytes:
        got, hold, lane = self._got, self._hold, self._plan.lane
        cost_pico = self._bill.rating.cost_pico if self._bill is not None else None
        lines = got.lines
        if hold is not None and hold.shown:
            lines = [*heads.without_limits(lines), hold.shown]
        return heads.to_caller(
            got.status,
            lane.target.scrub(b"".join(lines)),
            framing + self._caller.connection_line(self._request),
            heads.about_request(self.request_id, lane.about, cost_pico),
        )


_ACTS: dict[Effect, Act] = {effect: getattr(Relay, f"_{effect.name.lower()}") for effect in Effect}
_BOOK = _ACTS[Effect.BOOK]
STEPS = {
    state: {
        event: (step.state, step.end_reason, tuple(_ACTS[effect] for effect in step.effects))
        for event, step in steps.items()
    }
    for state, steps in exchange.TABLE.items()
}
"""The table with what to call in place of its effects: each is a method of that name."""
