"""What the requests of one seat have in stock: a part of each of their accounts. No I/O.

An organisation may have many rules, and a request that draws from seven accounts and settles with
seven pays for each of them. Where all have plenty, a seat takes for many requests at once, and
those draw from that: one look instead of seven. What is in stock counts as held in the accounts, so
it is in one of their four places all the time. All stocks are dissolved for whoever lacks
something, by a recall, by a counter that becomes tight, and by each sweep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dd0c.products.route.hotpath import denials
from dd0c.products.route.hotpath.allowances import Account, Book, Entry
from dd0c.products.route.hotpath.denials import Least

REQUESTS, CONCURRENCY, TOKENS, USD = range(4)
STOCKED_MIN, STOCKED_MAX = 8, 256  # requests like the one that has just been held for
PART = 4  # of what is free in an account, no more than this part
_NO_RULE = 1 << 62  # more than anybody draws


class Stock:
    """Good until `good_until`, while `live`. Requests, tokens and pico-dollars are what is left."""

    __slots__ = (
        *("_left", "accounts", "good_until", "kinds", "live", "pico", "requests", "running"),
        *("seconds", "spent", "tokens"),
    )

    def __init__(
        self, accounts: Sequence[Account], kinds: Sequence[int], amounts: Sequence[int], number: int
    ):
        taken = [
            number * amount if kind in kinds else _NO_RULE for kind, amount in enumerate(amounts)
        ]
        self.requests, self.running, self.tokens, self.pico = taken
        self.accounts, self.kinds = accounts, tuple(kinds)
        self.seconds = [account.second for account in accounts]
        self.spent = [0, 0, 0, 0]
        self.good_until = min((account.good_until for account in accounts), default=math.inf)
        self.live = True
        for account, kind in zip(accounts, kinds, strict=True):
            account.free -= taken[kind]
            account.held += taken[kind]
            account.drawn += taken[kind]
        self._left = denials.least(account for account in accounts if account.rate)

    def draw(self, tokens: int, pico: int, now: float) -> bool:
        """Take what a request needs, if it is there."""
        if (
            now >= self.good_until
            or self.requests < 1
            or self.running < 1
            or self.tokens < tokens
            or self.pico < pico
        ):
            return False
        self.requests -= 1
        self.running -= 1
        self.tokens -= tokens
        self.pico -= pico
        return True

    def settle(self, need: Sequence[int], used: Sequence[int | None], now: float) -> bool:
        """Put back what a request has not used; None is used: all of it. False: the stock is gone,
        or more was used."""
        if not self.live or now >= self.good_until:
            return False
        requests, _, tokens, pico = used
        requests = requests or 0
        if tokens is None or TOKENS not in self.kinds:
            tokens = need[TOKENS]
        if pico is None or USD not in self.kinds:
            pico = need[USD]
        if tokens > need[TOKENS] or pico > need[USD]:
            return False
        self.requests += 1 - requests
        self.running += 1
        self.tokens += need[TOKENS] - tokens
        self.pico += need[USD] - pico
        spent = self.spent
        spent[REQUESTS] += requests
        spent[TOKENS] += tokens
        spent[USD] += pico
        return True

    def entries(self, need: Sequence[int]) -> list[Entry]:
        """What a request that drew from here holds of each account."""
        parts = zip(self.accounts, self.kinds, self.seconds, strict=True)
        return [Entry(account, need[kind], second) for account, kind, second in parts]

    def left(self) -> Least:
        """What is left of the limits, with what is in stock."""
        mine = {"requests": self.requests, "tokens": self.tokens}
        return {what: (left + mine[what], limit) for what, (left, limit) in self._left.items()}

    def shown(self) -> bytes:
        """Header lines about that, in OpenAI's words."""
        lines = b""
        for what, (left, limit) in self._left.items():
            before, after = denials.frame(what, limit)
            mine = self.requests if what == "requests" else self.tokens
            lines += b"%b%d%b" % (before, left + mine, after)
        return lines

    def dissolve(self, book: Book, now: float) -> None:
        """Give what is left to the accounts; what requests hold stays held there."""
        self.live, self.good_until = False, 0.0  # and nobody draws from it any more
        left = (self.requests, self.running, self.tokens, self.pico)
        for account, kind, second in zip(self.accounts, self.kinds, self.seconds, strict=True):
            account.held -= left[kind] + self.spent[kind]
            account.drawn -= min(account.drawn, left[kind])
            book.put_back(account, left[kind], second, now)


def fill(
    accounts: Sequence[Account], kinds: Sequence[int], amounts: Sequence[int], now: float
) -> Stock | None:
    """A stock for requests that need `amounts` by kind, where every account has plenty."""
    number = STOCKED_MAX
    for account, kind in zip(accounts, kinds, strict=True):
        if now < account.tight_until or now >= account.good_until:
            return None
        if amounts[kind]:
            number = min(number, account.free // (PART * amounts[kind]))
    return Stock(accounts, kinds, amounts, number) if number >= STOCKED_MIN else None
