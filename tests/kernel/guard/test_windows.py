"""Windows of time in any time zone: no gaps, no overlaps, from midnight to midnight (R-16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.kernel.guard.windows import Span, Window, window_of

FIRST_S = int(datetime(1970, 1, 8, tzinfo=UTC).timestamp())
LAST_S = int(datetime(2037, 12, 1, tzinfo=UTC).timestamp())
HARD = (
    "Asia/Kathmandu",  # an hour begins at a quarter past
    "America/St_Johns",  # clocks went back at one minute past midnight: the day began twice
    "America/Sao_Paulo",  # clocks went forward at midnight: there was none
    "America/Havana",  # clocks go back to midnight: it comes twice
    "Pacific/Apia",  # 30 December 2011 was left out
    "Pacific/Kwajalein",  # so was 21 August 1993
    "Australia/Lord_Howe",  # clocks change by half an hour
    "Africa/Monrovia",  # 44:30 from UTC until 1972
    "America/Toronto",  # in 1919 half past eleven at night became half past midnight
    "Europe/Berlin",
    "UTC",
)
ZONES = st.sampled_from(HARD) | st.sampled_from(sorted(available_timezones()))
SPANS = st.sampled_from([span for span in Span if span is not Span.TOTAL])
CHANGES = {
    "America/St_Johns": datetime(2006, 10, 29, 2, 31, tzinfo=UTC),
    "America/Sao_Paulo": datetime(2018, 11, 4, 3, 0, tzinfo=UTC),
    "America/Havana": datetime(2024, 11, 3, 5, 0, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 30, 10, 0, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2024, 4, 6, 15, 0, tzinfo=UTC),
    "Europe/Berlin": datetime(2024, 3, 31, 1, 0, tzinfo=UTC),
}


@st.composite
def instants(draw: st.DrawFn) -> tuple[int, ZoneInfo]:
    """Any instant in any zone, often one around a change of the clocks."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(CHANGES)))
        near = draw(st.integers(-2 * 86400, 2 * 86400) | st.integers(-3700, 3700))
        return int(CHANGES[name].timestamp()) + near, ZoneInfo(name)
    return draw(st.integers(FIRST_S, LAST_S)), ZoneInfo(draw(ZONES))


