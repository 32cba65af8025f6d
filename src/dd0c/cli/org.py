"""`dd0c org`: organisations. Each sees its own keys, requests and costs and nobody else's."""

from __future__ import annotations

from typing import Any

import click

from dd0c.base.errors import InvalidInput, NotFound
from dd0c.cli import client, output
from dd0c.cli.output import Column, How


@click.group()
def org() -> None:
    """Make, list and erase organisations (needs the role platform), and set one's own time zone."""


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
        Column("time zone", "time_zone", "whole"),
        Column("state", "state", "state"),
        Column("created", "created_at", "moment"),
    )
    output.write_list(how, client.list_all("/orgs"), columns)


@org.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do it. Without it nothing happens.")
@output.formats("json")
def erase(name: str, how: How, *, yes: bool) -> None:
    """Erase the organisation NAME (or id) for good: nothing brings it back but a backup.

    \b
    Examples:
      dd0c org erase acme --yes                      (needs the role platform)
    """
    found = next((one for one in client.iterate("/orgs") if name in (one["org"], one["id"])), None)
    if found is None:
        raise NotFound(f"there is no organisation {name!r}", hint="dd0c org list")
    if not yes:
        raise InvalidInput(
            f"this ends all keys of {found['org']!r} and deletes all that it has, for good",
            hint="say --yes",
        )
    erased = client.call("DELETE", f"/orgs/{found['id']}", query={"confirm": found["org"]})
    if how == "json":
        output.write_json(erased)
        return
    click.echo(f"{found['org']} is closed; what it had is being deleted: dd0c org list")


@org.command()
@output.formats("json")
def show(how: How) -> None:
    """Show the key's own organisation.

    \b
    Examples:
      dd0c org show
    """
    _tell(how, client.call("GET", "/org"))


@org.command("set")
@click.option(
    "--time-zone",
    required=True,
    metavar="NAME",
    help="Days, weeks and months of budgets begin by this clock: an IANA name.",
)
@output.formats("json")
def set_org(time_zone: str, how: How) -> None:
    """Change the key's own organisation (needs the role owner or admin).

    \b
    Examples:
      dd0c org set --time-zone Europe/Berlin
    """
    _tell(how, client.call("PATCH", "/org", body={"time_zone": time_zone}))


def _tell(how: How, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
        return
    output.write_facts(
        (
            ("organisation", found["org"]),
            ("id", found["id"]),
            ("time zone", found["time_zone"]),
            ("created", output.moment(found["created_at"])),
        )
    )
