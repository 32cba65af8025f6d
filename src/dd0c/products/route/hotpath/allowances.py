"""What this worker may give out without asking: a book of accounts. No I/O.

An account is a rule in one of its windows. The parent grants an amount to it; a request holds a
part while it runs, and then spends what it cost; the rest goes back to the account, and if it was
more, more is spent. What was granted is therefore always in one of four places:

    granted = free + held + spent + returned

What nobody used for a second is returned, and at once where the counter is nearly empty (`tight`),
so that others can have it. Permission of a rate (requests or tokens a minute) is good until the end
of the second it was granted in; what is left of it is returned with that second, from which it was
counted.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import msgspec

from dd0c.products.route.hotpath.snapshot import Grant, Returned, Rule

REST_S = 1.0
TIGHT_S = 5.0  # how long an account stays tight after it was said to be
SHARE = 16  # of what is left, one worker asks for no more than this part beyond its need
RATES = frozenset(("requests", "tokens"))

Key = tuple[bytes, int]
"""Names a counter: id of the rule, beginning of the window in Unix seconds (0: there is none)."""


class Account:
    """What may be given out of one counter. Amounts are pico-dollars, tokens or numbers."""

    __slots__ = (
        "drawn",
        "free",
        "from_s",
        "good_until",
        "held",
        "key",
        "measure",
        "pace",
        "rate",
        "remaining",
        "rule",
        "second",
        "tight_until",
        "until_s",
    )

    def __init__(self, rule: Rule, from_s: int = 0, until_s: int | None = None):
        self.rule = rule
        self.key: Key = (rule.id, from_s)
        self.from_s = from_s
        self.until_s = sys.maxsize if until_s is None else until_s
        self.measure = rule.measure
        self.rate = rule.measure in RATES
        self.free = 0
        self.held = 0  # by requests, or wanted for them
        self.good_until = 0.0 if self.rate else math.inf
        self.second = 0
        self.remaining: int | None = None  # in the counter, as last told
        self.tight_until = 0.0
        self.drawn = 0  # since the last sweep
        self.pace = 0  # what was drawn between the two sweeps before

    def wish(self, need: int) -> int:
        """How much to ask for where `need` is lacking: some more, for those who come next."""
        if self.remaining is None:
            return need
        return need + min(max(self.pace, self.drawn), self.remaining // SHARE)


class Entry:
    """A request's part of an account. `lack` is what it still waits for."""

    __slots__ = ("account", "amount", "lack", "second")

    def __init__(self, account: Account, amount: int, second: int = 0, lack: int = 0):
        self.account = account
        self.amount = amount
        self.second = second
        self.lack = lack


