"""Permission for requests: what they may cost is held before they are sent (R-16, K-60).

A request that its organisation's rules concern holds a part of each rule's account in the `Book`.
What is there is held at once, without asking anybody; for what is lacking the parent is asked, once
in a turn of the loop for all requests of that turn. Meanwhile the request waits, for `WAIT_S` at
most; how many wait is bounded.

Money is held for the worst case: all that a request may cost. Where the caller sets no bound to the
answer, one is found that the budget affords: an answer that comes whole is bounded by the provider,
a stream gets a first piece and more as its text comes, and is cut when there is no more.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from dd0c.base.telemetry import sample
from dd0c.kernel.guard.windows import window_of
from dd0c.products.route.hotpath import denials, stock
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.allowances import Account, Book, Entry
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.holds import STEP, Hold, Seat
from dd0c.products.route.hotpath.lanes import Lane
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.rules import Rules, Traits
from dd0c.products.route.hotpath.snapshot import (
    Ask,
    Dealings,
    FromWorker,
    Granted,
    Price,
    Recall,
    Rule,
    Short,
    StoreAway,
    Terms,
    Unasked,
    Want,
)
from dd0c.products.route.hotpath.stock import Stock
from dd0c.products.route.models import FREE_ENDPOINTS, Usage

WAIT_S = 5.0  # a parent that takes longer counts as away
PRICE_WAIT_S = 1.0  # for the news of a price that was just asked for
WAITING_MAX = 10_000
TRIES_MAX = 4  # to find what a budget affords
SEATS_MAX = 10_000

FromParent = Granted | Short | Unasked | Recall | StoreAway
PricesOf = Callable[[str, str, bytes], Sequence[Price]]


class Holder(Protocol):
    """Who waits for permission."""

    def permitted(self) -> None:
        """All is held now."""

    def refused(self, refusal: Refusal) -> None:
        """It will not be."""


class _Waiting(NamedTuple):
    holder: Holder
    hold: Hold
    until: float


class Purse:
    """All permission of a worker. Times are on the monotonic clock, which the parent shares."""

    def __init__(
        self,
        tell: Callable[[FromWorker], None],
        call_soon: Callable[[Callable[[], None]], object],
        prices_of: PricesOf,
    ):
        self.away = False
        self._refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._waits = 0
        self._tell = tell
        self._call_soon = call_soon
        self._prices_of = prices_of
        self.rules = Rules()
        self._terms: dict[bytes, Terms] = {}
        self._book = Book()
        self._seats: dict[Traits, Seat] = {}
        self._stocks: list[Stock] = []
        self._waiting: dict[int, _Waiting] = {}  # in the order in which they may end
        self._late: dict[int, list[Account]] = {}  # what nobody waits for any more
        self._priceless: dict[Holder, _Waiting] = {}
        self._unpriced: set[tuple[str, str]] = set()
        self._last_id = 0
        self._asks: list[Ask] = []
        self._recalled: list[int] = []
        self._flushing = False

    # -- what the parent says

    def replace_rules(self, rules: Iterable[Rule], terms: Iterable[Terms]) -> None:
        """All rules and terms of all organisations."""
        self._dissolve(time.monotonic())
        self.rules = Rules(rules)
        self._terms = {one.org: one for one in terms}
        self._book.replace_rules(self.rules.by_id)
        self._seats.clear()

    def ask_again(self) -> None:
        """The parent may be a new one, which does not know who waits."""
        for number, waiting in list(self._waiting.items()):
            self._abandon(number)
            self._ask(waiting)

    def prices_changed(self) -> None:
        """There is news of prices."""
        self._unpriced.clear()
        for waiting in list(self._priceless.values()):
            self._try_again(waiting, last=False)

    def hear(self, message: FromParent) -> None:
        """An answer of the parent, or a word of its own."""
        match message:
            case Granted():
                self._granted(message)
            case Short():
                self._late.pop(message.id, None)
                if (waiting := self._waiting.pop(message.id, None)) is not None:
                    self._short(waiting, message)
            case Unasked():
                self._late.pop(message.id, None)
                if (waiting := self._waiting.pop(message.id, None)) is not None:
                    self._unasked(waiting)
            case Recall():
                now = time.monotonic()
                if message.counters:
                    self._dissolve(now)
                for key in message.counters:
                    self._book.recall(key, now)
                if message.id:
                    self._recalled.append(message.id)
                self._flush_soon()
            case StoreAway():
                self.away = message.away

    # -- what requests want

    def hold(
        self, holder: Holder, request_id: bytes, request: Request, plan: Plan
    ) -> Hold | Refusal | None:
        """What the request holds now, perhaps while it `waits` for the rest, of which the holder
        will hear; None: no rule concerns it."""
        seat = self.seat(plan.lane, request)
        if seat is None:
            return None
        hold = Hold(request, plan, request_id, seat)
        return self._fill(holder, hold) or hold

    def extend(self, holder: Holder, hold: Hold) -> None:
        """Hold money for the text that has come and more; it may have to wait, as in `hold`."""
        assert hold.cover is not None
        hold.leave_stock()
        hold.least, hold.tries = hold.cover.wanted, 0
        self._aim(hold, hold.least + max(STEP, hold.cover.came))
        if hold.lacking() and self._stocks:
            self._dissolve(time.monotonic())
            self._aim(hold, hold.tokens)
        if not hold.lacking():
            self._secure(hold)
        elif self.away:
            self._go_on_unasked(hold)
        else:
            hold.waits = True
            self._ask(_Waiting(holder, hold, time.monotonic() + WAIT_S))

    def withdraw(self, holder: Holder, hold: Hold) -> None:
        """Nobody waits for it any more."""
        hold.waits = False
        self._priceless.pop(holder, None)
        for number, waiting in list(self._waiting.items()):
            if waiting.hold is hold:
                self._abandon(number)

    def release(self, hold: Hold) -> None:
        """Nothing was sent, so nothing is used."""
        self._settle(hold, (0, 0, 0, 0))

    def settle(self, hold: Hold, cost_pico: int | None, usage: Usage) -> None:
        """The request is over and cost this; what is not known stays taken. Called before its close
        record is written, so that the parent mostly hears first of what was used beyond it."""
        if hold.seat.table is not self.rules and cost_pico:
            self._charge_news(hold, cost_pico)
        self._settle(hold, hold.used(cost_pico, usage))

    def sweep(self) -> None:
        """Return what rests, and let nobody wait for ever."""
        now = time.monotonic()
        if self._book.is_due(now):
            self._dissolve(now)
            self._book.sweep(now)
        if self._book.any_leaving:
            self._flush_soon()
        while self._waiting:
            number, waiting = next(iter(self._waiting.items()))
            if waiting.until > now:
                break
            self._abandon(number)
            self._unasked(waiting)
        for waiting in [one for one in self._priceless.values() if one.until <= now]:
            self._try_again(waiting, last=True)

    def counters(self) -> dict[str, float]:
        """What happened since the start, by name with labels."""
        refused = {
            sample("dd0c_route_limit_refusals_total", {"measure": measure, "scope": scope}): number
            for (measure, scope), number in self._refusals.items()
        }
        return {**refused, "dd0c_route_limit_waits_total": self._waits}

    # -- how much

    def seat(self, lane: Lane, request: Request) -> Seat | None:
        """Where requests of a lane sit; None: no rule concerns them."""
        if lane.table is not self.rules:
            lane.table, lane.seat = self.rules, self._find_seat(lane, request)
        return lane.seat

    def _find_seat(self, lane: Lane, request: Request) -> Seat | None:
        entry = request.head.entry
        assert entry is not None
        if not self.rules.concern(entry.org) or lane.endpoint in FREE_ENDPOINTS:
            return None
        traits = Traits(
            entry.key_id, entry.team, lane.requested_model, lane.model, request.head.tags
        )
        seat = self._seats.get(traits)
        if seat is None:
            if len(self._seats) >= SEATS_MAX:
                self._seats.clear()
            seat = Seat(self.rules.match(entry.org, traits), self.rules)
            self._seats[traits] = seat
        return seat if seat.rules else None

    def _renew(self, seat: Seat, at_s: int) -> None:
        """Find the accounts of the windows of a moment."""
        self._dissolve(time.monotonic())
        seat.stock = None
        seat.accounts = [self._open(rule, at_s) for rule in seat.rules]
        seat.rated = [account for account in seat.accounts if account.rate]
        seat.from_s = max(account.from_s for account in seat.accounts)
        seat.until_s = min(account.until_s for account in seat.accounts)
        seat.version = self._book.version

    def _open(self, rule: Rule, at_s: int) -> Account:
        if rule.measure != "usd":
            return self._book.open(rule, 0, None)
        window = window_of(rule.window, at_s, ZoneInfo(rule.time_zone))
        return self._book.open(rule, window.from_s, window.until_s)

    def _fill(self, holder: Holder, hold: Hold) -> Refusal | None:
        """Hold what is there of what is needed, and ask for the rest."""
        seat, at_s = hold.seat, hold.at_s
        if self.away and self._closed(hold.org):
            return denials.STORE_AWAY
        tokens = pico = 0
        if seat.counts:
            limits = hold.measure()
            tokens = limits.estimate
            if seat.budget is not None:
                target, model = hold.plan.target, hold.plan.sent_model
                prices = self._prices_of(target.provider.price_provider, model, hold.org)
                if not hold.price(limits, prices):
                    if self._wait_for_price(holder, hold):
                        return None
                    return self._count(seat.budget, denials.no_price(seat.budget, model))
                pico = hold.cost(hold.tokens)
        if seat.version != self._book.version or not seat.from_s <= at_s < seat.until_s:
            self._renew(seat, at_s)
        now = time.monotonic()
        hold.need = (1, 1, tokens, pico)
        if seat.stock is not None and seat.stock.draw(tokens, pico, now):
            hold.stock = seat.stock
            self._secure(hold)
            return None
        amounts = [hold.need[kind] for kind in seat.kinds]
        if self._stocks and not all(map(int.__ge__, [one.free for one in seat.accounts], amounts)):
            self._dissolve(now)
        hold.entries = self._book.reserve(seat.accounts, amounts, now)
        if not hold.lacking():
            self._secure(hold)
            self._stock_up(hold, now)
        elif self.away:
            self._go_on_unasked(hold)
        elif len(self._waiting) + len(self._late) >= WAITING_MAX:
            self.release(hold)
            return denials.STORE_AWAY
        else:
            hold.waits = True
            self._ask(_Waiting(holder, hold, time.monotonic() + WAIT_S))
        return None

    def _aim(self, hold: Hold, tokens: int) -> None:
        """Hold money for this much output, as far as it is there."""
        hold.tokens = tokens
        amount = hold.cost(tokens)
        for entry in hold.money():
            self._book.adjust(entry, amount)

    def _stock_up(self, hold: Hold, now: float) -> None:
        """Take for the next requests of its seat too, where there is plenty."""
        seat = hold.seat
        if seat.stock is not None and seat.stock.live:
            seat.stock.dissolve(self._book, now)
        seat.stock = stock.fill(seat.accounts, seat.kinds, hold.need, now)
        if seat.stock is not None:
            self._stocks = [*(one for one in self._stocks if one.live), seat.stock]

    def _dissolve(self, now: float) -> None:
        """Let no seat have anything in stock."""
        stocks, self._stocks = self._stocks, []
        for one in stocks:
            if one.live:
                one.dissolve(self._book, now)

    def _secure(self, hold: Hold) -> None:
        """All is held."""
        if rated := hold.seat.rated:
            left = denials.least(rated) if hold.stock is None else hold.stock.left()
            hold.shown = denials.headers(hold.request.head.dialect(), left, time.time())
        hold.secure()

    # -- asking

    def _ask(self, waiting: _Waiting) -> None:
        self._waits += 1
        self._last_id += 1
        self._waiting[self._last_id] = waiting
        wants = tuple(
            Want(*entry.account.key, entry.lack, entry.account.wish(entry.lack))
            for entry in waiting.hold.lacking()
        )
        self._asks.append(Ask(self._last_id, waiting.hold.org, wants))
        self._flush_soon()

    def _abandon(self, number: int) -> None:
        """Wait no more for an answer; what it brings is free then."""
        waiting = self._waiting.pop(number)
        self._late[number] = [entry.account for entry in waiting.hold.lacking()]

    def _granted(self, message: Granted) -> None:
        now = time.monotonic()
        if any(grant.tight for grant in message.grants):
            self._dissolve(now)
        if (accounts := self._late.pop(message.id, None)) is not None:
            for account, grant in zip(accounts, message.grants, strict=True):
                self._book.receive(account, grant, now)
        elif (waiting := self._waiting.pop(message.id, None)) is not None:
            for entry, grant in zip(waiting.hold.lacking(), message.grants, strict=True):
                self._book.grant(entry, grant, now)
            self._secure(waiting.hold)
            waiting.holder.permitted()
        if self._book.any_leaving:
            self._flush_soon()

    def _short(self, waiting: _Waiting, message: Short) -> None:
        """Try with less where that is of use, else refuse."""
        hold = waiting.hold
        entry = next(one for one in hold.lacking() if one.account.rule.id == message.rule)
        rule = entry.account.rule
        if rule.measure == "usd" and hold.rates is not None:
            affordable = hold.rates.affords(
                entry.amount - entry.lack + message.remaining, hold.input
            )
            hold.tries += 1
            if hold.least <= affordable < hold.tokens and hold.tries < TRIES_MAX:
                self._aim(hold, max(hold.least, affordable >> 2 * (hold.tries - 1)))
                self._ask(waiting)
                return
        needed = entry.amount
        if hold.rates is not None and rule.measure == "usd":
            needed = hold.cost(hold.least)
        now_s = time.time()
        refusal = denials.refuse(rule, message, needed, now_s)
        more = denials.refused_headers(hold.request.head.dialect(), rule, now_s)
        self._refuse(waiting, self._count(rule, refusal._replace(headers=refusal.headers + more)))

    def _refuse(self, waiting: _Waiting, refusal: Refusal) -> None:
        hold = waiting.hold
        hold.waits = False
        for entry in hold.lacking():
            self._book.forgo(entry)
        if hold.reserved is None or hold.cover is None:  # else it runs, and is to end
            self.release(hold)
        waiting.holder.refused(refusal)

    def _count(self, rule: Rule, refusal: Refusal) -> Refusal:
        self._refusals[rule.measure, rule.scope] += 1
        return refusal

    # -- where nobody can be asked

    def _closed(self, org: bytes) -> bool:
        terms = self._terms.get(org)
        return terms is not None and terms.store_away == "closed"

    def _unasked(self, waiting: _Waiting) -> None:
        if self._closed(waiting.hold.org):
            self._refuse(waiting, denials.STORE_AWAY)
        else:
            self._go_on_unasked(waiting.hold)
            waiting.holder.permitted()

    def _go_on_unasked(self, hold: Hold) -> None:
        """Go on without what is lacking: it counts as used when it was."""
        for entry in hold.lacking():
            self._book.forgo(entry)
        hold.unbind()
        self._secure(hold)

    # -- prices that may be on their way

    def _wait_for_price(self, holder: Holder, hold: Hold) -> bool:
        """Whether a price may come yet: it is asked for when it is looked for."""
        model = hold.plan.target.provider.price_provider, hold.plan.sent_model
        if model in self._unpriced or len(self._priceless) >= WAITING_MAX:
            return False
        hold.waits = True
        waiting = _Waiting(holder, hold, time.monotonic() + PRICE_WAIT_S)
        self._priceless.setdefault(holder, waiting)
        return True

    def _try_again(self, waiting: _Waiting, *, last: bool) -> None:
        hold, holder = waiting.hold, waiting.holder
        if last:
            if len(self._unpriced) >= WAITING_MAX:
                self._unpriced.clear()
            self._unpriced.add((hold.plan.target.provider.price_provider, hold.plan.sent_model))
            del self._priceless[holder]
        hold.waits = False
        refusal = self._fill(holder, hold)
        if hold.waits and hold.entries == ():
            return  # the price did not come
        self._priceless.pop(holder, None)
        if refusal is not None:
            holder.refused(refusal)
        elif not hold.waits:
            holder.permitted()

    # -- giving back

    def _settle(self, hold: Hold, used: Sequence[int | None]) -> None:
        if hold.stock is not None:
            if hold.stock.settle(hold.need, used, time.monotonic()):
                hold.stock = None
                return
            hold.leave_stock()
        entries, hold.entries = hold.entries, ()
        self.settle_entries(entries, hold.seat.kinds, used)

    def settle_entries(
        self, entries: Sequence[Entry], kinds: Sequence[int], used: Sequence[int | None]
    ) -> None:
        """Of what is held of accounts of these kinds, so much was used; None: all of it."""
        now, over = time.monotonic(), False
        for entry, kind in zip(entries, kinds, strict=False):
            amount = used[kind]
            if amount is None:
                amount = entry.amount
            over |= amount > entry.amount
            self._book.settle(entry, amount, now)
        if over:
            self._flush()
        elif self._book.any_leaving:
            self._flush_soon()

    def _charge_news(self, hold: Hold, cost_pico: int) -> None:
        """Charge a request to budgets that were not there when it began."""
        known = {rule.id for rule in hold.seat.rules}
        seat = self.seat(hold.plan.lane, hold.request)
        for rule in seat.rules if seat is not None else ():
            if rule.measure == "usd" and rule.id not in known:
                unheld = Entry(self._open(rule, hold.at_s), 0)
                self._book.settle(unheld, cost_pico, time.monotonic())

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._call_soon(self._flush)

    def _flush(self) -> None:
        """Tell the parent everything at once."""
        self._flushing = False
        asks, self._asks = tuple(self._asks), []
        recalled, self._recalled = tuple(self._recalled), []
        returned = self._book.leaving()
        if asks or returned or recalled:
            self._tell(Dealings(asks, returned, recalled))
