"""`dd0c restore FILE`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from dd0c.base import settings
from dd0c.cli import output, progress
from dd0c.cli.backup import HOME, PASSPHRASE_FILE, ask
from dd0c.cli.output import How


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--with-keys", is_flag=True, help="Key material too; asks for the passphrase.")
@PASSPHRASE_FILE
@HOME
@output.formats("json")
def restore(
    file: Path, home: Path | None, passphrase_file: Path | None, *, with_keys: bool, how: How
) -> None:
    """Make an installation out of FILE, in a new home or an empty external database.

    Every table is counted and every secret opened before it says that it is done. Keys that were
    revoked and people who were removed since FILE was made are back: do that again.

    \b
    Examples:
      dd0c restore /backup/dd0c-2026-11-21.zip --with-keys --home /srv/dd0c
      dd0c restore /backup/dd0c-2026-11-21.zip        secrets/ was put into the home before
    """
    from dd0c.app import restore as app

    asks = with_keys or passphrase_file is not None
    phrase = ask(passphrase_file, confirm=False) if asks else None
    with progress.working("restoring …") as say:
        done = app.main(settings.load({"home": home}), file.absolute(), phrase, say)
    if how == "json":
        output.write_json(asdict(done) | {"home": str(done.home)})
        return
    output.write_facts(
        (
            ("home", str(done.home)),
            ("backup of", output.moment(done.made_at)),
            ("tables", done.tables),
            ("rows", done.rows),
            ("secrets that open", done.secrets),
            ("migrations since", len(done.migrations)),
        )
    )
    if done.secrets is None:
        click.echo("warning: the KMS is away, no secret was tried", err=True)
    click.echo(f"start it: dd0c up --home {done.home}", err=True)
