"""The time range of a page, kept in its address: `?range=24h`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from dd0c.kernel.web.console import links


class Range(StrEnum):
    """How far back a page looks."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    THIS_MONTH = "month"


@dataclass(frozen=True, slots=True)
class Span:
    """A range in words, its length, and the width of one bar of a chart over it.

    `length` None: since the month began, in UTC as all days of the console.
    """

    label: str
    words: str
    length: timedelta | None
    step_s: int
    step_words: str
    label_format: str

    def since(self, now: datetime) -> datetime:
        """Where it begins."""
        if self.length is not None:
            return now - self.length
        return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def before(self, now: datetime) -> tuple[datetime, datetime]:
        """What to compare it with: as long a time right before it, or as much of the last month,
        which may be all of it."""
        since = self.since(now)
        if self.length is not None:
            return since - self.length, since
        began = (since - timedelta(days=1)).replace(day=1)
        return began, min(since, began + (now - since))

    def before_words(self, now: datetime) -> str:
        """What `before` is called."""
        if self.length is not None:
            return f"{self.words.replace('last ', '')} before"
        return f"as much of {self.before(now)[0]:%B}"


SPANS = {
    Range.HOUR: Span("1 h", "the last hour", timedelta(hours=1), 300, "5 minutes", "%H:%M"),
    Range.DAY: Span("24 h", "the last 24 h", timedelta(days=1), 3600, "hour", "%H:%M"),
    Range.WEEK: Span("7 d", "the last 7 days", timedelta(days=7), 43_200, "12 hours", "%b %d"),
    Range.MONTH: Span("30 d", "the last 30 days", timedelta(days=30), 86_400, "day", "%b %d"),
    Range.THIS_MONTH: Span("Month", "this month", None, 86_400, "day", "%b %d"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of the range switch."""

    label: str
    href: str
    current: bool


def options(path: str, chosen: Range, kept: dict[str, str]) -> list[Option]:
    """The range switch of a page, keeping its other filters."""
    return [
        Option(span.label, links.to(path, {"range": name, **kept}), name == chosen)
        for name, span in SPANS.items()
    ]


def slots(now: datetime, span: Span) -> range:
    """The slots of `step_s` seconds since 1970 that the span up to now touches.

    The first and the last are there in part: the sum over all is that of the span.
    """
    first, last = (int(at.timestamp()) // span.step_s for at in (span.since(now), now))
    return range(first, last + 1)
