"""Today in words: what it cost, how that stands against a week ago, and what is not in the sum."""

from __future__ import annotations

from datetime import datetime, timedelta

from dd0c.kernel.web.console import figures
from dd0c.products.route.pages import money
from dd0c.products.route.store.overview import Totals

WEEK = timedelta(days=7)
UNPRICED_SHARE = 20  # one of so many without a cost is few enough to compare


def number(today: Totals) -> int | None:
    """The amount of the headline: what is charged, or where nothing is, what was simulated."""
    return today.simulated_pico if money.is_made_up(today) else money.charged(today)


def comparison(today: Totals, week_ago: Totals, now: datetime) -> str:
    """How today stands against the same weekday until the same time; nothing without a basis.

    Only sums that are whole, or nearly and then said to be, are compared, and only what is charged:
    money that nobody charges is called so.
    """
    if today.cost_pico is None:
        return ", cost unknown"
    if money.is_made_up(today):
        return ", simulated: nobody charges this"
    made_up = figures.short(today.simulated_pico)
    apart = f", and {made_up} simulated" if today.simulated_pico else ""
    return _change(today, week_ago, f"last {now - WEEK:%A}") + apart


def _change(today: Totals, before: Totals, when: str) -> str:
    now, then = money.charged(today), money.charged(before)
    if not (_is_nearly_whole(today) and _is_nearly_whole(before) and now and then):
        return ""
    partly = ", as far as costs are known" if today.unpriced or before.unpriced else ""
    change = (now - then) * 100 / then
    if abs(change) < 1:
        how = "as much as"
    elif change > 300:
        how = f"{change / 100 + 1:.0f} times"
    else:
        how = f"{abs(change):.0f} % {'over' if change > 0 else 'under'}"
    return f", {how} {when} at this time{partly}"


def _is_nearly_whole(sums: Totals) -> bool:
    """Failed calls have no cost: a few of them must not end every comparison."""
    return sums.unpriced * UNPRICED_SHARE <= sums.requests


def lead(today: Totals, week_ago: Totals, now: datetime) -> str:
    """Requests, failures and what is not in the sum, in a sentence or three."""
    if not today.requests:
        return "No request since 00:00 UTC."
    failed = f"{today.failed:,} failed for callers" if today.failed else "none failed"
    text = f"{figures.plural(today.requests, 'request')} since 00:00 UTC, {failed}."
    if today.unpriced:
        text += (
            f" {figures.plural(today.unpriced, 'attempt')} without a known cost, not in the sum."
        )
    if not week_ago.requests:
        text += f" Last {now - WEEK:%A} by this time there was none to compare with."
    return text
