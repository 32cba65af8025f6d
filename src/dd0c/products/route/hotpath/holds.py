"""What one request needs of limits and budgets, and what it holds of them. No I/O.

A `Seat` is the same for all requests of one key for one model: which accounts they draw from, until
a window ends. A `Hold` is one request's part of those.
"""

from __future__ import annotations

from collections.abc import Sequence

from dd0c.products.route.hotpath import admission, bounds
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.allowances import Account, Entry
from dd0c.products.route.hotpath.bounds import Bounds, Rates
from dd0c.products.route.hotpath.cover import Cover
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.rules import Rules
from dd0c.products.route.hotpath.snapshot import Price, Rule
from dd0c.products.route.hotpath.stock import CONCURRENCY, REQUESTS, TOKENS, USD, Stock
from dd0c.products.route.models import NO_USAGE, Endpoint, Usage

OUTPUT_MAX = 128_000  # tokens of one answer, where no bound of the model is known
OUTPUT_MIN = 100  # tokens for which it is worth to begin an answer that nobody bounds
STEP = 1_000  # tokens that a stream without a bound holds ahead of its text

KINDS = {"requests": REQUESTS, "concurrency": CONCURRENCY, "tokens": TOKENS, "usd": USD}


class Seat:
    """The accounts of requests of the same traits; good from `from_s` until `until_s`, and while
    the book has this `version`. `kinds` are what the rules measure, in the same order."""

    __slots__ = (
        "accounts",
        "budget",
        "counts",
        "from_s",
        "kinds",
        "most",
        "prices",
        "rated",
        "rates",
        "rules",
        "stock",
        "table",
        "until_s",
        "version",
    )

    def __init__(self, rules: Sequence[Rule], table: Rules):
        self.rules = rules
        self.table = table
        self.kinds = [KINDS[rule.measure] for rule in rules]
        self.counts = TOKENS in self.kinds or USD in self.kinds  # the body has to be measured
        self.budget = rules[self.kinds.index(USD)] if USD in self.kinds else None
        self.prices: Sequence[Price] = ()  # and their dearest rates, of a plain request
        self.rates: Rates | None = None
        self.most = 0  # tokens of an answer that the caller does not bound
        self.accounts: list[Account] = []
        self.rated: list[Account] = []  # those that headers tell of
        self.from_s, self.until_s = 0, 0
        self.version = -1
        self.stock: Stock | None = None


class Hold:
    """What one request holds. `plan` is what to send, perhaps with a bound of ours; `reserved` the
    pico-dollars that it may cost, None where no budget concerns it. While it `waits`, its holder
    must do nothing but wait. `shown` are header lines about what is left."""

    entries: Sequence[Entry] = ()
    need: Sequence[int] = ()  # by kind
    stock: Stock | None = None  # which it was drawn from
    reserved: int | None = None
    rates: Rates | None = None
    answers = 1
    input = 0  # tokens at most
    tokens = 0  # of output, for which money is held
    least = 0  # for less it is of no use
    most: int | None = None  # that the model can make, where the caller sets no bound
    cover: Cover | None = None
    tries = 0
    waits = False
    shown = b""

    def __init__(self, request: Request, plan: Plan, request_id: bytes, seat: Seat):
        self.request = request
        self.request_id = request_id
        self.plan = plan
        self.seat = seat

    @property
    def org(self) -> bytes:
        """Whose it is."""
        assert self.request.head.entry is not None
        return self.request.head.entry.org

    @property
    def endpoint(self) -> Endpoint:
        """What is called."""
        assert self.request.head.route is not None
        return self.request.head.route.endpoint

    @property
    def at_s(self) -> int:
        """When it began, in Unix seconds: its windows are those of this moment."""
        return int.from_bytes(self.request_id[:6], "big") // 1000

    def measure(self) -> Bounds:
        """How large the request is and may become."""
        return bounds.of(self.plan.body, self.plan.found, self.endpoint, self.plan.sent_model)

    def price(self, limits: Bounds, prices: Sequence[Price]) -> bool:
        """Choose for how much output money is held; False: nobody can say what it costs. `prices`:
        all that the answer may get, that of the model first."""
        plan, seat = self.plan, self.seat
        if not prices:
            return False
        price = prices[0]
        limits = limits.within(price.context)
        plain = bounds.is_plain(prices, limits, plan.found)
        if plain and seat.prices is prices:
            self.rates = seat.rates
        else:
            self.rates = bounds.worst(prices, limits, plan.found, self.at_s * 1_000_000)
            if self.rates is None:
                return False
            if plain:
                seat.prices, seat.rates = prices, self.rates
                seat.most = price.max_output or OUTPUT_MAX
        self.input, self.answers = limits.input, limits.answers
        if limits.output is not None:
            self.tokens = self.least = limits.output * limits.answers
            return True
        self.most = (price.max_output or OUTPUT_MAX) * limits.answers
        self.least = min(OUTPUT_MIN * limits.answers, self.most)
        self.tokens = self.most
        if plan.stream:
            self.tokens = min(STEP * limits.answers, self.most)
            self.cover = Cover(self.endpoint)
        return True

    def cost(self, tokens: int) -> int:
        """The most that so much output can cost with the input, in pico-dollars."""
        assert self.rates is not None
        return self.rates.cost(self.input, tokens)

    def secure(self) -> None:
        """All is held: keep the answer within what money is held for."""
        self.waits = False
        if self.rates is None:
            return
        self.reserved = self.cost(self.tokens)
        if self.cover is not None:
            self.cover.paid = self.tokens
        elif self.most is not None and self.tokens < self.most:
            self.plan = admission.limit(self.plan, self.endpoint, self.tokens // self.answers)

    def unbind(self) -> None:
        """Nobody can be asked what is affordable: set no bound."""
        self.cover = self.most = None

    def covers(self, run: bytes, *, whole: bool) -> int:
        """How many bytes of a run of events, or of a piece of one, money is held for."""
        return len(run) if self.cover is None else self.cover.take(run, whole=whole)

    def leave_stock(self) -> None:
        """Hold parts of the accounts themselves."""
        if self.stock is not None:
            self.entries, self.stock = self.stock.entries(self.need), None

    def lacking(self) -> list[Entry]:
        """What has to be asked for."""
        return [entry for entry in self.entries if entry.lack]

    def money(self) -> list[Entry]:
        """What it holds of budgets."""
        return [entry for entry in self.entries if entry.account.measure == "usd"]

    def used(self, cost_pico: int | None, usage: Usage) -> tuple[int, int, int | None, int | None]:
        """What was used of each kind of rule; None: as much as is held."""
        tokens = None
        if cost_pico is not None or usage != NO_USAGE:
            tokens = tokens_of(usage)
        return 1, 0, tokens, self.reserved if cost_pico is None else cost_pico


def tokens_of(usage: Usage) -> int:
    """All tokens used; calls of tools are none."""
    return (
        (usage.input or 0)
        + (usage.cache_read or 0)
        + (usage.cache_write_5m or 0)
        + (usage.cache_write_1h or 0)
        + (usage.output or 0)
        + (usage.reasoning or 0)
        + (usage.audio_input or 0)
        + (usage.audio_output or 0)
        + (usage.image or 0)
    )
