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
from dd0c.products.route.hotpath import admission, bounds, denials
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.allowances import Account, Book, Entry
from dd0c.products.route.hotpath.bounds import Bounds, Rates
from dd0c.products.route.hotpath.cover import Cover
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.rules import Rules, Traits
from dd0c.products.route.hotpath.snapshot import (
    Ask,
    Dealings,
    FromWorker,
    Granted,
    KeyEntry,
    Price,
    Recall,
    Rule,
    Short,
    StoreAway,
    Terms,
    Unasked,
    Want,
)
from dd0c.products.route.models import FREE_ENDPOINTS, NO_USAGE, Endpoint, Usage

WAIT_S = 5.0  # a parent that takes longer counts as away
PRICE_WAIT_S = 1.0  # for the news of a price that was just asked for
WAITING_MAX = 10_000
TRIES_MAX = 4  # to find what a budget affords
OUTPUT_MAX = 128_000  # tokens of one answer, where no bound of the model is known
OUTPUT_MIN = 100  # tokens for which it is worth to begin an answer that nobody bounds
STEP = 1_000  # tokens that a stream without a bound holds ahead of its text

FromParent = Granted | Short | Unasked | Recall | StoreAway
PriceOf = Callable[[str, str, bytes], Price | None]


class Holder(Protocol):
    """Who waits for permission."""

    def permitted(self) -> None:
        """All is held now."""

    def refused(self, refusal: Refusal) -> None:
        """It will not be."""


