"""`dd0c invite`: bringing people in."""

from __future__ import annotations

import click

from dd0c.cli import client, completing, output
from dd0c.cli.output import Column, How
from dd0c.cli.person import OF_AN_ORGANISATION


@click.group()
def invite() -> None:
    """Invite people, list and revoke invitations. dd0c sends no mail: you hand over the link."""


@invite.command()
@click.argument("email")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(OF_AN_ORGANISATION),
    help="What they may do; several times for several. Default viewer.",
)
@click.option(
    "--team", metavar="NAME", shell_complete=completing.team_names, help="They join this team."
)
@output.formats("json")
def create(email: str, roles: tuple[str, ...], team: str | None, how: How) -> None:
    """Make a link for EMAIL. It is shown this once, works once, and ends after a week.

    \b
    Examples:
      dd0c invite create grace@example.com
      dd0c invite create grace@example.com --role admin --team search
    """
    body = {"email": email, "roles": list(roles or ["viewer"]), "team": team}
    made = client.call("POST", "/invitations", body=body)
    if how == "json":
        output.write_json(made)
        return
    click.echo(made["link"])
    ends = output.moment(made["expires_at"])
    click.echo(f"for {made['email']} ({made['id']}), until {ends}; it is not shown again", err=True)


@invite.command("list")
@output.formats("json", "csv")
def list_invitations(how: How) -> None:
    """List the organisation's invitations, newest first.

    \b
    Examples:
      dd0c invite list
    """
    columns = (
        Column("address", "email", "whole"),
        Column("state", "state", "state"),
        Column("roles", "roles"),
        Column("id", "id", "whole"),
        Column("expires", "expires_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/invitations"), columns)


@invite.command()
@click.argument("invitation_id", metavar="ID")
@output.formats("json")
def revoke(invitation_id: str, how: How) -> None:
    """Revoke the invitation with this ID (inv_…): its link no longer works.

    \b
    Examples:
      dd0c invite revoke inv_01jcq8z5m3t7v9w2x4y6z8a0b1
    """
    ended = client.call("DELETE", f"/invitations/{invitation_id}")
    if how == "json":
        output.write_json(ended)
    else:
        click.echo(f"the invitation of {ended['email']} is {ended['state']}")
