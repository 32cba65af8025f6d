"""`dd0c route prices`: what requests are priced with, and prices of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import Error, InvalidInput
from dd0c.cli import client, output, pricefile, times
from dd0c.cli.output import Column, How

UNITS = ("usd_per_million_tokens", "usd_per_thousand_tokens", "usd_per_token")


@click.group()
def prices() -> None:
    """What requests are priced with: the built-in list, and prices of your own in its place.

    Rates are US dollars for a million tokens, and for a thousand calls where a name ends in
    _per_1000. A price of your own holds for a model in one service tier, from one moment to
    another, at every gateway within a second. What was billed before stays: see `dd0c route
    rerate`.
    """


@prices.command("list")
@click.option("--provider", metavar="NAME", help="Only this price list: openai, anthropic, …")
@click.option("--own", is_flag=True, help="Only your own, with ids and periods, past ones too.")
@output.formats("json", "csv")
def list_prices(provider: str | None, how: How, *, own: bool) -> None:
    """List the standard prices that hold now, of every provider that requests can go to.

    \b
    Examples:
      dd0c route prices list --provider anthropic
      dd0c route prices list --own
      dd0c route prices list --csv > prices.csv
    """
    if own:
        items = client.call("GET", "/route/prices/overrides")["items"]
        items = [one for one in items if provider in (None, one["provider"])]
        output.write_list(how, items, [*_OF_OWN, *_RATES])
        return
    found = client.call("GET", "/route/prices", query={"provider": provider})
    if how == "json":
        output.write_json(found)
    else:
        output.write_list(how, found["items"], [*_OF_LIST, *_RATES])
    warn_if_stale(found["price_list"])


@prices.command()
@click.argument("model", metavar="PROVIDER/MODEL")
@output.formats("json")
def show(model: str, how: How) -> None:
    """Show every price that PROVIDER/MODEL may have: by service tier, time and size of the prompt.

    What stands first wins. Any name is good that the provider knows the model by.

    \b
    Examples:
      dd0c route prices show openai/gpt-5-mini
      dd0c route prices show anthropic/claude-sonnet-4-5 --json | jq .variants
    """
    provider, name = split(model)
    found = client.call("GET", f"/route/prices/{quote(provider, safe='')}/{quote(name)}")
    if how == "json":
        output.write_json(found)
    else:
        output.write_table(_OF_ONE, list(_lines(found["variants"])))
    warn_if_stale(found["price_list"])


@prices.command("set")
@click.argument("model", metavar="PROVIDER/MODEL")
@click.argument("rates", metavar="NAME=USD…", nargs=-1, required=True)
@click.option("--service-tier", default="standard", show_default=True, metavar="NAME")
@click.option("--from", "since", metavar="WHEN", help="2026-12-01[T09:00], UTC. Default now.")
@click.option("--until", metavar="WHEN", help="Not included. Default: open.")
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    default=UNITS[0],
    show_default=True,
    help="Of the rates of tokens.",
)
@click.option("--note", metavar="TEXT", help="Where it was agreed, for example.")
@output.formats("json")
def set_price(model: str, rates: Sequence[str], since: str | None, how: How, **given: Any) -> None:
    """Put a price of your own in place of the list's, for PROVIDER/MODEL.

    It is the whole price: what it does not name has no price, and requests that use it have no
    cost. Names: input, cache_read, cache_write_5m, cache_write_1h, output, reasoning (default: as
    output), audio_input, audio_output, image, server_tools_per_1000, request_per_1000. With a
    number of tokens and a colon before it, a rate holds for the whole of prompts that are larger.

    \b
    Examples:
      dd0c route prices set openai/gpt-5-mini input=0.20 cache_read=0.02 output=1.60
      dd0c route prices set openai/gpt-5.4 input=2 output=12 272000:input=4 --from 2026-12-01
      dd0c route prices set openai/house-7b input=0.05 output=0.10 --note "our own machines"
    """
    provider, name = split(model)
    now = SystemClock().now()
    given["until"] = times.after(given["until"], now)
    body = {"provider": provider, "model": name, "tiers": _tiers(rates), **given}
    body["from"] = times.after(since, now)
    wanted = {key: value for key, value in body.items() if value is not None}
    made = client.call("POST", "/route/prices/overrides", body=wanted)
    if how == "json":
        output.write_json(made)
    else:
        click.echo(f"{made['id']}: {model} has a price of its own from {made['from']} on")


@prices.command()
@click.argument("override_id", metavar="ID")
@click.option("--at", metavar="WHEN", help="End it then, rather than let it never have held.")
@output.formats("json")
def remove(override_id: str, at: str | None, how: How) -> None:
    """Remove the price of your own with this ID (ovr_…), or end it.

    The list's price holds then. What was billed stays as it is.

    \b
    Examples:
      dd0c route prices remove ovr_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c route prices remove ovr_01jcq8z5m3t7v9w2x4y6z8a0b1 --at 2027-01-01
    """
    until = times.after(at, SystemClock().now())
    path = f"/route/prices/overrides/{quote(override_id, safe='')}"
    gone = client.call("DELETE", path, query={"until": until})
    if how == "json":
        output.write_json(gone)
    else:
        click.echo(f"{override_id} {'is removed' if until is None else f'ends at {until}'}")


@prices.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@output.formats("json")
def import_file(file: Path, how: How) -> None:
    """Add the prices in FILE, TOML or JSON: all of them, or none when one is not good.

    The file must say the unit of its rates, and every price when it begins if the file is to be
    imported twice: what is there already, the same in everything, is not added again.

    \b
    Example, as TOML:
      unit = "usd_per_million_tokens"
      [[prices]]
      provider = "openai"
      model = "gpt-5-mini"
      from = 2026-12-01
      tiers = [{ input = "0.20", output = "1.60" }, { above = 200000, input = "0.40" }]

    \b
    Then:
      dd0c route prices import prices.toml
      dd0c route prices list --own
    """
    read = pricefile.read(file)
    try:
        made = client.call("POST", "/route/prices/import", body={"prices": read.prices})
    except Error as error:
        raise type(error)(read.place(error.message), hint=error.hint) from None
    if how == "json":
        output.write_json(made)
    else:
        there = len(made["items"]) - made["added"]
        click.echo(
            f"{made['added']} prices added" + (f", {there} were there already" * bool(there))
        )


def warn_if_stale(price_list: Mapping[str, Any]) -> None:
    """Say on stderr that the list is old; programs that read stdout are not disturbed."""
    if price_list["stale"]:
        of = price_list["as_of"] or "an unknown day"
        age = "" if price_list["age_days"] is None else f", {price_list['age_days']} days ago"
        click.echo(
            f"warning: the price list {price_list['source']} is of {of}{age}: prices may have"
            " changed and new models have none. Install a newer dd0c, or set prices of your own.",
            err=True,
        )


def split(model: str) -> tuple[str, str]:
    """Provider and model of `provider/model`; the model may have slashes of its own."""
    provider, slash, name = model.partition("/")
    if not (provider and slash and name):
        raise InvalidInput(f"{model!r} is not PROVIDER/MODEL", hint="for example openai/gpt-5-mini")
    return provider, name


def _tiers(rates: Sequence[str]) -> list[dict[str, Any]]:
    tiers: dict[int, dict[str, Any]] = {}
    for rate in rates:
        match = re.fullmatch(r"(?:([0-9]{1,9}):)?([a-z0-9_]+)=(.+)", rate)
        if match is None:
            raise InvalidInput(
                f"{rate!r} is not NAME=USD or TOKENS:NAME=USD",
                hint="for example input=0.20, or 200000:input=0.40 for larger prompts",
            )
        above, name = int(match[1] or 0), match[2]
        tier = tiers.setdefault(above, {"above": above})
        if name in tier:
            raise InvalidInput(f"{rate!r}: {name} was given before")
        tier[name] = match[3]
    return [tiers[above] for above in sorted(tiers)]


def _rate(name: str) -> Column:
    def of(one: Any) -> str | None:
        rate: str | None = one["tiers"][0].get(name)
        return rate

    return Column(name.replace("_", " "), of, "number", spare=name not in ("input", "output"))


def _moment(name: str) -> Callable[[Any], str | None]:
    """A moment with its year: periods of prices are long."""

    def shown(one: Any) -> str | None:
        at = output.moment(one[name])
        return None if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"

    return shown


def _lines(variants: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A line for every tier of every variant."""
    for one in variants:
        for tier in one["tiers"]:
            yield {**one, "tiers": [tier], "above": tier["above"] or None}


_NAMES = (
    *("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"),
    *("audio_input", "audio_output", "image", "server_tools_per_1000", "request_per_1000"),
)
_RATES = [_rate(name) for name in _NAMES]
_SOURCE = Column("source", lambda one: one["source"].partition(" ")[0], "whole")
_PERIOD = (
    Column("from UTC", _moment("from"), "whole"),
    Column("until UTC", _moment("until"), "whole"),
)
_OF_LIST = (Column("provider", "provider"), Column("model", "model"), _SOURCE)
_OF_OWN = (
    Column("id", "id", "whole"),
    Column("provider", "provider"),
    Column("model", "model"),
    Column("service tier", "service_tier", spare=True),
    *_PERIOD,
    Column("note", "note", spare=True),
)
_OF_ONE = (
    Column("service tier", "service_tier", "whole"),
    _SOURCE,
    *_PERIOD,
    Column("hours UTC", "hours_utc", "whole", spare=True),
    Column("above", "above", "number"),
    *_RATES,
)
