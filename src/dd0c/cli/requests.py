"""`dd0c requests`: what was asked, how it was answered, what it cost. Live, too."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import click

from dd0c.base.clock import SystemClock
from dd0c.cli import client, completing, output, times
from dd0c.cli.output import Column, How
from dd0c.products.route.models import EndReason

F = TypeVar("F", bound=Callable[..., Any])

LOOK_S = 1.0
LOOK_BACK = timedelta(minutes=30)
"""How long a request may take and still be seen by `tail` when it ends."""
PER_LOOK_MAX = 500
REMEMBERED_MAX = 20_000


@click.group()
def requests() -> None:
    """List requests, show one with its whole story, follow them live."""


def _filters(function: F) -> F:
    for option in (
        click.option(
            "--end",
            "end_reason",
            type=click.Choice([reason.value for reason in EndReason]),
            help="Only those that ended so.",
        ),
        click.option("--tag", metavar="TAG", help="Only those with this tag."),
        click.option("--team", metavar="TEAM", help="Only of this team: its name or id."),
        click.option(
            "--key", metavar="ID", shell_complete=completing.key_ids, help="Only of this key."
        ),
        click.option(
            "--model", shell_complete=completing.model_names, help="Only those asking for it."
        ),
    ):
        function = option(function)
    return function


@requests.command("list")
@_filters
@click.option("--since", metavar="WHEN", help="From then on: 30m, 24h, 7d, or 2026-11-01[T09:00].")
@click.option("--until", metavar="WHEN", help="Until then; default now.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="At most so many.",
)
@output.formats("json", "csv")
def list_requests(
    since: str | None, until: str | None, *, limit: int, how: How, **filters: str | None
) -> None:
    """List requests that have ended, newest first.

    A cost is that of all attempts together; a dash where it is not known, which is not 0.

    \b
    Examples:
      dd0c requests list
      dd0c requests list --end upstream_error --since 24h
      dd0c requests list --model gpt-5-mini --limit 1000 --csv > requests.csv
      dd0c requests list --json | jq '.items[0].attempts'
    """
    now = SystemClock().now()
    span = {"since": times.before(since, now), "until": times.before(until, now)}
    found = client.iterate("/route/requests", filters | span | {"limit": str(min(limit, 100))})
    output.write_list(how, list(itertools.islice(found, limit)), COLUMNS)


@requests.command()
@click.argument("request_id", metavar="ID", shell_complete=completing.request_ids)
@output.formats("json")
def show(request_id: str, how: How) -> None:
    """Show the request with this ID (req_…): every attempt, its tokens, cost and times.

    The ID is in every answer's header x-dd0c-request-id. One that has just ended is waited for.

    \b
    Examples:
      dd0c requests show req_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c requests show req_01jcq8z5m3t7v9w2x4y6z8a0b1 --json | jq '.attempts[].usage_raw'
    """
    found = client.call("GET", f"/route/requests/{request_id}")
    if how == "json":
        output.write_json(found)
        return
    facts = (
        ("request", found["request_id"]),
        ("started", output.moment(found["started_at"])),
        ("organisation", found["org"]),
        ("key", f"{found['key']['name'] or '(none)'}  ({found['key']['id']})"),
        ("called", f"{found['endpoint']}, {found['dialect']}{', stream' * found['stream']}"),
        ("team", found["team"] and found["team"]["name"]),
        ("end user", found["end_user"]),
        ("conversation", found["conversation"]),
        ("cost USD", found["cost_usd"] or output.UNKNOWN),
    )
    output.write_facts(facts)
    for attempt in found["attempts"]:
        click.echo(f"\nattempt {attempt['attempt']}")
        output.write_facts((f"  {name}", value) for name, value in _story(attempt))


@requests.command()
@_filters
@output.formats("json")
def tail(how: How, **filters: str | None) -> None:
    """Show each request when it has ended, until Ctrl-C. With --json a line for each.

    \b
    Examples:
      dd0c requests tail
      dd0c requests tail --end upstream_error
      dd0c requests tail --json | jq -r '.cost_usd'
    """
    try:
        for number, one in enumerate(follow(filters)):
            if how == "json":
                output.write_json_line(one)
            else:
                output.write_row(COLUMNS, one, head=number == 0)
    except KeyboardInterrupt:
        return  # that is how it ends


def follow(filters: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    """Requests as they end from now on, oldest first.

    They are listed by when they began, so a look goes back far enough for long ones. The first look
    only learns what was there before.
    """
    known: OrderedDict[str, None] = OrderedDict()
    first = True
    while True:
        since = (SystemClock().now() - LOOK_BACK).isoformat()
        found = client.iterate("/route/requests", filters | {"since": since})
        fresh = [
            one for one in itertools.islice(found, PER_LOOK_MAX) if one["request_id"] not in known
        ]
        known.update(dict.fromkeys(one["request_id"] for one in fresh))
        while len(known) > REMEMBERED_MAX:
            known.popitem(last=False)
        if not first:
            yield from reversed(fresh)
        first = False
        time.sleep(LOOK_S)


def _final(one: dict[str, Any]) -> dict[str, Any]:
    """The attempt whose answer the caller got."""
    attempts: list[dict[str, Any]] = one["attempts"]
    return next((a for a in attempts if a["final"]), attempts[-1])


def _of_final(path: str) -> Callable[[dict[str, Any]], Any]:
    inner = Column("", path)
    return lambda one: inner.of(_final(one))


def _ms(name: str) -> Callable[[dict[str, Any]], str | None]:
    def shown(one: dict[str, Any]) -> str | None:
        took_us = _final(one)[name]
        return None if took_us is None else f"{took_us / 1000:.1f}"

    return shown


COLUMNS = (
    Column("request", "request_id", "whole", width=30),
    Column("started", "started_at", "moment", width=14),
    Column("model", _of_final("requested_model"), width=11),
    Column("end", _of_final("end_reason"), "state", width=8),
    Column("cost USD", "cost_usd", "number", width=9),
    Column("total ms", _ms("total_us"), "number", spare=True, width=8),
    Column("input", _of_final("usage.input"), "number", spare=True, width=7),
    Column("output", _of_final("usage.output"), "number", spare=True, width=7),
    Column("status", _of_final("status"), "number", spare=True, width=6),
    Column("provider", _of_final("provider"), "whole", spare=True, width=9),
    Column("key", lambda one: one["key"]["name"] or one["key"]["id"], spare=True, width=12),
    Column("first byte ms", _ms("first_byte_us"), "number", spare=True, width=13),
    Column("attempts", lambda one: len(one["attempts"]), "number", spare=True, width=8),
)


def _or_unknown(count: int | None) -> int | str:
    return output.UNKNOWN if count is None else count


def _story(attempt: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is known of an attempt, in the order in which it happened."""
    models = [attempt["requested_model"], attempt["sent_model"], attempt["served_model"]]
    yield "model", " → ".join(dict.fromkeys(name for name in models if name))
    yield "provider", attempt["provider"] + " (simulated: nobody charges it)" * attempt["simulated"]
    if attempt["attempt"]:
        yield "route", f"{attempt['route'] or 'direct'}: {attempt['route_reason']}"
    else:
        yield "refused", attempt["route_reason"]
    yield "ended", attempt["end_reason"] + " (the caller's answer)" * attempt["final"]
    yield "error", attempt["error_code"]
    yield "status", attempt["status"]
    yield "upstream status", attempt["upstream_status"]
    yield "upstream request", attempt["upstream_request_id"]
    for name in ("queue", "first_byte", "total"):
        if (took_us := attempt[f"{name}_us"]) is not None:
            yield f"{name.replace('_', ' ')} ms", f"{took_us / 1000:.3f}"
    for name, count in attempt["usage"].items():
        yield f"tokens {name.replace('_', ' ')}", count
    if attempt["delivered_output_tokens"] != attempt["upstream_output_tokens"]:
        yield "  delivered tokens", _or_unknown(attempt["delivered_output_tokens"])
        yield "  made tokens", _or_unknown(attempt["upstream_output_tokens"])
    error = attempt["usage_error"]
    within = f", within {error:.1%}".replace("%", " %") if error else ""
    yield "counted by", attempt["usage_source"] + within
    yield "service tier", attempt["service_tier"]
    yield "cost USD", attempt["cost_usd"] or f"{output.UNKNOWN} ({attempt['cost_reason']})"
    if attempt["cost_delivered_usd"] != attempt["cost_upstream_usd"]:
        yield "  delivered USD", attempt["cost_delivered_usd"] or output.UNKNOWN
        yield "  made USD", attempt["cost_upstream_usd"] or output.UNKNOWN
    if attempt["reserved_usd"] is not None:
        yield "reserved USD", attempt["reserved_usd"]
        yield "charged USD", attempt["charged_usd"]
    for rating in attempt["ratings"][1:]:
        cost_usd = rating["cost_usd"] or output.UNKNOWN
        why = rating["reason"] or "settled"
        yield "rated again", f"{cost_usd} at {rating['rated_at']}: {why}"
    if first := attempt["ratings"][:1]:
        yield "billed USD", f"{first[0]['cost_usd'] or first[0]['reason']} at first"
    if price := attempt["price"]:
        as_of = f", as of {price['as_of']}" if price["as_of"] else ""
        yield "price", f"{price['provider']}/{price['model']} of {price['source']}{as_of}"
    yield "bytes in", attempt["bytes_in"]
    yield "bytes out", attempt["bytes_out"]
    yield "tags", attempt["tags"] or None
    yield "trace", attempt["trace_id"]
