"""`dd0c backup FILE`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from dd0c.base import settings
from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret
from dd0c.cli import output, progress
from dd0c.cli.output import How
from dd0c.kernel.vault import keyfile

HOME = click.option("--home", type=click.Path(path_type=Path), help="The home (DD0C_HOME).")
PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file (mode 0600) with the passphrase, instead of asking for it.",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--elsewhere", is_flag=True, help="Write none: one was made by other means just now.")
@click.option("--with-keys", is_flag=True, help="Key material too, sealed under a passphrase.")
@PASSPHRASE_FILE
@HOME
@output.formats("json")
def backup(
    file: Path | None,
    home: Path | None,
    passphrase_file: Path | None,
    how: How,
    *,
    elsewhere: bool,
    with_keys: bool,
) -> None:
    """Write all that `dd0c restore` needs into FILE, while everything goes on.

    Without --with-keys FILE opens no secret and knows no key: keep the home's secrets/pepper and
    secrets/kek.key elsewhere (docs/operating/keys.md). With it, whoever has FILE and the passphrase
    has everything. `dd0c doctor` warns when the last one is older than a week.

    \b
    Examples:
      dd0c backup /backup/dd0c-2026-11-21.zip
      dd0c backup --with-keys --passphrase-file /root/phrase /backup/dd0c-2026-11-21.zip
      dd0c backup --elsewhere        your own pg_dump or snapshot of the disk has just ended well
    """
    from dd0c.app import backup as app

    found = settings.load({"home": home})
    if elsewhere is (file is not None):
        raise InvalidInput("give a FILE to write, or --elsewhere")
    if file is None:
        app.record_other(found)
        return
    phrase = ask(passphrase_file, confirm=True) if with_keys else None
    with progress.working("backing up …") as say:
        done = app.main(found, file.absolute(), phrase, say)
    if how == "json":
        output.write_json(asdict(done) | {"path": str(done.path)})
        return
    output.write_facts(
        (
            ("file", str(done.path)),
            ("bytes", done.size_bytes),
            ("tables", done.tables),
            ("rows", done.rows),
            ("spool files", done.spool_files),
            ("key material", "inside, sealed" if done.keys else "not inside"),
        )
    )


def ask(file: Path | None, *, confirm: bool) -> Secret:
    """The passphrase, out of the file or of whoever sits there."""
    if file is not None:
        return keyfile.read(file, remedy="write the passphrase into it")
    return Secret(
        click.prompt("passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    )
