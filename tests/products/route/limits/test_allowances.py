"""The book of what a worker may give out: nothing is made and nothing gets lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dd0c.products.route.hotpath.allowances import REST_S, TIGHT_S, Account, Book, Entry
from dd0c.products.route.hotpath.snapshot import Grant
from tests.products.route.limits.made import rule as made

AMOUNTS = st.integers(0, 1_000)
NEEDS = st.integers(1, 1_000)  # an account that nobody needs anything of may be forgotten


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


class Conservation(RuleBasedStateMachine):
    """Whatever happens in which order, what was granted is free, held, spent or returned (R-16)."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.now = 100.0
        self.accounts = [opened(self.book, m) for m in ("usd", "usd", "tokens", "concurrency")]
        self.running: list[list[Entry]] = []
        self.waiting: list[list[Entry]] = []
        self.given: Counter[bytes] = Counter()
        self.spent: Counter[bytes] = Counter()
        self.back: Counter[bytes] = Counter()

    @rule(index=st.integers(0, 3), amount=AMOUNTS, tight=st.booleans())
    def receive(self, index: int, amount: int, tight: bool) -> None:
        account = self._open(index)
        given = Grant(amount, 10**6, tight, int(self.now), int(self.now) + 1.0)
        self.book.receive(account, given, self.now)
        self.given[account.rule.id] += amount

    @rule(amounts=st.lists(NEEDS, min_size=1, max_size=4))
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
            self._settle(entries, 0)

    @precondition(lambda self: self.running or self.waiting)
    @rule(amount=AMOUNTS)
    def adjust(self, amount: int) -> None:
        entries = (self.running or self.waiting).pop(0)
        self.book.adjust(entries[0], amount)
        lacking = any(entry.lack for entry in entries)
        (self.waiting if lacking else self.running).append(entries)

    @precondition(lambda self: self.running)
    @rule(actual=AMOUNTS)
    def settle(self, actual: int) -> None:
        self._settle(self.running.pop(0), actual)

    @rule(index=st.integers(0, 3))
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
        for entry in [entry for some in (*self.running, *self.waiting) for entry in some]:
            held[entry.account.rule.id] += entry.amount - entry.lack
            wanted[entry.account.rule.id] += entry.lack
        for account in self.accounts:
            id_ = account.rule.id
            assert account.free >= 0
            assert account.held == held[id_] + wanted[id_]
            assert self.given[id_] == account.free + held[id_] + self.spent[id_] + self.back[id_]

    def _open(self, index: int) -> Account:
        self.accounts[index] = self.book.open(self.accounts[index].rule, 0, None)
        return self.accounts[index]

    def _settle(self, entries: list[Entry], actual: int) -> None:
        for entry in entries:
            self.spent[entry.account.rule.id] += actual
            self.book.settle(entry, actual, self.now)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
