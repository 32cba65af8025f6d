"""The straight track: a request whose way is known, and whose answer comes whole in one piece.

That is what most requests are, and each does the same few things: hold what it may cost, write its
open record, go out on a kept connection; then read the usage, settle, write the close record, and
answer. Here they stand in a row, with all that does not differ looked up once for its `Lane`.

Whatever is out of the ordinary is none of our business. Before anything is written `depart` says
so, and a relay begins from the start; afterwards `derail` makes a relay that stands where we are
and knows what to do. So there is one place where cuts, faults, streams, retries, limits that are
nearly reached and answers without usage are dealt with, and it is not this one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dd0c.base.errors import Unavailable
from dd0c.base.process import DRILLED, crash_point
from dd0c.products.route.hotpath import bill, bounds, heads, identity, jsonspan, plain
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.holds import Hold, Seat, tokens_of
from dd0c.products.route.hotpath.journal import UNBOOKABLE
from dd0c.products.route.hotpath.lanes import Lane
from dd0c.products.route.hotpath.relay import Relay
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.models import AttemptClosed, EndReason, UsageSource

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.identity import Identity
    from dd0c.products.route.hotpath.plane import DataPlane
    from dd0c.products.route.hotpath.server import Caller
    from dd0c.products.route.hotpath.stock import Stock
    from dd0c.products.route.hotpath.upstream import Connection

_UNUSED = (0, 0, 0, 0)
_COMPLETE, _PROVIDER = EndReason.COMPLETE, UsageSource.PROVIDER


class Express:
    """One request on its way to the provider and back (`upstream.Attempt`)."""

    __slots__ = (
        *("_begun_ns", "_caller", "_connection", "_given", "_identity", "_lane", "_need", "_plane"),
        *("_request", "_reserved", "_seat", "_stock"),
    )
    _connection: Connection | None
    _identity: Identity

    def __init__(
        self,
        plane: DataPlane,
        caller: Caller,
        request: Request,
        lane: Lane,
        given: dict[str, bytes],
    ):
        self._plane = plane
        self._caller = caller
        self._request = request
        self._lane = lane
        self._given = given
        self._seat: Seat | None = None
        self._stock: Stock | None = None
        self._need = _UNUSED
        self._reserved: int | None = None

    def depart(self) -> bool:
        """Send it; False: something is out of the ordinary, and nothing was done."""
        plane, request, lane = self._plane, self._request, self._lane
        entry, body = request.head.entry, request.content()
        connection = plane.pool.next_idle(lane.target.origin)
        if (
            connection is None
            or entry is None
            or plane.journal.full
            or lane.target.circuit.troubled
        ):
            return False
        self._begun_ns = time.monotonic_ns()
        self._identity = who = identity.draw(plane.entropy, plane.clock.now_us(), None)
        self._seat = seat = plane.purse.seat(lane, request)
        if seat is not None and not self._hold(seat, body):
            return False
        if DRILLED:
            crash_point("before_open")
        opening = lane.opening or lane.make_opening(request)
        frame = opening.frame(who.id, who.begun_us, who.trace.trace_id, self._reserved)
        try:
            booked = plane.journal.open(frame, entry.org, first=False)
        except Unavailable:
            booked = False
        if not booked:
            if self._stock is not None:
                self._stock.settle(self._need, _UNUSED, 0.0)
            return False
        if DRILLED:
            crash_point("after_open")
        self._connection = connection
        plane.pool.take(connection)
        connection.send(self, heads.onward(lane.outward, request, who.trace, len(body)), [body])
        if DRILLED:
            crash_point("after_upstream_send")
        return True

    def _hold(self, seat: Seat, body: bytes) -> bool:
        """Draw from the seat's stock what it may cost."""
        purse, stock = self._plane.purse, seat.stock
        if stock is None or purse.away:
            return False
        if not seat.from_s <= self._identity.begun_us // 1_000_000 < seat.until_s:
            return False
        tokens = pico = 0
        if seat.counts:
            size = bounds.simple(body, self._given, self._lane.endpoint)
            if size is None:
                return False
            most, output, tokens = size
            if seat.budget is not None:
                rates = seat.rates
                if rates is None or not self._lane.holds_at(self._plane, seat.prices):
                    return False
                self._reserved = pico = rates.cost(most, seat.most if output is None else output)
        if not stock.draw(tokens, pico, time.monotonic()):
            return False
        self._stock, self._need = stock, (1, 1, tokens, pico)
        return True

    # -- the provider's side (`upstream.Attempt`)

    def answered(
        self, status: int, lines: list[bytes], said: dict[bytes, bytes], body: bytes
    ) -> None:
        """The answer is there, all of it; its connection is no longer ours."""
        self._connection = None
        if not self._arrive(status, lines, said, body):
            self.derail().answered(status, lines, said, body)

    def head(self, status: int, lines: list[bytes], said: dict[bytes, bytes]) -> None:
        """It comes in pieces."""
        self.derail().head(status, lines, said)

    def data(self, chunk: bytes) -> None:
        """Never comes before a head."""
        self.derail().data(chunk)

    def ended(self) -> None:
        """Never comes before a head."""
        self.derail().ended()

    def lost(self, *, answered: bool) -> None:
        """The connection is gone."""
        self.derail().lost(answered=answered)

    def silent(self) -> None:
        """A deadline of the connection has passed."""
        self.derail().silent()

    def _arrive(
        self, status: int, lines: list[bytes], said: dict[bytes, bytes], body: bytes
    ) -> bool:
        """Settle, book and answer; False: nothing was done, as the answer is no ordinary one."""
        first_byte_ns = time.monotonic_ns()
        plane, lane, target = self._plane, self._lane, self._lane.target
        if status != 200 or b"content-encoding" in said or plane.counts.is_sample_due():
            return False
        if said.get(b"content-type", b"")[:16].lower() != b"application/json" or not body:
            return False
        shown = b"".join(lines)
        both = shown + body
        if target.scrub(both) is not both:
            return False
        if self._seat is not None and self._seat.rated and heads.LIMITS_SAID in said:
            shown = b"".join(heads.without_limits(lines))
        told = plain.read(body, target.provider.price_provider)
        priced = lane.price(plane, told.model) if told is not None else None
        if told is None or priced is None:
            return False
        usage, (price, sheet) = told.usage, priced
        cost_pico = sheet.cost(usage, told.service_tier) if sheet is not None else None
        if sheet is None or cost_pico is None or not self._settle(cost_pico, tokens_of(usage)):
            return False
        tokens = bill.output_tokens(usage)
        own_id = said.get(b"x-request-id") or said.get(b"request-id")
        record = AttemptClosed(
            self._identity.id,
            1,
            True,
            (time.monotonic_ns() - self._begun_ns) // 1000,
            (first_byte_ns - self._begun_ns) // 1000,
            status,
            status,
            _COMPLETE,
            told.model,
            usage,
            _PROVIDER,
            told.raw,
            tokens,
            tokens,
            cost_pico,
            sheet.price_id,
            None,
            own_id[:200].decode("latin-1") if own_id else None,
            told.service_tier,
            None,
            self._request.body_bytes,
            len(body),
            None,
            cost_pico,
            cost_pico,
        )
        self._finish(record, price, shown, body)
        return True

    def _settle(self, cost_pico: int, tokens: int) -> bool:
        """Pay from what is held; False where rules have changed meanwhile."""
        stock, purse, seat = self._stock, self._plane.purse, self._seat
        if seat is None or stock is None:
            return purse.seat(self._lane, self._request) is None
        if seat.table is not purse.rules:
            return False
        used = (1, 0, tokens, cost_pico if self._reserved is not None else 0)
        if not stock.settle(self._need, used, time.monotonic()):
            purse.settle_entries(stock.entries(self._need), stock.kinds, used)
        return True

    def _finish(self, record: AttemptClosed, price: Price, lines: bytes, body: bytes) -> None:
        """Book, and only then give the answer."""
        caller, request, lane = self._caller, self._request, self._lane
        if DRILLED:
            crash_point("before_close_record")
        try:
            assert request.head.entry is not None
            self._plane.journal.close(record, request.head.entry.org)
        except Unavailable:
            caller.refuse(UNBOOKABLE, request, self._identity.text)
            return
        if DRILLED:
            crash_point("after_close_record")
        self._plane.metrics.attempt(lane.target.provider, price, record)
        limits = self._stock.shown() if self._stock is not None else b""
        assert record.cost_pico is not None
        caller.write(
            b"HTTP/1.1 200 OK\r\n%b%bcontent-length: %d\r\n%bx-dd0c-request-id: %b\r\n"
            b"%bx-dd0c-cost-usd: %b\r\n\r\n%b"
            % (
                lines,
                limits,
                len(body),
                caller.connection_line(request),
                self._identity.text.encode(),
                lane.about,
                heads.dollars(record.cost_pico),
                body,
            )
        )
        if DRILLED:
            crash_point("after_last_byte")
        caller.done(200)

    # -- off the track

    def derail(self) -> Relay:
        """A relay that goes on from here."""
        request, lane, who = self._request, self._lane, self._identity
        body = request.content()
        found = jsonspan.spans(body)
        plan = Plan(lane, lane.reason, False, False, [body], len(body), body, found)
        relay = Relay(self._plane, self._caller, request, plan, who)
        hold = None
        if self._seat is not None:
            hold = Hold(request, plan, who.id, self._seat)
            hold.stock, hold.need, hold.reserved = self._stock, self._need, self._reserved
            hold.shown = self._stock.shown() if self._stock is not None else b""
        relay.take_over(hold, self._begun_ns, self._connection)
        self._caller.carried_by(relay)
        return relay
