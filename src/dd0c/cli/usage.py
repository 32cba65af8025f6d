"""`dd0c usage`: what was used and what it cost, straight from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import InvalidInput
from dd0c.cli import client, output, times
from dd0c.cli.output import UNKNOWN, Column, How

MONEY_DIGITS = 6  # at least: so that the points of a column of small amounts stand in line
BAR_WIDTH = 20
EIGHTHS = " ▏▎▍▌▋▊▉█"
GROUPS = ("model", "key", "provider", "team", "tag", "hour", "day")


@click.command()
@click.option(
    "--by", type=click.Choice(GROUPS), default="model", show_default=True, help="One row for each."
)
@click.option("--since", metavar="WHEN", help="From then on: 30m, 24h, 7d, or 2026-11-01[T09:00].")
@click.option("--until", metavar="WHEN", help="Until then; default now.")
@click.option("--team", metavar="TEAM", help="Only of this team: its name or id.")
@click.option("--tag", metavar="TAG", help="Only what has this tag.")
@click.option("--plot", is_flag=True, help="Draw each row's cost as a bar.")
@output.formats("json", "csv")
def usage(*, plot: bool, how: How, **asked: str | None) -> None:
    """Requests, tokens and cost, exact to the ledger's last digit.

    A request whose price is unknown is counted as unpriced; it is never taken as free. What a
    simulated provider would have charged is said under the table. By tag, a request with several is
    in the row of each, and once in the total. --json and --csv have every kind of token apart,
    reasoning and both kinds of cache writes too.

    \b
    Examples:
      dd0c usage                           everything, by model
      dd0c usage --by key --since 24h      who spent it
      dd0c usage --by day --since 30d --plot
      dd0c usage --by model --team search  what one team used
      dd0c usage --by day --since 30d --csv > usage.csv
      dd0c usage --json | jq .total.cost_usd
    """
    if plot and how != "table":
        raise InvalidInput("--plot is for tables: leave out --csv and --json")
    now = SystemClock().now()
    moments = {name: times.before(asked[name], now) for name in ("since", "until")}
    query, by = asked | moments, str(asked["by"])
    if how == "csv":
        for piece in client.stream_text("/route/usage", query | {"format": "csv"}):
            click.echo(piece, nl=False)
        return
    found = client.call("GET", "/route/usage", query=query)
    if how == "json":
        output.write_json(found)
        return
    output.write_table(columns(by, found, plot=plot), [*found["rows"], found["total"]])
    if Decimal(found["total"]["simulated_cost_usd"] or 0):
        simulated = found["total"]["simulated_cost_usd"]
        click.echo(f"of which {simulated} USD simulated: nobody charges it")


def columns(by: str, found: dict[str, Any], *, plot: bool) -> list[Column]:
    """The table's columns; its last item is the total, which is no row of any group."""
    total = found["total"]
    digits = _digits(row["cost_usd"] for row in (*found["rows"], total))
    most = max((_cost(row) for row in found["rows"]), default=Decimal(0))

    def group(row: dict[str, Any]) -> str:
        return "total" if row is total else row[by] or "(none)"

    def bar(row: dict[str, Any]) -> str:
        return draw_bar(_cost(row), most) if row is not total else ""

    made = [
        Column(by, group),
        Column("requests", "requests", "number"),
        Column("input", "input", "number"),
        Column("cached", "cache_read", "number"),
        Column("cache write", _cache_writes, "number", spare=True),
        Column("output", "output", "number"),
        Column("cost USD", lambda row: _amount(row["cost_usd"], digits), "number"),
        Column("unpriced", "unpriced_requests", "number", spare=True),
    ]
    return [*made, Column("", bar, "whole")] if plot else made


def draw_bar(part: Decimal, most: Decimal) -> str:
    """A bar as long as the part of the most, to an eighth of a character; something is seen."""
    if part <= 0 or most <= 0:
        return ""
    eighths = max(1, round(part / most * BAR_WIDTH * 8))
    return EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _digits(costs: Iterable[str | None]) -> int:
    """Decimal places that show each of these amounts exactly."""
    return max([MONEY_DIGITS, *(len(cost.partition(".")[2]) for cost in costs if cost)])


def _amount(cost: str | None, digits: int) -> str:
    return UNKNOWN if cost is None else f"{Decimal(cost):.{digits}f}"


def _cost(row: dict[str, Any]) -> Decimal:
    return Decimal(row["cost_usd"] or 0)


def _cache_writes(row: dict[str, Any]) -> int | None:
    known = [row[n] for n in ("cache_write_5m", "cache_write_1h") if row[n] is not None]
    return sum(known) if known else None
