"""What something cost against what it cost before, in words. Pure.

Only sums that are whole, or nearly and then said to be, are compared, and only what is charged:
money that nobody charges is called so.
"""

from __future__ import annotations

from typing import Protocol

from dd0c.kernel.web.console import figures
from dd0c.products.route.pages import money
from dd0c.products.route.pages.money import Priced

UNPRICED_SHARE = 20  # one of so many without a cost is few enough to compare


class Sums(Priced, Protocol):
    """Sums of a span of time."""

    @property
    def requests(self) -> int:
        """How many there were."""

    @property
    def unpriced(self) -> int:
        """Attempts whose cost nobody knows."""


def number(sums: Priced) -> int | None:
    """The amount of a headline: what is charged, or where nothing is, what was simulated."""
    return sums.simulated_pico if money.is_made_up(sums) else money.charged(sums)


def words(now: Sums, before: Sums, when: str) -> str:
    """How a sum stands against the one before, which `when` names; nothing without a basis."""
    if now.cost_pico is None and now.requests:
        return ", cost unknown"
    if money.is_made_up(now):
        return ", simulated: nobody charges this"
    made_up = figures.short(now.simulated_pico)
    apart = f", and {made_up} simulated" if now.simulated_pico else ""
    return _change(now, before, when) + apart


def _change(now: Sums, before: Sums, when: str) -> str:
    cost, then = money.charged(now), money.charged(before)
    if not (_is_nearly_whole(now) and _is_nearly_whole(before) and cost and then):
        return ""
    partly = ", as far as costs are known" if now.unpriced or before.unpriced else ""
    change = (cost - then) * 100 / then
    if abs(change) < 1:
        how = "as much as"
    elif change > 300:
        how = f"{change / 100 + 1:.0f} times"
    else:
        how = f"{abs(change):.0f} % {'over' if change > 0 else 'under'}"
    return f", {how} {when}{partly}"


def _is_nearly_whole(sums: Sums) -> bool:
    """Failed calls have no cost: a few of them must not end every comparison."""
    return sums.unpriced * UNPRICED_SHARE <= sums.requests
