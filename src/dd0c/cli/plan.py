"""`dd0c plan`: how much an organisation may have, and has."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from dd0c.cli import client, output
from dd0c.cli.output import Column, How


@click.group()
def plan() -> None:
    """Show the organisation's plan; change one (needs the role platform)."""


@plan.command()
@output.formats("json")
def show(how: How) -> None:
    """Show the plan of the key's organisation, and what is used of it.

    \b
    Examples:
      dd0c plan show
      dd0c plan show --json | jq '.items[] | select(.limit and .used >= .limit)'
    """
    _show(how, client.call("GET", "/plan"))


@plan.command("set")
@click.argument("org")
@click.argument("name", metavar="PLAN")
@output.formats("json")
def set_plan(org: str, name: str, how: How) -> None:
    """Give the organisation ORG (name or id) the plan PLAN: free, team, unlimited; none: the
    installation's.

    A smaller plan takes nothing away: what is more than it includes stays, and nothing is added.

    \b
    Examples:
      dd0c plan set acme team
      dd0c plan set acme none
    """
    body = {"plan": None if name == "none" else name}
    _show(how, client.call("PUT", f"/orgs/{quote(org, safe='')}/plan", body=body))


def _show(how: How, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
        return
    click.echo(f"plan {found['plan']}{'' if found['own'] else ', as the installation has it'}")
    columns = (
        Column("quota", "quota", "whole"),
        Column("used", "used", "number"),
        Column("limit", lambda item: "any" if item["limit"] is None else item["limit"]),
        Column("free again", "frees_at", "moment"),
    )
    output.write_table(columns, found["items"])
