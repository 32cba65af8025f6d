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


def _moment(text: str | None, now: datetime, sign: int) -> str | None:
    if text is None:
        return None
    try:
        if match := re.fullmatch(r"(\d{1,6})([mhdw])", text):
            then = now + sign * timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return then.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} is no time", hint="write 30m, 24h, 7d, 2026-11-01 or 2026-11-01T09:00"
        ) from None
