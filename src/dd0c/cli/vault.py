"""`dd0c vault`: the keys that seal secrets, and new ones in their place."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dd0c.base import settings
from dd0c.cli import output, progress
from dd0c.cli.output import Column, How

HOME = click.option("--home", type=click.Path(path_type=Path), help="The home (DD0C_HOME).")
EVERYBODY = "(installation)"


@click.group()
def vault() -> None:
    """Look at the keys that seal secrets, and replace them while everything serves.

    Secrets are sealed under a data key of their organisation; data keys are wrapped by the
    key-encryption key, which DD0C_VAULT names. Runs on the host: with an external database it
    needs DD0C_DATABASE_ADMIN_URL, as nothing that serves may write secrets.
    """


@vault.command()
@HOME
@output.formats("json")
def status(home: Path | None, how: How) -> None:
    """Show what is under which key, and whether a rotation is unfinished.

    \b
    Examples:
      dd0c vault status
      dd0c vault status --json | jq .unfinished
    """
    from dd0c.app import vault as app

    seen = app.look(settings.load({"home": home}))
    if how == "json":
        output.write_json(_as_json(seen))
        return
    keys = [_wrapping(name, seen) for name in _names(seen)]
    output.write_table(WRAPPINGS, keys)
    click.echo()
    output.write_table(SEALINGS, [asdict(one) for one in seen.survey.sealings])
    if not seen.survey.is_done:
        click.echo("a rotation is unfinished: `dd0c vault rewrap` finishes it", err=True)


@vault.command()
@click.option("--kek", is_flag=True, help="The key-encryption key instead of the data keys.")
@HOME
@output.formats("json")
def rotate(home: Path | None, *, kek: bool, how: How) -> int:
    """Make new data keys and re-encrypt every secret; with --kek a new key-encryption key.

    Everything goes on meanwhile: what is under an old key opens until it is under the new one.
    Interrupted anywhere, nothing is lost, and `dd0c vault rewrap` finishes it.

    --kek makes a key in secrets/kek.key, or a new version in AWS KMS or Vault, and wraps the data
    keys anew. Where other machines run, copy that file there first, as it will say.

    \b
    Examples:
      dd0c vault rotate
      dd0c vault rotate --kek
    """
    from dd0c.app import vault as app

    found = settings.load({"home": home})
    with progress.working("rotating keys …") as say:
        done = app.rotate_kek(found, say) if kek else app.rotate(found, say)
    return _tell(how, done)


@vault.command()
@HOME
@output.formats("json")
def rewrap(home: Path | None, *, how: How) -> int:
    """Bring everything under the newest keys: finish a rotation, or follow DD0C_VAULT to another.

    To move to another key or KMS: DD0C_VAULT=NEW,OLD everywhere, `dd0c reload`, this verb, then
    take OLD out.

    \b
    Examples:
      dd0c vault rewrap
      DD0C_VAULT=aws-kms:arn:aws:kms:eu-central-1:111122223333:key/4f2a,local dd0c vault rewrap
    """
    from dd0c.app import vault as app

    with progress.working("wrapping anew …") as say:
        done = app.rewrap(settings.load({"home": home}), say)
    return _tell(how, done)


WRAPPINGS = (
    Column("key-encryption key", "name", "whole"),
    Column("wraps new", lambda row: "yes" if row["current"] else None),
    Column("data keys", "data_keys", "number"),
    Column("to be wrapped anew", "due", "number"),
)
SEALINGS = (
    Column("organisation", lambda row: row["name"] if row["org"] else EVERYBODY),
    Column("data keys", "data_keys", "number"),
    Column("retired", "retired", "number"),
    Column("newest", lambda row: row["newest_at"].isoformat(), "moment"),
    Column("secrets", "secrets", "number"),
    Column("to be re-encrypted", "due", "number"),
)


def _names(seen: Any) -> list[str]:
    used = [one.name for one in seen.survey.wrappings]
    return [*seen.keys, *(name for name in used if name not in seen.keys)]


def _wrapping(name: str, seen: Any) -> dict[str, Any]:
    """A key that this home has, or one that it lacks and something is under."""
    used = {one.name: one for one in seen.survey.wrappings}.get(name)
    return {
        "name": name,
        "current": name == seen.keys[0],
        "here": name in seen.keys,
        "data_keys": used.data_keys if used else 0,
        "due": used.due if used else 0,
    }


def _as_json(seen: Any) -> dict[str, Any]:
    return {
        "keys": [_wrapping(name, seen) for name in _names(seen)],
        "organisations": [
            asdict(one) | {"org": one.org and str(one.org), "newest_at": one.newest_at.isoformat()}
            for one in seen.survey.sealings
        ],
        "unfinished": not seen.survey.is_done,
    }


def _tell(how: How, done: Any) -> int:
    if how == "json":
        output.write_json(asdict(done))
    elif done.hosts:
        click.echo("secrets/kek.key has a new key, and nothing is under it yet")
        click.echo(f"copy that file to {', '.join(done.hosts)}, then: dd0c vault rewrap", err=True)
    else:
        moved = done.moved
        counts = (
            ("organisations with a new data key", moved.retired),
            ("secrets re-encrypted", moved.resealed),
            ("old data keys deleted", moved.forgotten),
            ("data keys wrapped anew", moved.rewrapped),
        )
        output.write_facts((name, count or None) for name, count in counts)
        if not any(count for _, count in counts):
            click.echo("everything is under the newest keys")
        for what in moved.unreadable:
            click.echo(f"warning: left as it is: {what}", err=True)
    return 1 if done.moved.unreadable else 0
