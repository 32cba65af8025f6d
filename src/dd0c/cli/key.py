"""`dd0c key`: API keys."""

from __future__ import annotations

from typing import Any

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import NotFound
from dd0c.cli import client, completing, output, times
from dd0c.cli.output import Column, How

ROLES = ("platform", "owner", "admin", "operator", "approver", "viewer", "billing")
SCOPES = ("gateway", "api", "console")


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command()
@click.argument("name", default="unnamed")
@click.option("--org", metavar="NAME", help="For this organisation (needs the role platform).")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What it may do here; several times for several. Default viewer.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="Where it works: gateway (/v1), api, console. Default gateway; with --role all three.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    shell_complete=completing.model_names,
    help="Only these models (several times).",
)
@click.option(
    "--team", metavar="NAME", shell_complete=completing.team_names, help="It belongs to this team."
)
@click.option("--expires", metavar="WHEN", help="Ends after 24h, 90d, or at 2026-11-01[T09:00].")
@output.formats("json")
def create(name: str, expires: str | None, *, how: How, **wanted: Any) -> None:
    """Make a key called NAME. Its text is shown this once: dd0c keeps only a hash of it.

    \b
    Examples:
      dd0c key create laptop                         may call models, nothing else
      dd0c key create grafana --role viewer --scope api
      OPENAI_API_KEY=$(dd0c key create ci --expires 90d)
      dd0c key create --org acme --role viewer --scope gateway --json
    """
    ends = times.after(expires, SystemClock().now())
    body = {"name": name, "expires_at": ends, **wanted}
    made = client.call("POST", "/keys", body={k: v for k, v in body.items() if v not in (None, ())})
    if how == "json":
        output.write_json(made)
        return
    click.echo(made["key"])
    click.echo(
        f"key {made['name']} of {made['org']} ({made['id']}); it is not shown again", err=True
    )


@key.command("list")
@output.formats("json", "csv")
def list_keys(how: How) -> None:
    """List the organisation's keys, without their texts.

    \b
    Examples:
      dd0c key list
      dd0c key list --json | jq '.items[] | select(.revoked_at == null)'
    """
    columns = (
        Column("id", "id", "whole"),
        Column("name", "name"),
        Column("state", _state, "state"),
        Column("team", "team"),
        Column("roles", "roles", spare=True),
        Column("scopes", "scopes", spare=True),
        Column("key", lambda one: one["prefix"] + "…", "whole", spare=True),
        Column("created", "created_at", "moment", spare=True),
        Column("expires", "expires_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/keys"), columns)


@key.command()
@click.argument("key_id", metavar="ID", shell_complete=completing.key_ids)
@output.formats("json")
def show(key_id: str, how: How) -> None:
    """Show the key with this ID (key_…), without its text.

    \b
    Examples:
      dd0c key show key_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c key show key_01jcq8z5m3t7v9w2x4y6z8a0b1 --json | jq .models
    """
    one = next((one for one in client.iterate("/keys") if one["id"] == key_id), None)
    if one is None:
        raise NotFound(f"there is no key {key_id!r}", hint="dd0c key list")
    if how == "json":
        output.write_json(one)
        return
    facts = (
        ("id", one["id"]),
        ("name", one["name"]),
        ("state", _state(one)),
        ("key", one["prefix"] + "…"),
        ("organisation", one["org"]),
        ("team", one["team"]),
        ("roles", one["roles"]),
        ("scopes", one["scopes"]),
        ("models", one["models"] or "all"),
        ("created", output.moment(one["created_at"])),
        ("created by", one["created_by"]),
        ("expires", output.moment(one["expires_at"]) or "never"),
        ("revoked", output.moment(one["revoked_at"])),
    )
    output.write_facts(facts)


@key.command()
@click.argument("key_id", metavar="ID", shell_complete=completing.key_ids)
@click.argument("team", required=False, shell_complete=completing.team_names)
@output.formats("json")
def move(key_id: str, team: str | None, how: How) -> None:
    """Move the key with this ID (key_…) into TEAM; without TEAM, out of the one it is in.

    What it does from now on counts for that team, what it did before stays where it was.

    \b
    Examples:
      dd0c key move key_01jcq8z5m3t7v9w2x4y6z8a0b1 search
    """
    moved = client.call("PATCH", f"/keys/{key_id}", body={"team": team})
    if how == "json":
        output.write_json(moved)
    else:
        click.echo(f"{moved['name']} belongs to {moved['team'] or 'no team'}")


@key.command()
@click.argument("key_id", metavar="ID", shell_complete=completing.key_ids)
@output.formats("json")
def revoke(key_id: str, how: How) -> None:
    """Revoke the key with this ID (key_…). Every gateway refuses it within a second.

    \b
    Examples:
      dd0c key revoke key_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c key revoke key_01jcq8z5m3t7v9w2x4y6z8a0b1 --json
    """
    revoked = client.call("DELETE", f"/keys/{key_id}")
    if how == "json":
        output.write_json(revoked)
    else:
        click.echo(f"revoked {revoked['id']} at {revoked['revoked_at']}")


def _state(one: dict[str, Any]) -> str:
    if one["revoked_at"]:
        return "revoked"
    ends = output.moment(one["expires_at"])
    return "expired" if ends and ends <= SystemClock().now() else "valid"
