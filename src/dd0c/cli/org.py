"""`dd0c org`: organisations. Each sees its own keys, requests and costs and nobody else's."""

from __future__ import annotations

import click

from dd0c.cli import client, output


@click.group()
def org() -> None:
    """Make and list organisations (needs the role platform)."""


@org.command()
@click.argument("name")
@output.json_option
def create(name: str, as_json: bool) -> None:
    """Make the organisation NAME and its first key, which is shown this once.

    \b
    Examples:
      dd0c org create acme
      dd0c org create acme --json
    """
    made = client.call("POST", "/orgs", body={"name": name})
    if as_json:
        output.write_json(made)
        return
    click.echo(made["owner_key"])
    click.echo(f"owner key of {made['org']} ({made['id']}); it is not shown again", err=True)


@org.command("list")
@output.json_option
def list_orgs(as_json: bool) -> None:
    """List all organisations.

    \b
    Example:
      dd0c org list
    """
    found = client.list_all("/orgs")
    if as_json:
        output.write_json({"items": found})
        return
    rows = [(one["org"], one["id"], one["created_at"][:10]) for one in found]
    output.write_table(
        ("organisation", "id", "created"), rows, numeric=output.NONE, whole=frozenset({1, 2})
    )
