"""Spool records as rows of the ledger: the table of columns, and what makes any value fit.

A record may hold whatever a caller or a provider wrote: NUL bytes, lone surrogates, names of 10 kB,
numbers beyond 64 bits. None of that may stop the records behind it. Text is mended visibly; a
number that does not fit is null (and then there is no cost either: it could not be vouched for).
Only what would have no place at all, such as an id that is not 16 bytes, makes a record `Unfit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec

from dd0c.products.route.models import (
    NO_USAGE,
    AttemptClosed,
    AttemptOpened,
    EndReason,
    UsageSource,
)

TEXT_MAX = 256  # characters; an index entry holds at most 2,704 bytes
RAW_BYTES_MAX = 16_384
_BIGINT = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 2020 to 2200: what route.ensure_partitions makes partitions for.
_MILLISECONDS = range(1_577_836_800_000, 7_258_118_400_000)


class Unfit(ValueError):
    """A record that has no place in the ledger."""


class Rated(NamedTuple):
    """An attempt from the spool with its first rating; `closed` None means that it is lost."""

    opened: AttemptOpened
    closed: AttemptClosed | None
    cost_pico: int | None
    price_id: str | None
    reason: str | None


def clean(text: str) -> str:
    """Text that PostgreSQL and an index take; what had to be replaced or cut shows."""
    if len(text) <= TEXT_MAX and text.isascii() and "\0" not in text:
        return text
    mended = text.replace("\0", "\N{SYMBOL FOR NULL}")
    mended = mended.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if len(mended) > TEXT_MAX:
        mended = f"{mended[: TEXT_MAX - 32]}… ({len(mended)} characters)"
    return mended


def clean_json(raw: bytes) -> str:
    """JSON as it came, if it is JSON of a sane size; else its beginning as a JSON string."""
    if len(raw) <= RAW_BYTES_MAX:
        try:
            msgspec.json.decode(raw)
            return raw.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return msgspec.json.encode(clean(raw[:RAW_BYTES_MAX].decode("utf-8", "replace"))).decode()


def _attempt(value: int) -> int:
    if not 0 <= value < 1 << 15:
        raise Unfit(f"attempt number {value}")
    return value


def _id(value: bytes) -> str:
    if len(value) != 16:
        raise Unfit(f"an id of {len(value)} bytes")
    return value.hex()


def _request_id(value: bytes) -> str:
    if int.from_bytes(value[:6], "big") not in _MILLISECONDS:  # the time in it has no partition
        raise Unfit(f"the request id {value.hex()}")
    return _id(value)


def _tags(values: tuple[str, ...]) -> list[str]:
    return sorted({clean(value) for value in values})


def _moment(us: int) -> datetime:
    if us // 1000 not in _MILLISECONDS:
        raise Unfit(f"the time {us}")
    return _EPOCH + timedelta(microseconds=us)


# The columns in the order of a row. Texts and numbers are named like their fields.
_OPENED_TEXTS = (
    *("end_user", "conversation", "caller_key", "parent_kind", "endpoint", "dialect"),
    *("requested_model", "sent_model", "provider", "price_provider", "deployment", "region"),
    *("route", "route_reason"),
)
_CLOSED_TEXTS = (
    *("served_model", "service_tier", "end_reason", "error_code", "usage_source"),
    "upstream_request_id",
)
_OPENED_NUMBERS = ("caller_retry", "policy_version", "queue_us", "reserved_pico")
_CLOSED_NUMBERS = (
    *("first_byte_us", "total_us", "status", "upstream_status", "delivered_output_tokens"),
    *("upstream_output_tokens", "bytes_in", "bytes_out"),
)
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
# What fits as it is, with its type.
_OPENED_PLAIN = {"stream": "boolean", "prefix_hash": "bytea", "trace_id": "bytea"}
_CLOSED_PLAIN = {"final": "boolean", "usage_error": "double precision"}
# The others, with type, field and what makes a value fit.
_OPENED_OTHERS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "request_id": ("uuid", "request_id", _request_id),
    "attempt": ("smallint", "attempt", _attempt),
    "org": ("uuid", "org", _id),
    "team": ("uuid", "team", _id),
    "key_id": ("uuid", "key_id", _id),
    "parent_request": ("uuid", "parent_request", _id),
    "credential_id": ("uuid", "credential_id", _id),
    "started_at": ("timestamptz", "started_us", _moment),
    "tags": ("text[]", "tags", _tags),
}
_CLOSED_OTHERS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "usage_raw": ("json", "usage_raw", clean_json),
}
_TYPES_OF_ATTEMPT = {
    **dict.fromkeys((*_OPENED_TEXTS, *_CLOSED_TEXTS), "text"),
    **dict.fromkeys((*_OPENED_NUMBERS, *_CLOSED_NUMBERS, *USAGE), "bigint"),
    **_OPENED_PLAIN,
    **_CLOSED_PLAIN,
    **{name: kind for name, (kind, _, _) in (_OPENED_OTHERS | _CLOSED_OTHERS).items()},
}
ATTEMPT_COLUMNS = tuple(_TYPES_OF_ATTEMPT)
TYPES = {
    **_TYPES_OF_ATTEMPT,
    "cost_pico": "bigint",
    "cost_delivered_pico": "bigint",
    "cost_upstream_pico": "bigint",
    "price_id": "text",
    "reason": "text",
}

_opened_texts, _closed_texts = attrgetter(*_OPENED_TEXTS), attrgetter(*_CLOSED_TEXTS)
_opened_numbers, _closed_numbers = attrgetter(*_OPENED_NUMBERS), attrgetter(*_CLOSED_NUMBERS)
_usage = attrgetter(*USAGE.values())
_charged = itemgetter(*map([*TYPES].index, ("cost_pico", "reserved_pico")))
_parts = attrgetter("cost_delivered_pico", "cost_upstream_pico")
_opened_plain, _closed_plain = attrgetter(*_OPENED_PLAIN), attrgetter(*_CLOSED_PLAIN)
_opened_others = [(attrgetter(field), fit) for _, field, fit in _OPENED_OTHERS.values()]
_closed_others = [(attrgetter(field), fit) for _, field, fit in _CLOSED_OTHERS.values()]

# The end that nobody saw. The caller's connection broke with the worker: this was its answer.
_LOST = {"end_reason": EndReason.LOST, "usage_source": UsageSource.NONE, "final": True}
_lost_texts = tuple(_LOST.get(name) for name in _CLOSED_TEXTS)
_lost_numbers = (None,) * len(_CLOSED_NUMBERS)
_lost_plain = tuple(_LOST.get(name) for name in _CLOSED_PLAIN)
_lost_others = [_LOST.get(name) for name in _CLOSED_OTHERS]


def row(attempt: Rated) -> list[Any]:
    """The values of a row, in the order of `TYPES`; Unfit when the record cannot be kept."""
    opened, closed = attempt.opened, attempt.closed
    usage = _usage(closed.usage if closed else NO_USAGE)
    counts = _numbers(usage)
    values = [
        *_texts(_opened_texts(opened) + (_closed_texts(closed) if closed else _lost_texts)),
        *_numbers(_opened_numbers(opened) + (_closed_numbers(closed) if closed else _lost_numbers)),
        *counts,
        *_opened_plain(opened),
        *(_closed_plain(closed) if closed else _lost_plain),
        *_others(_opened_others, opened),
        *(_others(_closed_others, closed) if closed else _lost_others),
    ]
    costs = (attempt.cost_pico, *(_parts(closed) if closed else (None, None)))
    fit = [c if c is not None and counts == usage and 0 <= c < _BIGINT else None for c in costs]
    reason = attempt.reason if fit[0] == costs[0] else "out_of_range"
    values += (*fit, *_texts((attempt.price_id, reason)))
    return values


def charged_pico(row: Sequence[Any]) -> int:
    """What the ledger makes of a row for budgets: its column `charged_pico`."""
    cost, reserved = _charged(row)
    return cost if cost is not None else reserved or 0


def _texts(values: tuple[str | None, ...]) -> Sequence[str | None]:
    """Texts that fit. Looking at all at once first makes a row three times as fast."""
    present = [value for value in values if value is not None]
    joined = "".join(present)
    if joined.isascii() and "\0" not in joined and max(map(len, present), default=0) <= TEXT_MAX:
        return values
    return [None if value is None else clean(value) for value in values]


def _numbers(values: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Numbers that fit 64 bits, None for the others."""
    present = [value for value in values if value is not None]
    if min(present, default=0) >= -_BIGINT and max(present, default=0) < _BIGINT:
        return values
    return tuple([v if v is not None and -_BIGINT <= v < _BIGINT else None for v in values])


def _others(
    fields: Iterable[tuple[Callable[[Any], Any], Callable[[Any], Any]]], record: object
) -> list[Any]:
    return [None if (value := get(record)) is None else fit(value) for get, fit in fields]
