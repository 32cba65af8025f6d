"""`dd0c team`: groups of keys, to sum up and to limit together."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from dd0c.base.errors import NotFound
from dd0c.cli import client, completing, output
from dd0c.cli.output import Column, How


@click.group()
def team() -> None:
    """Make, list, rename and remove teams. A key belongs to one of them, or to none."""


@team.command()
@click.argument("name")
@output.formats("json")
def create(name: str, how: How) -> None:
    """Make the team NAME.

    \b
    Examples:
      dd0c team create search
      dd0c key create search-service --team search
    """
    _tell(how, "made", client.call("POST", "/teams", body={"name": name}))


@team.command("list")
@output.formats("json", "csv")
def list_teams(how: How) -> None:
    """List the organisation's teams.

    \b
    Examples:
      dd0c team list
      dd0c team list --json | jq -r '.items[].name'
    """
    columns = (
        Column("team", "name"),
        Column("keys", "keys", "number"),
        Column("id", "id", "whole"),
        Column("created", "created_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/teams"), columns)


@team.command()
@click.argument("name", metavar="TEAM", shell_complete=completing.team_names)
@click.argument("new_name", metavar="NAME")
@output.formats("json")
def rename(name: str, new_name: str, how: How) -> None:
    """Call TEAM (a name or id) NAME from now on. Its keys, limits and costs stay with it.

    \b
    Examples:
      dd0c team rename search discovery
    """
    _tell(how, "renamed", client.call("PATCH", _path(name), body={"name": new_name}))


@team.command()
@click.argument("name", metavar="TEAM", shell_complete=completing.team_names)
@output.formats("json")
def remove(name: str, how: How) -> None:
    """Remove TEAM (a name or id). Refused while working keys belong to it.

    \b
    Examples:
      dd0c team remove search
    """
    _tell(how, "removed", client.call("DELETE", _path(name)))


def _path(given: str) -> str:
    for one in client.iterate("/teams"):
        if given == one["id"] or given.casefold() == one["name"].casefold():
            return f"/teams/{quote(one['id'])}"
    raise NotFound(f"there is no team {given!r}", hint="dd0c team list")


def _tell(how: How, done: str, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
    else:
        click.echo(f"{done} the team {found['name']} ({found['id']})")
