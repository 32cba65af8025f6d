"""The book of what a worker may give out: nothing is made and nothing gets lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dd0c.products.route.hotpath import stock
from dd0c.products.route.hotpath.allowances import REST_S, TIGHT_S, Account, Book, Entry
from dd0c.products.route.hotpath.snapshot import Grant
from dd0c.products.route.hotpath.stock import CONCURRENCY, REQUESTS, TOKENS, USD, Stock
from tests.products.route.limits.made import rule as made

AMOUNTS = st.integers(0, 1_000)
NEEDS = st.integers(1, 1_000)  # an account that nobody needs anything of may be forgotten
FEW = st.integers(1, 20)  # so that there is plenty for many more
MEASURES = ("usd", "usd", "tokens", "concurrency", "requests")
KINDS = (USD, USD, TOKENS, CONCURRENCY, REQUESTS)
INDEXES = st.integers(0, len(MEASURES) - 1)


def granted(book: Book, account: Account, amount: int, **told: Any) -> None:
    """Give an account an amount at second 5, which a rate may use until 6."""
    given = Grant(amount, told.pop("remaining", 10**6), told.pop("tight", False), 5, 6.0)
    book.receive(account, given, told.pop("now", 5.0))


def opened(book: Book, measure: str = "usd") -> Account:
    return book.open(made(measure=measure), 0, None)


def test_a_request_holds_all_it_needs_or_says_what_is_lacking() -> None:
    """Two accounts, of which one has enough: the other's lack is named, and abandoning leaves both
    as they were (R-16: all or nothing)."""
    book = Book()
    first, second = opened(book), opened(book)
    granted(book, first, 100)
    granted(book, second, 30)
    entries = book.reserve([first, second], [60, 50], 5.0)
    assert [entry.lack for entry in entries] == [0, 20]
    for entry in entries:
        book.settle(entry, 0, 5.0)
    assert (first.free, first.held, second.free, second.held) == (100, 0, 30, 0)


def test_what_costs_less_leaves_the_rest_and_what_costs_more_takes_it_from_there() -> None:
    """Reserved 60, spent 25: 35 are free again. Reserved 60, spent 90: 30 of the free ones go, and
    with none free the excess is told (R-16)."""
    book = Book()
    account = opened(book)
    granted(book, account, 100)
    (entry,) = book.reserve([account], [60], 5.0)
    book.settle(entry, 25, 5.0)
    assert account.free == 75
    (entry,) = book.reserve([account], [60], 5.0)
    book.settle(entry, 90, 5.0)
    assert account.free == 0
    assert [(back.amount, back.second) for back in book.leaving()] == [(-15, None)]


def test_permission_of_a_rate_dies_with_its_second() -> None:
    """What was granted in second 5 is of no use in second 6 and goes back to second 5 (K-60)."""
    book = Book()
    account = opened(book, "requests")
    granted(book, account, 3)
    (entry,) = book.reserve([account], [1], 5.9)
    assert entry.lack == 0
    (late,) = book.reserve([account], [1], 6.0)
    assert late.lack == 1
    assert [(back.amount, back.second) for back in book.leaving()] == [(2, 5)]
    book.settle(entry, 1, 7.0)
    assert book.leaving() == ()


def test_tokens_not_used_go_back_to_the_second_they_were_counted_in() -> None:
    """Estimated 80, used 30, ten seconds later: 50 return to the old second; used 90: ten more are
    told as spent now (K-60)."""
    book = Book()
    account = opened(book, "tokens")
    granted(book, account, 160)
    one, other = (book.reserve([account], [80], 5.0)[0] for _ in range(2))
    book.settle(one, 30, 15.0)
    book.settle(other, 90, 15.0)
    assert {(back.amount, back.second) for back in book.leaving()} == {(50, 5), (-10, None)}


def test_what_rests_goes_back_and_what_is_used_stays() -> None:
    """Free money stays while it is drawn from and leaves after a second in which nobody drew
    (R-16: no permission is hoarded)."""
    book = Book()
    account = opened(book)
    granted(book, account, 100)
    book.settle(book.reserve([account], [10], 5.0)[0], 10, 5.0)
    book.sweep(5.0 + REST_S)
    assert account.free == 90
    book.sweep(5.0 + 2 * REST_S)
    assert [back.amount for back in book.leaving()] == [90]
    assert account.key in book.accounts
    book.sweep(5.0 + 3 * REST_S)
    book.sweep(5.0 + 4 * REST_S)
    assert book.accounts == {}
    assert book.version == 1


def test_nothing_is_kept_of_a_counter_that_is_nearly_empty() -> None:
    """Told that a counter is tight, or recalled, an account keeps no surplus for five seconds
    (R-16)."""
    book = Book()
    account = opened(book)
    granted(book, account, 100, tight=True)
    assert [back.amount for back in book.leaving()] == [100]
    granted(book, account, 100)
    (entry,) = book.reserve([account], [40], 5.0)
    book.recall(account.key, 5.0)
    assert [back.amount for back in book.leaving()] == [60]
    book.settle(entry, 15, 6.0)
    assert [back.amount for back in book.leaving()] == [25]
    granted(book, account, 40)
    (entry,) = book.reserve([account], [40], 5.0)
    book.recall(account.key, 5.0)
    book.settle(entry, 15, 5.0 + TIGHT_S)
    assert book.leaving() == ()


def test_a_worker_wishes_for_what_it_will_need_but_never_for_much_of_what_is_left() -> None:
    """Beyond the need it asks for what it drew in a second, at most a sixteenth of the rest; of a
    limit of five requests nobody takes two at once (R-16)."""
    book = Book()
    account = opened(book)
    assert account.wish(10) == 10
    granted(book, account, 500, remaining=1600)
    book.settle(book.reserve([account], [400], 5.0)[0], 400, 5.0)
    assert account.wish(10) == 110
    granted(book, account, 0, remaining=15)
    assert account.wish(1) == 1


def test_a_new_window_is_a_new_account() -> None:
    """Nothing of the old window can be spent in the new one: what it has goes back (R-16)."""
    book = Book()
    budget = made(window="minute")
    old = book.open(budget, 0, 60)
    granted(book, old, 100)
    new = book.open(budget, 60, 120)
    assert (new.free, book.open(budget, 0, 60)) == (0, old)
    book.sweep(100.0)
    assert [(back.from_s, back.amount) for back in book.leaving()] == [(0, 100)]


def test_nobody_draws_from_a_stock_that_was_dissolved() -> None:
    """What was given back to the accounts is theirs: a seat that remembers its stock gets nothing
    of it, and who drew before settles with the accounts (R-16)."""
    book = Book()
    account = opened(book)
    granted(book, account, 1000)
    held = stock.fill([account], [USD], (1, 1, 0, 10), 5.0)
    assert held is not None
    assert held.draw(0, 10, 5.0)
    held.dissolve(book, 5.0)
    assert (account.free, account.held) == (990, 10)
    assert not held.draw(0, 10, 5.0)
    assert not held.settle((1, 1, 0, 10), (1, 0, 0, 4), 5.0)
    (entry,) = held.entries((1, 1, 0, 10))
    book.settle(entry, 4, 5.0)
    assert (account.free, account.held, book.leaving()) == (996, 0, ())


def test_a_stock_is_a_small_part_of_what_is_free() -> None:
    """Of four parts one, for eight requests at least; nothing of what is tight or over (R-16)."""
    book = Book()
    account = opened(book)
    granted(book, account, 319)
    assert stock.fill([account], [USD], (1, 1, 0, 10), 5.0) is None
    granted(book, account, 1)
    held = stock.fill([account], [USD], (1, 1, 0, 10), 5.0)
    assert held is not None
    assert (held.pico, account.free, account.held) == (80, 240, 80)
    held.dissolve(book, 5.0)
    granted(book, account, 10**6)
    held = stock.fill([account], [USD], (1, 1, 0, 10), 5.0)
    assert held is not None
    assert held.pico == stock.STOCKED_MAX * 10
    held.dissolve(book, 5.0)
    book.recall(account.key, 5.0)
    granted(book, account, 10**6, tight=True)
    assert stock.fill([account], [USD], (1, 1, 0, 10), 5.0) is None
    rate = opened(book, "requests")
    granted(book, rate, 10**6)
    assert stock.fill([rate], [REQUESTS], (1, 1, 0, 0), 6.0) is None
    late = stock.fill([rate], [REQUESTS], (1, 1, 0, 0), 5.9)
    assert late is not None
    assert late.draw(0, 0, 5.9)
    assert not late.draw(0, 0, 6.0)


class Drawn(NamedTuple):
    """What a request has from a stock."""

    held: Stock
    need: Sequence[int]


class Conservation(RuleBasedStateMachine):
    """Whatever happens in which order, what was granted is free, held, in stock, spent or returned,
    and nobody spends what he did not hold but who uses more than he said (R-16)."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.now = 100.0
        self.accounts = [opened(self.book, measure) for measure in MEASURES]
        self.running: list[list[Entry]] = []
        self.waiting: list[list[Entry]] = []
        self.stocks: list[Stock] = []
        self.drawn: list[Drawn] = []
        self.given: Counter[bytes] = Counter()
        self.spent: Counter[bytes] = Counter()
        self.back: Counter[bytes] = Counter()
        self.excess: Counter[bytes] = Counter()

    @rule(index=INDEXES, amount=AMOUNTS, tight=st.booleans())
    def receive(self, index: int, amount: int, tight: bool) -> None:
        account = self._open(index)
        given = Grant(amount, 10**6, tight, int(self.now), int(self.now) + 1.0)
        self.book.receive(account, given, self.now)
        self.given[account.rule.id] += amount

    @rule(amount=st.integers(1_000, 20_000))
    def receive_plenty(self, amount: int) -> None:
        for index in range(len(MEASURES)):
            self.receive(index, amount, False)

    @rule(amounts=st.lists(NEEDS, min_size=1, max_size=len(MEASURES)))
    def reserve(self, amounts: list[int]) -> None:
        accounts = [self._open(index) for index in range(len(amounts))]
        entries = self.book.reserve(accounts, amounts, self.now)
        lacking = any(entry.lack for entry in entries)
        (self.waiting if lacking else self.running).append(entries)

    @precondition(lambda self: self.waiting)
    @rule(more=AMOUNTS)
    def grant(self, more: int) -> None:
        entries = self.waiting.pop(0)
        for entry in entries:
            if entry.lack:
                amount = entry.lack + more
                given = Grant(amount, 10**6, False, int(self.now), int(self.now) + 1.0)
                self.given[entry.account.rule.id] += amount
                self.book.grant(entry, given, self.now)
        self.running.append(entries)

    @precondition(lambda self: self.waiting)
    @rule(anyway=st.booleans())
    def refuse(self, anyway: bool) -> None:
        entries = self.waiting.pop(0)
        if anyway:
            for entry in entries:
                self.book.forgo(entry)
            self.running.append(entries)
        else:
            self._settle(entries, [0] * len(entries))

    @precondition(lambda self: self.running or self.waiting)
    @rule(amount=NEEDS)
    def adjust(self, amount: int) -> None:
        entries = (self.running or self.waiting).pop(0)
        self.book.adjust(entries[0], amount)
        lacking = any(entry.lack for entry in entries)
        (self.waiting if lacking else self.running).append(entries)

    @precondition(lambda self: self.running)
    @rule(actual=AMOUNTS)
    def settle(self, actual: int) -> None:
        entries = self.running.pop(0)
        self._settle(entries, [actual] * len(entries))

    @rule(indexes=st.sets(INDEXES, min_size=1), tokens=FEW, pico=FEW)
    def fill(self, indexes: set[int], tokens: int, pico: int) -> None:
        kinds = [KINDS[index] for index in sorted(indexes)]
        accounts = [self._open(index) for index in sorted(indexes)]
        held = stock.fill(accounts, kinds, (1, 1, tokens, pico), self.now)
        if held is not None:
            self.stocks.append(held)

    @precondition(lambda self: self.stocks)
    @rule(which=st.integers(0), tokens=FEW, pico=FEW)
    def draw(self, which: int, tokens: int, pico: int) -> None:
        held = self.stocks[which % len(self.stocks)]
        if held.draw(tokens, pico, self.now):
            self.drawn.append(Drawn(held, (1, 1, tokens, pico)))

    @precondition(lambda self: self.stocks)
    @rule(which=st.integers(0))
    def draw_all(self, which: int) -> None:
        held = self.stocks[which % len(self.stocks)]
        tokens, pico = (min(left, 10**6) for left in (held.tokens, held.pico))
        if held.draw(tokens, pico, self.now):
            self.drawn.append(Drawn(held, (1, 1, tokens, pico)))

    @precondition(lambda self: self.drawn)
    @rule(
        which=st.integers(0),
        more=st.booleans(),
        requests=st.integers(0, 1),
        tokens=st.none() | FEW,
        pico=st.none() | st.integers(0, 30),
    )
    def settle_drawn(
        self, which: int, more: bool, requests: int, tokens: int | None, pico: int | None
    ) -> None:
        held, need = self.drawn.pop(which % len(self.drawn))
        if more:
            tokens, pico = (tokens or 0) + need[TOKENS], (pico or 0) + need[USD]
        used = (requests, 0, tokens, pico)
        amounts = [used[kind] for kind in held.kinds]
        actual = [
            need[kind] if amount is None else amount
            for kind, amount in zip(held.kinds, amounts, strict=True)
        ]
        if held.settle(need, used, self.now):
            for account, amount in zip(held.accounts, actual, strict=True):
                self.spent[account.rule.id] += amount
        else:
            self._settle(held.entries(need), actual)

    @precondition(lambda self: self.drawn)
    @rule(which=st.integers(0))
    def leave_stock(self, which: int) -> None:
        held, need = self.drawn.pop(which % len(self.drawn))
        self.running.append(held.entries(need))

    @precondition(lambda self: self.stocks)
    @rule(which=st.integers(0))
    def dissolve(self, which: int) -> None:
        held = self.stocks[which % len(self.stocks)]
        if held.live:
            held.dissolve(self.book, self.now)

    @rule(index=INDEXES)
    def recall(self, index: int) -> None:
        self.book.recall(self.accounts[index].key, self.now)

    @rule(seconds=st.sampled_from((0.1, 0.9, 1.0, 10.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.book.sweep(self.now)

    @invariant()
    def holds(self) -> None:
        for back in self.book.leaving():
            self.back[back.rule] += back.amount
        held: Counter[bytes] = Counter()
        wanted: Counter[bytes] = Counter()
        paid: Counter[bytes] = Counter()  # and held until the stock is dissolved
        for entry in [entry for some in (*self.running, *self.waiting) for entry in some]:
            held[entry.account.rule.id] += entry.amount - entry.lack
            wanted[entry.account.rule.id] += entry.lack
        for one, need in self.drawn:
            for account, kind in zip(one.accounts, one.kinds, strict=True):
                held[account.rule.id] += need[kind]
        for one in [one for one in self.stocks if one.live]:
            left = (one.requests, one.running, one.tokens, one.pico)
            assert min(left) >= 0
            for account, kind in zip(one.accounts, one.kinds, strict=True):
                held[account.rule.id] += left[kind]
                paid[account.rule.id] += one.spent[kind]
        for account in self.accounts:
            id_ = account.rule.id
            assert account.free >= 0
            assert account.held == held[id_] + wanted[id_] + paid[id_]
            assert self.given[id_] == account.free + held[id_] + self.spent[id_] + self.back[id_]
            assert self.spent[id_] - self.excess[id_] <= self.given[id_]

    def _open(self, index: int) -> Account:
        self.accounts[index] = self.book.open(self.accounts[index].rule, 0, None)
        return self.accounts[index]

    def _settle(self, entries: list[Entry], actual: Sequence[int]) -> None:
        for entry, amount in zip(entries, actual, strict=True):
            self.spent[entry.account.rule.id] += amount
            self.excess[entry.account.rule.id] += max(0, amount - entry.amount + entry.lack)
            self.book.settle(entry, amount, self.now)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
