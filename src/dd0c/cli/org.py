"""`dd0c org`: organisations. Each sees its own keys, requests and costs and nobody else's."""

from __future__ import annotations

from typing import Any

import click

from dd0c.base.errors import Forbidden, InvalidInput, NotFound
from dd0c.cli import client, output
from dd0c.cli.output import Column, How


@click.group()
def org() -> None:
    """Make, list and erase organisations (needs the role platform), and set one's own time zone
    and how long its requests are kept."""


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
    _show(how)


@org.command("set")
@click.option(
    "--time-zone",
    metavar="NAME",
    help="Days, weeks and months of budgets begin by this clock: an IANA name.",
)
@click.option(
    "--retention-days",
    metavar="DAYS",
    help="Delete requests that are older, once a day; none: keep them. Sums stay.",
)
@output.formats("json")
def set_org(time_zone: str | None, retention_days: str | None, how: How) -> None:
    """Change the key's own organisation (needs the role owner or admin).

    What is deleted does not come back: attempts with their tokens, tags and ratings. Usage, spend
    and budgets of the past go on saying what they said.

    \b
    Examples:
      dd0c org set --time-zone Europe/Berlin
      dd0c org set --retention-days 90
      dd0c org set --retention-days none
    """
    if time_zone is None and retention_days is None:
        raise InvalidInput("say what to set: --time-zone, --retention-days")
    if retention_days is not None:
        client.call("PUT", "/route/retention", body={"days": _days(retention_days)})
    if time_zone is not None:
        client.call("PATCH", "/org", body={"time_zone": time_zone})
    _show(how)


def _days(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput("--retention-days: give a number of days, or none")
    return int(text)


def _show(how: How) -> None:
    found: dict[str, Any] = client.call("GET", "/org")
    try:
        days = client.call("GET", "/route/retention")["days"]
        kept = "for ever" if days is None else f"{days} days"
        found |= {"retention_days": days}
    except Forbidden:  # a key of the platform only
        kept = None
    if how == "json":
        output.write_json(found)
        return
    output.write_facts(
        (
            ("organisation", found["org"]),
            ("id", found["id"]),
            ("time zone", found["time_zone"]),
            ("requests kept", kept),
            ("created", output.moment(found["created_at"])),
        )
    )
