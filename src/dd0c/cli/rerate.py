"""`dd0c route rerate`: what history costs under the prices of today."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import InvalidInput
from dd0c.cli import client, completing, output, times
from dd0c.cli.output import Column, How

COUNTS = ("attempts", "changed", "newly_priced", "kept", "unpriced")
AMOUNTS = ("old_usd", "new_usd", "difference_usd")


@click.command()
@click.option(
    "--since", required=True, metavar="WHEN", help="From then on: 24h, 7d, or 2026-11-01[T09:00]."
)
@click.option("--until", metavar="WHEN", help="Until then; default now.")
@click.option("--model", shell_complete=completing.model_names, help="Only this model.")
@click.option("--key", shell_complete=completing.key_ids, metavar="ID", help="Only this key.")
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@click.option("--apply", "applied", is_flag=True, help="Bill the new costs from now on.")
@click.option("--reason", metavar="TEXT", help="Kept with each new rating.")
@output.formats("json", "csv")
def rerate(
    since: str, until: str | None, how: How, *, dry_run: bool, applied: bool, **given: Any
) -> None:
    """Price what was used under today's prices and your own, and show old, new and difference.

    Each request is priced as of the moment it was sent. What has no price today keeps its cost;
    what had none only for want of a price gets one; usage that is not known stays without.

    --apply adds a rating to each attempt whose cost is another one. That is its cost from then on,
    in every sum; what was billed before stays to be seen in `dd0c requests show`. A second time
    changes nothing. It goes 10,000 attempts at a time: interrupted, what is done is done, and may
    be run again.

    \b
    Examples:
      dd0c route rerate --since 30d --dry-run
      dd0c route rerate --since 2026-11-01 --until 2026-12-01 --model gpt-5-mini --dry-run --csv
      dd0c route rerate --since 2026-11-01 --apply --reason "contract of November"
    """
    if dry_run == applied:
        raise InvalidInput("say either --dry-run or --apply")
    now = SystemClock().now()
    body = {"since": times.before(since, now), "until": times.before(until, now), "apply": applied}
    body |= {name: value for name, value in given.items() if value is not None}
    found = _collect({name: value for name, value in body.items() if value is not None})
    if how == "json":
        output.write_json(found)
    elif how == "csv":
        output.write_list(how, found["rows"], _columns(found["total"]))
    else:
        output.write_table(_columns(found["total"]), [*found["rows"], found["total"]])
        if found["budgets_follow"] is False:
            click.echo(
                "warning: the counters of hard budgets do not answer: they hold the costs of before"
                " until their windows end",
                err=True,
            )
        if not applied:
            click.echo("nothing was changed: --apply bills these costs", err=True)


def _collect(body: dict[str, Any]) -> dict[str, Any]:
    """All calls that it takes, as one answer; says how far it is after each."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    total: dict[str, Any] | None = None
    follow: list[bool] = []  # of the calls that billed something
    while True:
        answer = client.call("POST", "/route/rerate", body=body)
        for row in answer["rows"]:
            place = (row["model"], row["key"]["id"])
            rows[place] = _added(rows.get(place), row)
        total = _added(total, answer["total"])
        follow += [] if answer["budgets_follow"] is None else [answer["budgets_follow"]]
        if answer["next_cursor"] is None:
            break
        click.echo(f"{total['attempts']:,} attempts, up to {answer['reached']} …", err=True)
        body |= {"until": answer["until"], "cursor": answer["next_cursor"]}
    same = {name: answer[name] for name in ("applied", "since", "until")}
    same["budgets_follow"] = all(follow) if follow else None
    return same | {"rows": [rows[place] for place in sorted(rows)], "total": total}


def _added(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    if one is None:
        return other
    counts = {name: one[name] + other[name] for name in COUNTS}
    amounts = {name: _sum(one[name], other[name]) for name in AMOUNTS}
    return one | counts | amounts


def _sum(one: str | None, other: str | None) -> str | None:
    """What is unknown is in no sum; nothing known is no sum."""
    if one is None or other is None:
        return other if one is None else one
    return format(Decimal(one) + Decimal(other), "f")


def _columns(total: dict[str, Any]) -> list[Column]:
    return [
        Column("model", lambda row: "total" if row is total else row["model"]),
        Column("key", lambda row: None if row is total else row["key"]["name"]),
        Column("key id", "key.id", "whole", spare=True),
        *(Column(name.replace("_", " "), name, "number", spare=name == "kept") for name in COUNTS),
        Column("old USD", "old_usd", "number"),
        Column("new USD", "new_usd", "number"),
        Column("difference USD", "difference_usd", "number"),
    ]
