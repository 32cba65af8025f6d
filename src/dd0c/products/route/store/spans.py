"""A span of time in whole days, the whole hours beside them, and what is left at either end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` on, before `until`; None: no bound."""

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Cut:
    """The parts of a span. `days` and `hours` do not overlap and are `whole` together; `edges` are
    the rest, none of them an hour long unless the span has no whole hour at all."""

    whole: Span | None
    days: Span | None
    hours: tuple[Span, ...]
    edges: tuple[Span, ...]


def cut(span: Span, step_s: int | None = None) -> Cut:
    """Cut a span. What will be grouped by `step_s` seconds has no longer parts than that."""
    whole = _inside(span, HOUR) if step_s is None or step_s % 3600 == 0 else None
    if whole is None:
        return Cut(None, None, (), (span,))
    days = _inside(whole, DAY) if step_s is None or step_s % 86_400 == 0 else None
    hours = (whole,) if days is None else tuple(_around(whole, days))
    return Cut(whole, days, hours, tuple(_around(span, whole)))


def widened(span: Span, step: timedelta = HOUR) -> Span:
    """The span with its first and last step whole."""
    since, until = span.since, span.until
    return Span(since and floor(since, step), until and ceil(until, step))


def floor(moment: datetime, step: timedelta) -> datetime:
    """The last whole step (UTC) that is not after a moment."""
    return _EPOCH + (moment - _EPOCH) // step * step


def ceil(moment: datetime, step: timedelta) -> datetime:
    """The first whole step (UTC) that is not before a moment."""
    return _EPOCH - (_EPOCH - moment) // step * step


def _inside(span: Span, step: timedelta) -> Span | None:
    since, until = span.since and ceil(span.since, step), span.until and floor(span.until, step)
    if since is not None and until is not None and since >= until:
        return None
    return Span(since, until)


def _around(outer: Span, inner: Span) -> Iterator[Span]:
    if outer.since != inner.since:
        yield Span(outer.since, inner.since)
    if outer.until != inner.until:
        yield Span(inner.until, outer.until)
