"""`dd0c org`: organisations. Each sees its own keys, requests and costs and nobody else's."""

from __future__ import annotations

import click

from dd0c.cli import client, output
from dd0c.cli.output import Column, How


@click.group()
def org() -> None:
    """Make and list organisations (needs the role platform)."""


@org.command()
@click.argument("name")
@output.formats("json")
def create(name: str, how: How) -> None:
    """Make the organisation NAME and its first key, which is shown this once.

    \b
    Examples:
      dd0c org create acme
      dd0c org create acme --json
    """
    made = client.call("POST", "/orgs", body={"name": name})
    if how == "json":
        output.write_json(made)
        return
    click.echo(made["owner_key"])
    click.echo(f"owner key of {made['org']} ({made['id']}); it is not shown again", err=True)


@org.command("list")
@output.formats("json", "csv")
def list_orgs(how: How) -> None:
    """List all organisations.

    \b
    Examples:
      dd0c org list
      dd0c org list --json | jq -r '.items[].org'
    """
    columns = (
        Column("organisation", "org"),
        Column("id", "id", "whole"),
        Column("created", "created_at", "moment"),
    )
    output.write_list(how, client.list_all("/orgs"), columns)
