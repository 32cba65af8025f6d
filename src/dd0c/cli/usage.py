"""`dd0c usage`: what was used and what it cost, straight from the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import InvalidInput
from dd0c.cli import client, output

COLUMNS = ("requests", "input", "cached", "cache write", "output", "cost USD", "unpriced")
MONEY_DIGITS = 6  # at least: so that the points of a column of small amounts stand in line
UNKNOWN = "–"
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command()
@click.option(
    "--by", type=click.Choice(["model", "key", "day"]), default="model", help="One row for each."
)
@click.option("--since", metavar="WHEN", help="From then on: 30m, 24h, 7d, or 2026-11-01[T09:00].")
@click.option("--until", metavar="WHEN", help="Until then; default now.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer as CSV on stdout.")
@output.json_option
def usage(by: str, since: str | None, until: str | None, as_csv: bool, as_json: bool) -> None:
    """Requests, tokens and cost, exact to the ledger's last digit.

    A request whose price is unknown is counted as unpriced; it is never taken as free. What a
    simulated provider would have charged is said under the table. --json and --csv have every kind
    of token apart, reasoning and both kinds of cache writes too.

    \b
    Examples:
      dd0c usage                           everything, by model
      dd0c usage --by key --since 24h      who spent it
      dd0c usage --by day --since 30d --csv > usage.csv
      dd0c usage --json | jq .total.cost_usd
    """
    if as_csv and as_json:
        raise InvalidInput("--csv and --json exclude each other")
    now = SystemClock().now()
    query = {"by": by, "since": moment(since, now), "until": moment(until, now)}
    if as_csv:
        for piece in client.stream_text("/route/usage", query | {"format": "csv"}):
            click.echo(piece, nl=False)
        return
    found = client.call("GET", "/route/usage", query=query)
    if as_json:
        output.write_json(found)
        return
    total = found["total"]
    digits = _digits([row["cost_usd"] for row in (*found["rows"], total)])
    rows = [_cells(row[by] or "(none)", row, digits) for row in found["rows"]]
    rows.append(_cells("total", total, digits))
    output.write_table((by, *COLUMNS), rows, numeric=frozenset(range(1, len(COLUMNS) + 1)))
    if Decimal(total["simulated_cost_usd"] or 0):
        click.echo(f"of which {total['simulated_cost_usd']} USD simulated: nobody charges it")


def moment(text: str | None, now: datetime) -> str | None:
    """A time as the API takes it, from `24h` (that long before `now`) or an ISO date or time."""
    if text is None:
        return None
    try:
        if match := re.fullmatch(r"(\d{1,6})([mhdw])", text):
            then = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return then.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text!r} is no time", hint="write 30m, 24h, 7d, 2026-11-01 or 2026-11-01T09:00"
        ) from None


def _digits(costs: Iterable[str | None]) -> int:
    """Decimal places that show each of these amounts exactly."""
    return max([MONEY_DIGITS, *(len(cost.partition(".")[2]) for cost in costs if cost)])


def _cells(name: str, row: dict[str, Any], digits: int) -> tuple[str, ...]:
    """A line of the table: a dash is a count or a cost that nobody knows, which is not 0."""
    writes = [row[n] for n in ("cache_write_5m", "cache_write_1h") if row[n] is not None]
    counts = (
        row["requests"],
        row["input"],
        row["cache_read"],
        sum(writes) if writes else None,
        row["output"],
    )
    cost = UNKNOWN if row["cost_usd"] is None else f"{Decimal(row['cost_usd']):.{digits}f}"
    shown = (UNKNOWN if count is None else str(count) for count in counts)
    return (name, *shown, cost, str(row["unpriced_requests"]))
