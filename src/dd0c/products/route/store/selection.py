"""Which attempts: the filter of every list and sum, as SQL on the ledger.

A request's time is the one inside its id, for filters, order and days alike: all attempts of a
request are in the same place, and a span of time is a span of the primary key. Values stand in the
statement as literals: what is planned knows them, and a span that reaches one partition reads one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg.sql import SQL, Composed, Literal

from dd0c.base import ids
from dd0c.products.route.models import FREE_ENDPOINTS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EQUAL = {
    "model": "requested_model",
    "key_id": "key_id",
    "team": "team",
    "provider": "provider",
    "end_reason": "end_reason",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests: all conditions hold, None does not restrict. `until` is not included.

    `unpriced`: only those without a known cost. `simulated`: only what the simulator answered, or
    only the rest. `answers_only`: lists leave out calls that use no tokens, as sums always do.
    `key_id` is the first of a line of keys. `before` and `after` continue a list after its last
    request, or before its first one (see `RequestPage`); they do not restrict sums.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    key_id: uuid.UUID | None = None
    provider: str | None = None
    end_reason: str | None = None
    team: uuid.UUID | None = None
    tag: str | None = None
    unpriced: bool = False
    simulated: bool | None = None
    answers_only: bool = False
    before: uuid.UUID | None = None
    after: uuid.UUID | None = None

    @property
    def narrowed(self) -> int:
        """How many conditions there are besides the span; one that no index serves counts twice."""
        named = sum(getattr(self, name) is not None for name in (*_EQUAL, "tag"))
        return named + self.unpriced + 2 * (self.simulated is not None)


def equal(wanted: Filter, alias: str) -> Iterator[Composed]:
    """The conditions on columns that the ledger and its roll-ups share: all but that on tags."""
    for name, column in _EQUAL.items():
        if (value := getattr(wanted, name)) is not None:
            yield SQL("{}.{} = {}").format(SQL(alias), SQL(column), Literal(value))
    if wanted.simulated is not None:
        yield SQL(
            "({}.credential_id IN (SELECT id FROM route.providers WHERE simulated)) IS {} TRUE"
        ).format(SQL(alias), SQL("" if wanted.simulated else "NOT"))


def charging(alias: str) -> Composed:
    """That it is no call of a free endpoint."""
    return SQL("{}.endpoint <> ALL({})").format(SQL(alias), Literal(sorted(FREE_ENDPOINTS)))


def spanned(wanted: Filter, alias: str) -> Iterator[Composed]:
    """The span of time as a span of request ids."""
    if wanted.since is not None:
        yield SQL("{}.request_id >= {}").format(SQL(alias), Literal(first_id(wanted.since)))
    if wanted.until is not None:
        yield SQL("{}.request_id < {}").format(SQL(alias), Literal(first_id(wanted.until)))


def placed(wanted: Filter, alias: str) -> Iterator[Composed]:
    """The span of time, and where in it a list goes on."""
    yield from spanned(wanted, alias)
    if wanted.before is not None:
        yield SQL("{}.request_id < {}").format(SQL(alias), Literal(wanted.before))
    if wanted.after is not None:
        yield SQL("{}.request_id > {}").format(SQL(alias), Literal(wanted.after))


def every(*conditions: Composed) -> Composed:
    """All of the conditions; true when there is none."""
    return SQL(" AND ").join(conditions or (SQL("true").format(),))


def first_id(moment: datetime) -> uuid.UUID:
    """The smallest request id of a moment."""
    return ids.first_of((moment - _EPOCH) // timedelta(milliseconds=1))


def time_of(request_id: uuid.UUID) -> datetime:
    """The moment inside a request id."""
    return _EPOCH + timedelta(milliseconds=ids.time_ms(request_id))
