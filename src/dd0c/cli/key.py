"""`dd0c key`: API keys."""

from __future__ import annotations

import click

from dd0c.cli import client, output

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
@click.option("--model", "models", multiple=True, help="Only these models (several times).")
@output.json_option
def create(
    name: str,
    org: str | None,
    roles: tuple[str, ...],
    scopes: tuple[str, ...],
    models: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Make a key called NAME. Its text is shown this once: dd0c keeps only a hash of it.

    \b
    Examples:
      dd0c key create laptop                         may call models, nothing else
      dd0c key create grafana --role viewer --scope api
      OPENAI_API_KEY=$(dd0c key create ci)
      dd0c key create --org acme --role viewer --scope gateway --json
    """
    wanted = {
        "name": name,
        "org": org,
        "roles": list(roles),
        "scopes": list(scopes),
        "models": list(models),
    }
    made = client.call("POST", "/keys", body={k: v for k, v in wanted.items() if v})
    if as_json:
        output.write_json(made)
        return
    click.echo(made["key"])
    click.echo(
        f"key {made['name']} of {made['org']} ({made['id']}); it is not shown again", err=True
    )


@key.command("list")
@output.json_option
def list_keys(as_json: bool) -> None:
    """List the organisation's keys, without their texts.

    \b
    Examples:
      dd0c key list
      dd0c key list --json
    """
    found = client.list_all("/keys")
    if as_json:
        output.write_json({"items": found})
        return
    rows = [
        (
            one["id"],
            one["name"],
            one["prefix"] + "…",
            ", ".join(one["roles"]),
            ", ".join(one["scopes"]),
            one["created_at"][:10],
            "revoked" if one.get("revoked_at") else "valid",
        )
        for one in found
    ]
    columns = ("id", "name", "key", "roles", "scopes", "created", "state")
    output.write_table(columns, rows, numeric=output.NONE, whole=frozenset({0, 2, 5}))


@key.command()
@click.argument("key_id", metavar="ID")
@output.json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Revoke the key with this ID (key_…). Every gateway refuses it within a second.

    \b
    Example:
      dd0c key revoke key_01jcq8z5m3t7v9w2x4y6z8a0b1
    """
    revoked = client.call("DELETE", f"/keys/{key_id}")
    if as_json:
        output.write_json(revoked)
    else:
        click.echo(f"revoked {revoked['id']} at {revoked['revoked_at']}")