class Book:
    """All accounts of a worker. Times (`now`) are on the monotonic clock."""

    def __init__(self) -> None:
        self.accounts: dict[Key, Account] = {}
        self.version = 0  # raised when accounts that somebody may remember are forgotten
        self._leaving: dict[tuple[Key, int | None], int] = {}
        self._swept_at = 0.0

    def open(self, rule: Rule, from_s: int, until_s: int | None) -> Account:
        """The account of a rule in this window."""
        account = self.accounts.get((rule.id, from_s))
        if account is None:
            account = self.accounts[rule.id, from_s] = Account(rule, from_s, until_s)
        return account

    def replace_rules(self, rules: Mapping[bytes, Rule]) -> None:
        """Rules may have other amounts and windows now."""
        self.version += 1
        for account in self.accounts.values():
            account.rule = rules.get(account.rule.id, account.rule)

    def reserve(
        self, accounts: Sequence[Account], amounts: Sequence[int], now: float
    ) -> list[Entry]:
        """Hold an amount of each; entries with a `lack` have to be granted it, or be settled."""
        entries = []
        for account, amount in zip(accounts, amounts, strict=True):
            if account.free < amount or now >= account.good_until:
                return self._reserve_in_part(accounts, amounts, now)
        for account, amount in zip(accounts, amounts, strict=True):
            account.free -= amount
            account.held += amount
            account.drawn += amount
            entries.append(Entry(account, amount, account.second))
        return entries

    def _reserve_in_part(
        self, accounts: Sequence[Account], amounts: Sequence[int], now: float
    ) -> list[Entry]:
        entries = []
        for account, amount in zip(accounts, amounts, strict=True):
            if now >= account.good_until:
                self._return_free(account)
            have = min(account.free, amount)
            if account.rate and have < amount:
                have = 0  # of one second, or not at all
            account.free -= have
            account.held += amount
            account.drawn += amount
            entries.append(Entry(account, amount, account.second, amount - have))
        return entries

    def adjust(self, entry: Entry, amount: int) -> None:
        """Let a request hold more, of which what is not there is its `lack`, or less."""
        account, had = entry.account, entry.amount - entry.lack
        account.held += amount - entry.amount
        if amount > entry.amount:
            account.drawn += amount - entry.amount
        have = min(had + account.free, amount)
        account.free += had - have
        entry.amount, entry.lack = amount, amount - have

    def grant(self, entry: Entry, given: Grant, now: float) -> None:
        """The parent has granted at least what an entry lacks."""
        account = entry.account
        self.receive(account, msgspec.structs.replace(given, amount=given.amount - entry.lack), now)
        entry.lack, entry.second = 0, given.second

    def receive(self, account: Account, given: Grant, now: float) -> None:
        """The parent has granted this, for nobody in particular."""
        if account.rate and given.second != account.second:
            self._return_free(account)
            account.second, account.good_until = given.second, given.good_until
        account.free += given.amount
        account.remaining = given.remaining
        account.tight_until = now + TIGHT_S if given.tight else 0.0
        if now < account.tight_until:
            self._return_free(account)

    def forgo(self, entry: Entry) -> None:
        """Go on without what an entry lacks."""
        entry.account.held -= entry.lack
        entry.amount -= entry.lack
        entry.lack = 0

    def settle(self, entry: Entry, actual: int, now: float) -> None:
        """A request has ended: of what it held, `actual` is spent; it may be more."""
        account = entry.account
        account.held -= entry.amount
        left = entry.amount - entry.lack - actual
        if left == 0:
            return
        if left < 0 and not account.rate:
            taken = min(account.free, -left)
            account.free -= taken
            left += taken
        if left < 0:
            self._leave(account, left, None)
        else:
            self.put_back(account, left, entry.second, now)

    def put_back(self, account: Account, amount: int, second: int, now: float) -> None:
        """This was held, since that second if it is of a rate, and was not used."""
        if account.rate and (second != account.second or now >= account.good_until):
            self._leave(account, amount, second)
            return
        account.free += amount
        if now < account.tight_until:
            self._return_free(account)

    def recall(self, key: Key, now: float) -> None:
        """Others need it: return what is free, now and for a while."""
        if (account := self.accounts.get(key)) is not None:
            account.tight_until = now + TIGHT_S
            self._return_free(account)

    def is_due(self, now: float) -> bool:
        """Whether it is time to sweep."""
        return now - self._swept_at >= REST_S

    def sweep(self, now: float) -> None:
        """Return what rests, and forget accounts that nobody uses; once a second."""
        if not self.is_due(now):
            return
        self._swept_at = now
        for key, account in list(self.accounts.items()):
            if now >= account.good_until or not (account.rate or account.drawn):
                self._return_free(account)
            if not (account.free or account.held or account.drawn or account.pace):
                del self.accounts[key]
                self.version += 1
            account.pace, account.drawn = account.drawn, 0

    @property
    def any_leaving(self) -> bool:
        """Whether something has to go back."""
        return bool(self._leaving)

    def leaving(self) -> tuple[Returned, ...]:
        """What has to go back to the parent; it is told once."""
        found, self._leaving = self._leaving, {}
        return tuple(
            Returned(*key, amount, second) for (key, second), amount in found.items() if amount
        )

    def _return_free(self, account: Account) -> None:
        self._leave(account, account.free, account.second if account.rate else None)
        account.free = 0

    def _leave(self, account: Account, amount: int, second: int | None) -> None:
        if amount:
            at = account.key, second
            self._leaving[at] = self._leaving.get(at, 0) + amount
