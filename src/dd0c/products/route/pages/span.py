"""The time range of a page, kept in its address: `?range=24h`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dd0c.kernel.web.console import links


class Range(StrEnum):
    """How far back a page looks."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


@dataclass(frozen=True, slots=True)
class Span:
    """A range in words, its length, and the width of one bar of a chart over it."""

    label: str
    words: str
    length: timedelta
    step_s: int
    step_words: str
    label_format: str


SPANS = {
    Range.HOUR: Span("1 h", "the last hour", timedelta(hours=1), 300, "5 minutes", "%H:%M"),
    Range.DAY: Span("24 h", "the last 24 h", timedelta(days=1), 3600, "hour", "%H:%M"),
    Range.WEEK: Span("7 d", "the last 7 days", timedelta(days=7), 21_600, "6 hours", "%b %d"),
    Range.MONTH: Span("30 d", "the last 30 days", timedelta(days=30), 86_400, "day", "%b %d"),
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
    first, last = (int(at.timestamp()) // span.step_s for at in (now - span.length, now))
    return range(first, last + 1)
