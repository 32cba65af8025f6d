"""Windows of time in an organisation's own time zone: minute, hour, day, week, month, total.

A window begins where the wall clock shows the beginning of it, or at the first instant after that
where the clock jumps over it, and lasts until the next begins. So windows have no gaps and do not
overlap, whatever a country does with its clocks: a day of 23 or 25 hours is one day, midnight that
comes twice begins the day once, and the day that Samoa left out in 2011 has no window.

An hour is an hour of the wall clock: the one that comes twice in autumn is two windows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec


class Span(StrEnum):
    """How long a window is. A week begins on Monday."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Window(msgspec.Struct, frozen=True):
    """From and until in Unix seconds; `until_s` is not in it, and None where it has no end."""

    from_s: int
    until_s: int | None


_CLOCK = {Span.MINUTE: 60, Span.HOUR: 3600}
_TOTAL = Window(0, None)


def window_of(span: str, at_s: int, zone: ZoneInfo) -> Window:
    """The window that an instant lies in. ValueError when there is no such span."""
    span = Span(span)
    if span is Span.TOTAL:
        return _TOTAL
    if span in _CLOCK:
        return _of_clock(_CLOCK[span], at_s, zone)
    return _of_calendar(span, at_s, zone)


def _of_clock(length_s: int, at_s: int, zone: ZoneInfo) -> Window:
    """All instants around it with its hour (or minute) on the clock, and its offset from UTC."""
    offset_s = _offset_s(at_s, zone)
    from_s = at_s - (at_s + offset_s) % length_s
    until_s = from_s + length_s
    if _offset_s(from_s, zone) != offset_s:
        from_s = _first(from_s, at_s, lambda s: _offset_s(s, zone) == offset_s)
    if _offset_s(until_s - 1, zone) != offset_s:
        until_s = _first(at_s, until_s, lambda s: _offset_s(s, zone) != offset_s)
    return Window(from_s, until_s)


def _of_calendar(span: Span, at_s: int, zone: ZoneInfo) -> Window:
    """The days around it; where midnight came twice its own date may be one too early."""
    first = _first_day(span, datetime.fromtimestamp(at_s, zone).date())
    while (until_s := _midnight_s(_next(span, first), zone)) <= at_s:
        first = _next(span, first)
    return Window(_midnight_s(first, zone), until_s)


def _first_day(span: Span, day: date) -> date:
    match span:
        case Span.WEEK:
            return day - timedelta(days=day.weekday())
        case Span.MONTH:
            return day.replace(day=1)
        case _:
            return day


def _next(span: Span, first: date) -> date:
    longest = {Span.DAY: 1, Span.WEEK: 7, Span.MONTH: 31}[span]
    return _first_day(span, first + timedelta(days=longest))


def _midnight_s(day: date, zone: ZoneInfo) -> int:
    """The first instant at which the clock shows midnight, or the first after a jump over it.

    In a jump `fold` 0 and 1 read the clock with the offset before and after it (PEP 495), which
    gives two instants with the jump between them.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    after = int(midnight.timestamp())
    before = int(midnight.replace(fold=1).timestamp())
    if before >= after:
        return after
    wall = midnight.replace(tzinfo=None)
    return _first(before, after, lambda s: _wall(s, zone) >= wall)


def _first(low: int, high: int, true: Callable[[int], bool]) -> int:
    """The first second in (low, high] for which it is true, as it stays until high."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle, high)
    return high


def _wall(at_s: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at_s, zone).replace(tzinfo=None)


def _offset_s(at_s: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
