"""`dd0c person`: the people of an organisation."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from dd0c.base.errors import InvalidInput, NotFound
from dd0c.cli import client, output
from dd0c.cli.key import ROLES
from dd0c.cli.output import Column, How

OF_AN_ORGANISATION = ROLES[1:]


@click.group()
def person() -> None:
    """List people, change what they may do, remove them. `dd0c invite` brings them in."""


@person.command("list")
@output.formats("json", "csv")
def list_people(how: How) -> None:
    """List the members of the organisation.

    \b
    Examples:
      dd0c person list
      dd0c person list --json | jq -r '.items[].email'
    """
    columns = (
        Column("name", "name"),
        Column("address", "email", "whole"),
        Column("state", "state", "state"),
        Column("roles", "roles"),
        Column("team", "team"),
        Column("id", "id", "whole", spare=True),
        Column("since", "since", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/people"), columns)


@person.command()
@click.argument("name", metavar="PERSON")
@output.formats("json")
def show(name: str, how: How) -> None:
    """Show PERSON (an address or id).

    \b
    Examples:
      dd0c person show grace@example.com
    """
    _tell(how, client.call("GET", _path(name)))


@person.command("set")
@click.argument("name", metavar="PERSON")
@click.option("--role", "roles", multiple=True, type=click.Choice(OF_AN_ORGANISATION))
@click.option("--team", metavar="NAME", help="They belong to this team.")
@click.option("--no-team", is_flag=True, help="They belong to no team.")
@click.option("--platform/--no-platform", default=None, help="Whether they run the installation.")
@click.option("--disable/--enable", "disabled", default=None, help="Whether they may not sign in.")
@output.formats("json")
def set_person(
    name: str, roles: tuple[str, ...], team: str | None, *, no_team: bool, how: How, **standing: Any
) -> None:
    """Change PERSON (an address or id). --role is given once for each role that they are to have.

    \b
    Examples:
      dd0c person set grace@example.com --role admin --role billing
      dd0c person set grace@example.com --disable         (needs the role platform)
    """
    body: dict[str, Any] = {name: value for name, value in standing.items() if value is not None}
    if roles:
        body["roles"] = list(roles)
    if team is not None or no_team:
        body["team"] = team
    if not body or (team is not None and no_team):
        raise InvalidInput("say what to change", hint="dd0c person set --help")
    _tell(how, client.call("PATCH", _path(name), body=body))


@person.command()
@click.argument("name", metavar="PERSON")
@output.formats("json")
def remove(name: str, how: How) -> None:
    """Remove PERSON (an address or id) from the organisation. They are signed out at once.

    \b
    Examples:
      dd0c person remove grace@example.com
    """
    _tell(how, client.call("DELETE", _path(name)))


@person.command()
@click.argument("name", metavar="PERSON")
@click.option("--yes", is_flag=True, help="Do it. Without it nothing happens.")
@output.formats("json")
def erase(name: str, how: How, *, yes: bool) -> None:
    """Erase PERSON (an address or id, in any organisation) for good: name, address, password.

    \b
    Examples:
      dd0c person erase grace@example.com --yes      (needs the role platform)
    """
    if not yes:
        raise InvalidInput(f"this takes all from {name!r} that tells who it is", hint="say --yes")
    erased = client.call("POST", "/people/erase", body={"person": name})
    if how == "json":
        output.write_json(erased)
    else:
        click.echo(f"{erased['person']} is an erased person")


@person.command("sign-out")
@click.argument("name", metavar="PERSON")
@output.formats("json")
def sign_out(name: str, how: How) -> None:
    """End every session of PERSON (an address or id) in the organisation.

    \b
    Examples:
      dd0c person sign-out grace@example.com
    """
    ended = client.call("POST", f"{_path(name)}/sign-out")
    if how == "json":
        output.write_json(ended)
    else:
        click.echo(f"sessions ended: {ended['ended']}")


@person.command()
@output.formats("json", "csv")
def roles(how: How) -> None:
    """What each role may do.

    \b
    Examples:
      dd0c person roles
    """
    columns = (Column("role", "role", "whole"), Column("permissions", "permissions"))
    output.write_list(how, client.call("GET", "/roles")["items"], columns)


@person.command()
@output.formats("json", "csv")
def sessions(how: How) -> None:
    """Who is signed in at the console.

    \b
    Examples:
      dd0c person sessions
    """
    columns = (
        Column("name", "name"),
        Column("of", "of", "whole"),
        Column("signed in", "created_at", "moment"),
        Column("ends", "expires_at", "moment"),
    )
    output.write_list(how, client.call("GET", "/sessions")["items"], columns)


def _path(given: str) -> str:
    for one in client.iterate("/people"):
        if given in (one["id"], one["email"]) or given.lower() == one["email"]:
            return f"/people/{quote(one['id'])}"
    raise NotFound(f"there is no person {given!r}", hint="dd0c person list")


def _tell(how: How, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
        return
    output.write_facts(
        (
            ("name", found["name"]),
            ("address", found["email"]),
            ("id", found["id"]),
            ("state", found["state"]),
            ("roles", found["roles"]),
            ("team", found["team"]),
            ("platform", "yes" if found["platform"] else "no"),
            ("signs in with", found["provider"] or "a password"),
            ("since", output.moment(found["since"])),
            ("removed", output.moment(found["removed_at"])),
        )
    )
