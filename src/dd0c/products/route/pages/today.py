"""Today in words: how it stands against a week ago, and what is not in the sum."""

from __future__ import annotations

from datetime import datetime, timedelta

from dd0c.kernel.web.console import figures
from dd0c.products.route.pages import comparison
from dd0c.products.route.store.overview import Totals

WEEK = timedelta(days=7)


def words(today: Totals, week_ago: Totals, now: datetime) -> str:
    """How today stands against the same weekday until the same time."""
    return comparison.words(today, week_ago, f"last {now - WEEK:%A} at this time")


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