class Hold:
    """What one request holds. `plan` is what to send, perhaps with a bound of ours; `reserved` the
    pico-dollars that it may cost, None where no budget concerns it. While it `waits`, its holder
    must do nothing but wait."""

    __slots__ = (
        "answers",
        "cover",
        "entries",
        "input",
        "least",
        "most",
        "plan",
        "rates",
        "request",
        "request_id",
        "reserved",
        "rules",
        "shown",
        "tokens",
        "tries",
        "waits",
    )

    def __init__(self, request: Request, plan: Plan, request_id: bytes, rules: Rules):
        self.request = request
        self.request_id = request_id
        self.plan = plan
        self.rules = rules
        self.entries: Sequence[Entry] = ()
        self.reserved: int | None = None
        self.rates: Rates | None = None
        self.answers = 1
        self.input = 0  # tokens at most
        self.tokens = 0  # of output, for which money is held
        self.least = 0  # for less it is of no use
        self.most: int | None = None  # that the model can make, where the caller sets no bound
        self.cover: Cover | None = None
        self.tries = 0
        self.waits = False
        self.shown = b""  # header lines about what is left

    @property
    def org(self) -> bytes:
        """Whose it is."""
        assert self.request.entry is not None
        return self.request.entry.org

    @property
    def endpoint(self) -> Endpoint:
        """What is called."""
        assert self.request.route is not None
        return self.request.route.endpoint

    def covers(self, run: bytes, *, whole: bool) -> bool:
        """Whether money is held for what has come with this run of events, or piece of one."""
        return self.cover is None or self.cover.take(run, whole=whole)

    def lacking(self) -> list[Entry]:
        """What has to be asked for."""
        return [entry for entry in self.entries if entry.lack]

    def money(self) -> list[Entry]:
        """What it holds of budgets."""
        return [entry for entry in self.entries if entry.account.rule.measure == "usd"]


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
        price_of: PriceOf,
    ):
        self.away = False
        self._refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._waits = 0
        self._tell = tell
        self._call_soon = call_soon
        self._price_of = price_of
        self._rules = Rules()
        self._terms: dict[bytes, Terms] = {}
        self._book = Book()
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
        self._rules = Rules(rules)
        self._terms = {one.org: one for one in terms}
        self._book.replace_rules(self._rules.by_id)

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
        entry, route = request.entry, request.route
        assert entry is not None
        assert route is not None
        if not self._rules.concern(entry.org) or route.endpoint in FREE_ENDPOINTS:
            return None
        matched = self._match(entry, request, plan)
        if not matched:
            return None
        hold = Hold(request, plan, request_id, self._rules)
        return self._fill(_Waiting(holder, hold, time.monotonic() + WAIT_S), matched) or hold

    def extend(self, holder: Holder, hold: Hold) -> None:
        """Hold money for the text that has come and more; it may have to wait, as in `hold`."""
        assert hold.cover is not None
        came = hold.cover.came
        hold.least, hold.tries = came, 0
        self._aim(hold, came + max(STEP, came))
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
        self._settle(hold, [0] * len(hold.entries))

    def settle(self, hold: Hold, cost_pico: int | None, usage: Usage) -> None:
        """The request is over and cost this; what is not known stays taken. Called before its close
        record is written: what was used beyond permission is told before anybody reads it there."""
        tokens = sum(count or 0 for count in usage_tokens(usage))
        told = cost_pico is not None or usage != NO_USAGE
        actual = {
            "usd": hold.reserved if cost_pico is None else cost_pico,
            "tokens": tokens if told else None,
            "requests": 1,
            "concurrency": 0,
        }
        if hold.rules is not self._rules and cost_pico:
            self._charge_news(hold, cost_pico)
        amounts = [(entry, actual[entry.account.rule.measure]) for entry in hold.entries]
        self._settle(hold, [entry.amount if n is None else n for entry, n in amounts])

    def sweep(self) -> None:
        """Return what rests, and let nobody wait for ever."""
        now = time.monotonic()
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

    def _match(self, entry: KeyEntry, request: Request, plan: Plan) -> tuple[Rule, ...]:
        traits = Traits(
            entry.key_id, entry.team, plan.requested_model, plan.sent_model, request.tags
        )
        return self._rules.match(entry.org, traits)

    def _fill(self, waiting: _Waiting, matched: Sequence[Rule]) -> Refusal | None:
        """Hold what is there of what is needed, and ask for the rest."""
        hold, at_s = waiting.hold, int.from_bytes(waiting.hold.request_id[:6], "big") // 1000
        if self.away and self._closed(hold.org):
            return denials.STORE_AWAY
        need = {"requests": 1, "concurrency": 1}
        needs = []
        for rule in matched:
            amount = need.get(rule.measure)
            if amount is None:
                found = self._find_need(hold, rule, need, at_s)
                if isinstance(found, Refusal):
                    return None if self._wait_for_price(waiting) else self._count(rule, found)
                amount = found
            account = self._book.find(rule, at_s) or self._open(rule, at_s)
            needs.append((account, amount))
        hold.entries = self._book.reserve(needs, time.monotonic())
        if not hold.lacking():
            self._secure(hold)
        elif self.away:
            self._go_on_unasked(hold)
        elif len(self._waiting) + len(self._late) >= WAITING_MAX:
            self.release(hold)
            return denials.STORE_AWAY
        else:
            hold.waits = True
            self._ask(waiting)
        return None

    def _find_need(self, hold: Hold, rule: Rule, need: dict[str, int], at_s: int) -> int | Refusal:
        """How much of a rule of tokens or money is needed; what is found out is noted in `need`."""
        plan = hold.plan
        limits = bounds.of(plan.body, plan.found, hold.endpoint, plan.sent_model)
        need["tokens"] = limits.estimate
        if rule.measure == "usd":
            provider = plan.target.provider.price_provider
            price = self._price_of(provider, plan.sent_model, hold.org)
            rates = None
            if price is not None:
                rates = bounds.worst(price, limits, plan.body, plan.found, at_s * 1_000_000)
            if price is None or rates is None:
                return denials.no_price(rule, plan.sent_model)
            hold.rates, hold.input = rates, limits.input
            self._bound(hold, limits, price)
            need["usd"] = rates.cost(hold.input, hold.tokens)
        return need[rule.measure]

    def _bound(self, hold: Hold, limits: Bounds, price: Price) -> None:
        """Choose for how much output money is held."""
        if limits.output is not None:
            hold.tokens = hold.least = limits.output * limits.answers
            return
        hold.answers = limits.answers
        hold.most = (price.max_output or OUTPUT_MAX) * limits.answers
        hold.least = min(OUTPUT_MIN * limits.answers, hold.most)
        hold.tokens = hold.most
        if hold.plan.stream:
            hold.tokens = min(STEP * limits.answers, hold.most)
            hold.cover = Cover(hold.endpoint)

    def _open(self, rule: Rule, at_s: int) -> Account:
        if rule.measure != "usd":
            return self._book.open(rule, 0, None)
        window = window_of(rule.window, at_s, ZoneInfo(rule.time_zone))
        return self._book.open(rule, window.from_s, window.until_s)

    def _aim(self, hold: Hold, tokens: int) -> None:
        """Hold money for this much output, as far as it is there."""
        assert hold.rates is not None
        hold.tokens = tokens
        amount = hold.rates.cost(hold.input, tokens)
        for entry in hold.money():
            self._book.adjust(entry, amount)

    def _secure(self, hold: Hold) -> None:
        """All is held: keep the answer within what money is held for."""
        hold.waits = False
        if any(entry.account.rate for entry in hold.entries):
            hold.shown = denials.headers(hold.request.dialect(), hold.entries, time.time())
        if hold.rates is None:
            return
        hold.reserved = hold.rates.cost(hold.input, hold.tokens)
        if hold.cover is not None:
            hold.cover.paid = hold.tokens
        elif hold.most is not None and hold.tokens < hold.most:
            hold.plan = admission.limit(hold.plan, hold.endpoint, hold.tokens // hold.answers)

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
                self._aim(hold, affordable)
                self._ask(waiting)
                return
        needed = entry.amount
        if hold.rates is not None and rule.measure == "usd":
            needed = hold.rates.cost(hold.input, hold.least)
        now_s = time.time()
        refusal = denials.refuse(rule, message.remaining, message.frees_in_s, needed, now_s)
        more = denials.refused_headers(hold.request.dialect(), rule, now_s)
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
        hold.waits = False
        hold.cover = hold.most = None
        self._secure(hold)

    # -- prices that may be on their way

    def _wait_for_price(self, waiting: _Waiting) -> bool:
        """Whether a price may come yet: it is asked for when it is looked for."""
        hold = waiting.hold
        model = hold.plan.target.provider.price_provider, hold.plan.sent_model
        if model in self._unpriced or len(self._priceless) >= WAITING_MAX:
            return False
        hold.waits = True
        until = time.monotonic() + PRICE_WAIT_S
        self._priceless.setdefault(waiting.holder, waiting._replace(until=until))
        return True

    def _try_again(self, waiting: _Waiting, *, last: bool) -> None:
        hold, holder = waiting.hold, waiting.holder
        if last:
            if len(self._unpriced) >= WAITING_MAX:
                self._unpriced.clear()
            self._unpriced.add((hold.plan.target.provider.price_provider, hold.plan.sent_model))
        del self._priceless[holder]
        hold.waits = False
        assert hold.request.entry is not None
        matched = self._match(hold.request.entry, hold.request, hold.plan)
        refusal = self._fill(waiting._replace(until=time.monotonic() + WAIT_S), matched)
        if refusal is not None:
            holder.refused(refusal)
        elif not hold.waits:
            holder.permitted()

    # -- giving back

    def _settle(self, hold: Hold, amounts: Sequence[int]) -> None:
        now, over = time.monotonic(), False
        for entry, amount in zip(hold.entries, amounts, strict=True):
            over |= amount > entry.amount
            self._book.settle(entry, amount, now)
        hold.entries = ()
        if over:
            self._flush()
        elif self._book.any_leaving:
            self._flush_soon()

    def _charge_news(self, hold: Hold, cost_pico: int) -> None:
        """Charge a request to budgets that were not there when it began."""
        assert hold.request.entry is not None
        at_s = int.from_bytes(hold.request_id[:6], "big") // 1000
        known = {entry.account.rule.id for entry in hold.entries}
        for rule in self._match(hold.request.entry, hold.request, hold.plan):
            if rule.measure == "usd" and rule.id not in known:
                self._book.settle(Entry(self._open(rule, at_s), 0), cost_pico, time.monotonic())

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


def usage_tokens(usage: Usage) -> tuple[int | None, ...]:
    """The counts of all tokens used; calls of tools are none."""
    return (
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
        usage.audio_input,
        usage.audio_output,
        usage.image,
    )
