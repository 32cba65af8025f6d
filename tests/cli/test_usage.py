"""What `dd0c usage` makes of times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dd0c.base.errors import InvalidInput
from dd0c.cli import usage

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("30m", "2026-03-10T11:30:00+00:00"),
        ("24h", "2026-03-09T12:00:00+00:00"),
        ("7d", "2026-03-03T12:00:00+00:00"),
        ("2w", "2026-02-24T12:00:00+00:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T09:00", "2026-03-01T09:00:00+00:00"),
        ("2026-03-01T09:00+02:00", "2026-03-01T07:00:00+00:00"),
    ],
)
def test_times_are_durations_or_dates(text: str | None, moment: str | None) -> None:
    """A time is a length before now, a date or a moment; without a zone it is UTC."""
    assert usage.moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "h", "24", "24 h", "-1h", "yesterday", "999999w", "12345678h"]
)
def test_other_times_are_refused(text: str) -> None:
    """What is no time is refused with an example of one."""
    with pytest.raises(InvalidInput, match="is no time") as caught:
        usage.moment(text, NOW)
    assert "24h" in caught.value.hint
