"""`dd0c flag`: what is on for whom."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from dd0c.base.errors import InvalidInput
from dd0c.cli import bake as baking
from dd0c.cli import client, output
from dd0c.cli.output import Column, How
from dd0c.kernel.guard import flagfile


@click.group()
def flag() -> None:
    """Turn things on and off while dd0c runs (needs the role platform)."""


@flag.command("list")
@output.formats("json", "csv")
def list_flags(how: How) -> None:
    """List every flag, and whom it is on for.

    `tripped`: it turned itself off, as errors rose with it; `dd0c flag set` turns it on again.

    \b
    Examples:
      dd0c flag list
      dd0c flag list --json | jq '.items[] | select(.tripped_at)'
    """
    columns = (
        Column("flag", "name", "whole"),
        Column("percent", "percent", "number"),
        Column("set apart", "apart", "number"),
        Column("tripped", "tripped_at", "moment"),
        Column("changed", "changed_at", "moment", spare=True),
        Column("what it is", "why", spare=True),
    )
    items = client.call("GET", "/flags")["items"]
    shown = items if how == "json" else [item | {"apart": len(item["orgs"])} for item in items]
    output.write_list(how, shown, columns)


@flag.command("set")
@click.argument("name")
@click.option("--on", "is_on", flag_value=True, type=bool, default=None, help="For all.")
@click.option("--off", "is_on", flag_value=False, type=bool, help="For nobody.")
@click.option("--percent", type=click.IntRange(0, 100), help="For that share of organisations.")
@click.option("--org", metavar="ORG", help="With --on or --off: only for this one (name or id).")
@output.formats("json")
def set_flag(name: str, is_on: bool | None, percent: int | None, org: str | None, how: How) -> None:
    """Say whom the flag NAME is on for; everywhere within seconds.

    A percentage that is raised takes the flag from nobody who has it.

    \b
    Examples:
      dd0c flag set console.live --off
      dd0c flag set hooks.deliver --percent 20
      dd0c flag set hooks.deliver --on --org acme
    """
    if (is_on is None) == (percent is None):
        raise InvalidInput("say one of --on, --off, --percent")
    body: dict[str, Any]
    if org is not None:
        if is_on is None:
            raise InvalidInput("an organisation has a flag or not: say --on or --off")
        body = {"org": org, "on": is_on}
    else:
        body = {"percent": percent if is_on is None else 100 * is_on}
    _tell(how, client.call("PUT", _path(name), body=body))


@flag.command()
@click.argument("name")
@click.option("--org", metavar="ORG", help="Only what was said for this one (name or id).")
@output.formats("json")
def clear(name: str, org: str | None, how: How) -> None:
    """Take back what was said of the flag NAME: what it was introduced with holds again.

    \b
    Examples:
      dd0c flag clear console.live
      dd0c flag clear hooks.deliver --org acme
    """
    query = {} if org is None else {"org": org}
    _tell(how, client.call("DELETE", _path(name), query=query))


@flag.command()
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="A flags.toml in a git repository; else the one of this dd0c.",
)
@output.formats("json")
def bake(path: Path | None, how: How) -> int:
    """Check by the history in git that destructive flags were known for 48 hours before they were
    on for anybody: for those who change dd0c. Exit status 1: they were not.

    \b
    Examples:
      dd0c flag bake
      dd0c flag bake --file src/dd0c/flags.toml
    """
    own = Path(str(resources.files("dd0c").joinpath(flagfile.NAME)))
    flags, found = baking.check((path or own).absolute(), datetime.now(UTC))
    destructive = [flag for flag in flags.values() if flag.destructive]
    on = sum(flag.initial > 0 for flag in destructive)
    if how == "json":
        counts = {"flags": len(flags), "destructive": len(destructive), "on": on}
        output.write_json({**counts, "findings": found})
    else:
        for finding in found:
            output.tell("error:", "red", finding)
        click.echo(
            f"{len(flags)} flags, {len(destructive)} destructive, {on} of them on:"
            f" {len(found)} findings"
        )
    return 1 if found else 0


def _path(name: str) -> str:
    return f"/flags/{quote(name, safe='')}"


def _tell(how: How, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
        return
    click.echo(f"{found['name']} is on for {found['percent']} % of organisations")
    for each in found["orgs"]:
        click.echo(f"  {'on' if each['on'] else 'off'} for {each['org']} ({each['id']})")
