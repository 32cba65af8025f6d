"""Moments as people write them on a command line: a length (`24h`), a date, a date with a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dd0c.base.errors import InvalidInput

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def before(text: str | None, now: datetime) -> str | None:
    """A time as the API takes it; a length is that long before `now`."""
    return _moment(text, now, -1)


def after(text: str | None, now: datetime) -> str | None:
    """A time as the API takes it; a length is that long after `now`."""
    return _moment(text, now, 1)


def seconds(text: str) -> int:
    """A length in seconds."""
    if (length := _length(text)) is None:
        raise InvalidInput(f"{text!r} is no length of time", hint="write 30m, 24h, 7d or 2w")
    return int(length.total_seconds())


def _length(text: str) -> timedelta | None:
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def _moment(text: str | None, now: datetime, sign: int) -> str | None:
    if text is None:
        return None
    try:
        if (length := _length(text)) is not None:
            then = now + sign * length
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return then.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} is no time", hint="write 30m, 24h, 7d, 2026-11-01 or 2026-11-01T09:00"
        ) from None
