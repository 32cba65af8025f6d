"""Spans of time in whole days, whole hours and the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.store import spans
from dd0c.products.route.store.spans import Cut, Span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(-(10**9), 6 * 10**9).map(
    lambda n: EPOCH + timedelta(seconds=n, microseconds=7)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}+00:00")


def test_a_span_is_cut_at_hours_and_days() -> None:
    """Worked out by hand: two days and a half, seen from the middle of an hour to its like."""
    found = spans.cut(Span(at("03T09:30"), at("06T15:10")))
    assert found == Cut(
        whole=Span(at("03T10:00"), at("06T15:00")),
        days=Span(at("04T00:00"), at("06T00:00")),
        hours=(Span(at("03T10:00"), at("04T00:00")), Span(at("06T00:00"), at("06T15:00"))),
        edges=(Span(at("03T09:30"), at("03T10:00")), Span(at("06T15:00"), at("06T15:10"))),
    )
    everything = spans.cut(Span(None, None))
    assert everything == Cut(Span(None, None), Span(None, None), (), ())
    inside = Span(at("03T09:10"), at("03T09:50"))
    assert spans.cut(inside) == Cut(None, None, (), (inside,))


def test_what_is_grouped_by_less_has_no_longer_parts() -> None:
    """A chart by the hour takes no days, one by five minutes takes the ledger."""
    span = Span(at("03T09:30"), None)
    assert spans.cut(span, 86_400).days is not None
    assert spans.cut(span, 21_600).days is None
    assert spans.cut(span, 21_600).hours == (Span(at("03T10:00"), None),)
    assert spans.cut(span, 300) == Cut(None, None, (), (span,))


@given(MOMENTS, MOMENTS, st.sampled_from([None, 300, 3600, 86_400]))
def test_the_parts_are_the_span(one: datetime, other: datetime, step_s: int | None) -> None:
    """Parts follow each other without gap or overlap, from one end of the span to the other."""
    span = Span(min(one, other), max(one, other))
    found = spans.cut(span, step_s)
    days = () if found.days is None else (found.days,)
    parts = [part for part in (*days, *found.hours, *found.edges) if part.since != part.until]
    parts.sort(key=lambda part: str(part.since))
    bounds = [bound for part in parts for bound in (part.since, part.until)]
    assert bounds[1:-1:2] == bounds[2:-1:2]
    if span.since != span.until:
        assert (bounds[0], bounds[-1]) == (span.since, span.until)
    assert all(part.since and part.since.minute == 0 for part in (*days, *found.hours))
    if step_s != 300:
        lengths = [p.until - p.since for p in found.edges if p.until and p.since]
        assert sum(lengths, timedelta()) < timedelta(hours=2)