def wall(at_s: int, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows."""
    return datetime.fromtimestamp(at_s, zone).replace(tzinfo=None)


def shows(at_s: int, zone: ZoneInfo) -> str:
    return wall(at_s, zone).isoformat(" ")


def seconds(text: str, zone: str = "UTC") -> int:
    """When a clock of that zone shows it first."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@given(instants(), SPANS, st.integers(0, 2**32))
def test_windows_tile_time(instant: tuple[int, ZoneInfo], span: Span, chance: int) -> None:
    """R-16: an instant lies in its window, every instant of the window in the same one, and the
    windows before and after touch it."""
    at_s, zone = instant
    window = window_of(span, at_s, zone)
    assert window.until_s is not None
    assert window.from_s <= at_s < window.until_s
    inside = window.from_s + chance % (window.until_s - window.from_s)
    for same in (window.from_s, inside, window.until_s - 1):
        assert window_of(span, same, zone) == window
    assert window_of(span, window.until_s, zone).from_s == window.until_s
    assert window_of(span, window.from_s - 1, zone).until_s == window.from_s


@given(instants(), SPANS)
def test_windows_begin_where_the_clock_says(instant: tuple[int, ZoneInfo], span: Span) -> None:
    """R-16: a window begins when the wall clock shows the beginning of the minute, hour, day, week
    or month, or, where the clock jumped, at the first instant after."""
    at_s, zone = instant
    from_s = window_of(span, at_s, zone).from_s
    shown, before = wall(from_s, zone), wall(from_s - 1, zone)
    begins = shown.replace(second=0)
    if span is not Span.MINUTE:
        begins = begins.replace(minute=0)
    if span not in (Span.MINUTE, Span.HOUR):
        begins = begins.replace(hour=0)
    if span is Span.WEEK:
        begins -= timedelta(days=begins.weekday())
    if span is Span.MONTH:
        begins = begins.replace(day=1)
    jumped = shown - before != timedelta(seconds=1)
    assert shown == begins or jumped
    if span in (Span.DAY, Span.WEEK, Span.MONTH):
        assert before < begins, "the one before had begun it"


def test_days_of_23_and_25_hours_and_none() -> None:
    """R-16: the days on which clocks change, by the hour, from the rules of each country."""
    for zone, noon, from_utc, hours in (
        ("Europe/Berlin", "2024-03-31 12:00", "2024-03-30 23:00", 23),
        ("Europe/Berlin", "2024-10-27 12:00", "2024-10-26 22:00", 25),
        ("America/Sao_Paulo", "2018-11-04 12:00", "2018-11-04 03:00", 23),
        ("America/Havana", "2024-11-03 12:00", "2024-11-03 04:00", 25),
        ("Asia/Kathmandu", "2024-01-01 12:00", "2023-12-31 18:15", 24),
        ("Pacific/Apia", "2011-12-29 12:00", "2011-12-29 10:00", 24),
        ("Pacific/Apia", "2011-12-31 12:00", "2011-12-30 10:00", 24),
    ):
        found = window_of("day", seconds(noon, zone), ZoneInfo(zone))
        assert found == Window(seconds(from_utc), seconds(from_utc) + hours * 3600), (zone, noon)


def test_midnight_that_comes_twice() -> None:
    """R-16: in Newfoundland of 2006 the clock went from 00:01 back to 23:01 of the day before; the
    new day began at its first midnight, 02:30 UTC, and is 25 hours long."""
    zone = ZoneInfo("America/St_Johns")
    twice = Window(seconds("2006-10-29 02:30"), seconds("2006-10-30 03:30"))
    again = seconds("2006-10-29 03:00")
    assert shows(again, zone) == "2006-10-28 23:30:00"
    assert window_of("day", again, zone) == twice
    assert window_of("day", twice.from_s, zone) == twice


def test_midnight_inside_a_jump() -> None:
    """R-16: in Toronto of 1919 half past eleven became half past midnight: the day began there."""
    zone = ZoneInfo("America/Toronto")
    jump = seconds("1919-03-31 04:30")
    assert shows(jump - 1, zone) == "1919-03-30 23:29:59"
    assert shows(jump, zone) == "1919-03-31 00:30:00"
    assert window_of("day", jump, zone) == Window(jump, seconds("1919-04-01 04:00"))
    assert window_of("week", jump, zone).from_s == jump
    assert window_of("hour", jump, zone) == Window(jump, jump + 1800)


def test_hours_that_come_twice_or_by_halves() -> None:
    """R-16: the hour that comes twice is two windows; half an hour of change makes a short one."""
    berlin, lord_howe = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
    first = seconds("2024-10-27 00:00")
    assert shows(first, berlin) == shows(first + 3600, berlin) == "2024-10-27 02:00:00"
    assert window_of("hour", first + 60, berlin) == Window(first, first + 3600)
    assert window_of("hour", first + 3660, berlin) == Window(first + 3600, first + 7200)
    back = seconds("2024-04-06 15:00")
    assert window_of("hour", back - 1, lord_howe) == Window(back - 3600, back)
    assert window_of("hour", back, lord_howe) == Window(back, back + 1800)
    kathmandu = window_of("hour", seconds("2024-01-01 00:00"), ZoneInfo("Asia/Kathmandu"))
    assert kathmandu == Window(seconds("2023-12-31 23:15"), seconds("2024-01-01 00:15"))


def test_ends_of_months_and_years() -> None:
    """R-16: months end on their last day, leap years too; weeks begin on Monday; total is all."""
    new_york = ZoneInfo("America/New_York")
    leap = window_of("month", seconds("2024-02-29 23:59", "America/New_York"), new_york)
    assert leap == Window(seconds("2024-02-01 05:00"), seconds("2024-03-01 05:00"))
    december = window_of("month", seconds("2025-12-31 20:00", "America/New_York"), new_york)
    assert december == Window(seconds("2025-12-01 05:00"), seconds("2026-01-01 05:00"))
    march = window_of("month", seconds("2024-03-20"), new_york)  # begins in winter, ends in summer
    assert march == Window(seconds("2024-03-01 05:00"), seconds("2024-04-01 04:00"))
    week = window_of("week", seconds("2026-01-01 12:00"), ZoneInfo("UTC"))
    assert week == Window(seconds("2025-12-29"), seconds("2026-01-05"))
    assert window_of("total", LAST_S, new_york) == Window(0, None)
    with pytest.raises(ValueError, match="fortnight"):
        window_of("fortnight", LAST_S, new_york)
