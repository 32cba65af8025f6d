"""Spool records as rows of the ledger: the table of columns, and what makes any value fit.

A record may hold whatever a caller or a provider wrote: NUL bytes, lone surrogates, names of 10 kB,
numbers beyond 64 bits. None of that may stop the records behind it. Text is mended visibly; a
number that does not fit is null (and then there is no cost either: it could not be vouched for).
Only what would have no place at all, such as an id that is not 16 bytes, makes a record `Unfit`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from dd0c.base import ids
from dd0c.products.route.models import (
    NO_USAGE,
    AttemptClosed,
    AttemptOpened,
    EndReason,
    UsageSource,
)

TEXT_MAX = 256  # characters; an index entry holds at most 2,704 bytes
RAW_BYTES_MAX = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(2020, 2200)  # what route.ensure_partitions makes partitions for


class Unfit(ValueError):
    """A record that has no place in the ledger."""


class Rated(NamedTuple):
    """An attempt from the spool with its first rating; `closed` None means that it is lost."""

    opened: AttemptOpened
    closed: AttemptClosed | None
    cost_pico: int | None
    price_id: str | None
    reason: str | None


class Column(NamedTuple):
    """A column's type, how a value is made to fit it, and the field where that is named apart."""

    type: str
    fit: Callable[[Any], Any]
    field: str | None = None


def clean(text: str | None) -> str | None:
    """Text that PostgreSQL and an index take; what had to be replaced or cut shows."""
    if text is None or (len(text) <= TEXT_MAX and text.isascii() and "\0" not in text):
        return text
    mended = text.replace("\0", "\N{SYMBOL FOR NULL}")
    mended = mended.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if len(mended) > TEXT_MAX:
        mended = f"{mended[: TEXT_MAX - 32]}… ({len(mended)} characters)"
    return mended


def clean_json(raw: bytes | None) -> str | None:
    """JSON as it came, if it is JSON of a sane size; else its beginning as a JSON string."""
    if raw is None:
        return None
    if len(raw) <= RAW_BYTES_MAX:
        try:
            msgspec.json.decode(raw)
            return raw.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return msgspec.json.encode(clean(raw[:RAW_BYTES_MAX].decode("utf-8", "replace"))).decode()


def _whole(bits: int) -> Callable[[int | None], int | None]:
    bound = 1 << bits - 1
    return lambda value: value if value is None or -bound <= value < bound else None


def _attempt(value: int) -> int:
    if not 0 <= value < 1 << 15:
        raise Unfit(f"attempt number {value}")
    return value


def _id(value: bytes | None) -> uuid.UUID | None:
    return None if value is None else uuid.UUID(bytes=value)


def _request_id(value: bytes) -> uuid.UUID:
    request_id = uuid.UUID(bytes=value)
    _moment(ids.time_ms(request_id) * 1000)
    return request_id


def _moment(us: int) -> datetime:
    moment = _EPOCH + timedelta(microseconds=us)
    if moment.year not in _YEARS:
        raise Unfit(f"the time {moment}")
    return moment


def _as_is(value: Any) -> Any:
    return value


_TEXT = Column("text", clean)
_BIGINT = Column("bigint", _whole(64))
_INTEGER = Column("integer", _whole(32))
_UUID = Column("uuid", _id)
_FLAG = Column("boolean", _as_is)
_BYTES = Column("bytea", _as_is)

OPENED = {
    "request_id": Column("uuid", _request_id),
    "attempt": Column("smallint", _attempt),
    "org": _UUID,
    "key_id": _UUID,
    "end_user": _TEXT,
    "conversation": _TEXT,
    "prefix_hash": _BYTES,
    "caller_key": _TEXT,
    "caller_retry": _BIGINT,
    "parent_request": _UUID,
    "parent_kind": _TEXT,
    "endpoint": _TEXT,
    "dialect": _TEXT,
    "stream": _FLAG,
    "requested_model": _TEXT,
    "sent_model": _TEXT,
    "provider": _TEXT,
    "price_provider": _TEXT,
    "credential_id": _UUID,
    "deployment": _TEXT,
    "region": _TEXT,
    "route": _TEXT,
    "route_reason": _TEXT,
    "policy_version": _BIGINT,
    "started_at": Column("timestamptz", _moment, "started_us"),
    "queue_us": Column("bigint", lambda value: _BIGINT.fit(value) or 0),
    "reserved_pico": _BIGINT,
    "trace_id": _BYTES,
}
CLOSED = {
    "final": _FLAG,
    "served_model": _TEXT,
    "service_tier": _TEXT,
    "first_byte_us": _BIGINT,
    "total_us": _BIGINT,
    "status": _INTEGER,
    "upstream_status": _INTEGER,
    "end_reason": _TEXT,
    "error_code": _TEXT,
    "usage_source": _TEXT,
    "usage_error": Column("double precision", _as_is),
    "usage_raw": Column("json", clean_json),
    "delivered_output_tokens": _BIGINT,
    "upstream_output_tokens": _BIGINT,
    "upstream_request_id": _TEXT,
    "bytes_in": _BIGINT,
    "bytes_out": _BIGINT,
}
USAGE = {
    "input_tokens": "input",
    "cache_read_tokens": "cache_read",
    "cache_write_5m_tokens": "cache_write_5m",
    "cache_write_1h_tokens": "cache_write_1h",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
    "audio_input_tokens": "audio_input",
    "audio_output_tokens": "audio_output",
    "image_tokens": "image",
    "server_tools": "server_tools",
}
ATTEMPT_COLUMNS = (*OPENED, *CLOSED, *USAGE)
RATING_TYPES = {"cost_pico": "bigint", "price_id": "text", "reason": "text", "tags": "text[]"}
TYPES = {
    **{name: column.type for name, column in (OPENED | CLOSED).items()},
    **dict.fromkeys(USAGE, "bigint"),
    **RATING_TYPES,
}

# The end that nobody saw. The caller's connection broke with the worker: this was its answer.
_END_UNSEEN = {"final": True, "end_reason": EndReason.LOST, "usage_source": UsageSource.NONE}
_LOST = [_END_UNSEEN.get(name) for name in CLOSED]

_opened = [(attrgetter(column.field or name), column.fit) for name, column in OPENED.items()]
_closed = [(attrgetter(column.field or name), column.fit) for name, column in CLOSED.items()]
_buckets = attrgetter(*USAGE.values())


def row(attempt: Rated) -> list[Any]:
    """The values of a row, in the order of `TYPES`; Unfit when the record cannot be kept."""
    closed = attempt.closed
    usage = _buckets(closed.usage if closed else NO_USAGE)
    counts = [_BIGINT.fit(count) for count in usage]
    try:
        values = [fit(get(attempt.opened)) for get, fit in _opened]
        values += [fit(get(closed)) for get, fit in _closed] if closed else _LOST
    except (ValueError, OverflowError) as error:
        raise Unfit(str(error)) from error
    values += counts
    cost_pico, reason = attempt.cost_pico, attempt.reason
    if cost_pico is not None and (counts != list(usage) or not 0 <= cost_pico < 1 << 63):
        cost_pico, reason = None, "out_of_range"
    values += (cost_pico, clean(attempt.price_id), clean(reason))
    values.append([clean(tag) for tag in attempt.opened.tags])
    return values
