"""`dd0c profile`: the installations that this user works with."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret
from dd0c.cli import completing, output, profiles
from dd0c.cli.output import Column, How
from dd0c.cli.profiles import Profile


@click.group()
def profile() -> None:
    """Name installations, so that `dd0c --profile NAME` reaches them.

    Without --profile the order is: DD0C_URL and DD0C_KEY; the profile that DD0C_PROFILE names; the
    one chosen by `dd0c profile use`; the dd0c of this machine, with its owner.key.
    `dd0c whoami` says what was taken from where.
    """


@profile.command("list")
@output.formats("json", "csv")
def list_profiles(how: How) -> None:
    """List the profiles, without their keys.

    \b
    Examples:
      dd0c profile list
      dd0c profile list --json
    """
    found = profiles.load(os.environ)
    items = [
        _show(name, one, used=name == found.use) for name, one in sorted(found.by_name.items())
    ]
    columns = (
        Column("profile", "name", "whole"),
        Column("url", "url"),
        Column("key", "key"),
        Column("used", lambda one: "by default" if one["used"] else None, "whole"),
    )
    output.write_list(how, items, columns)


@profile.command()
@click.argument("name")
@click.option("--url", required=True, help="The address of its console, https://….")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="Read its key from this file whenever it is needed, instead of keeping it.",
)
@output.formats("json")
def add(name: str, url: str, key_file: Path | None, how: How) -> None:
    """Add the profile NAME, or put another in its place.

    The key is asked for without showing it, or read from standard input. It is never an argument:
    every user of a machine can read the arguments of all programs.

    \b
    Examples:
      dd0c profile add staging --url https://dd0c.staging.example.net
      dd0c profile add ci --url https://dd0c.example.net < key.txt
      dd0c profile add prod --url https://dd0c.example.net --key-file /run/secrets/dd0c
    """
    profiles.check_name(name)
    url = profiles.check_url(url, "--url")
    found = profiles.load(os.environ)
    if key_file is not None:
        made = Profile(url, key_file=key_file.expanduser().absolute())
    else:
        made = Profile(url, key=_ask_key(name))
    made.read_key()
    profiles.save(replace(found, by_name={**found.by_name, name: made}))
    _tell(how, _show(name, made, used=name == found.use), f"added {name}; is it right?")
    if how == "table":
        click.echo(f"  dd0c --profile {name} whoami")


@profile.command()
@click.argument("name", shell_complete=completing.profile_names)
@output.formats("json")
def remove(name: str, how: How) -> None:
    """Remove the profile NAME with its key. The key itself stays valid: see `dd0c key revoke`.

    \b
    Examples:
      dd0c profile remove staging
      dd0c profile remove staging --json
    """
    found = profiles.load(os.environ)
    gone = found.get(name)
    kept = {other: one for other, one in found.by_name.items() if other != name}
    profiles.save(replace(found, by_name=kept, use=None if found.use == name else found.use))
    _tell(how, _show(name, gone, used=False), f"removed {name}")


@profile.command()
@click.argument("name", required=False, shell_complete=completing.profile_names)
@click.option("--none", "nothing", is_flag=True, help="Use the dd0c of this machine again.")
@output.formats("json")
def use(name: str | None, *, nothing: bool, how: How) -> None:
    """Use the profile NAME wherever nothing else is said.

    \b
    Examples:
      dd0c profile use staging
      dd0c profile use --none
    """
    if (name is None) != nothing:
        raise InvalidInput("give the NAME of a profile, or --none")
    found = profiles.load(os.environ)
    if name is not None:
        found.get(name)
    profiles.save(replace(found, use=name))
    _tell(how, {"used": name}, f"from now on: {name or 'the dd0c of this machine'}")


def _ask_key(name: str) -> Secret:
    if sys.stdin.isatty():
        text = click.prompt(f"Key for {name}", hide_input=True, err=True)
    else:
        text = sys.stdin.readline()
    if not text.strip():
        raise InvalidInput("there was no key on standard input", hint="or give --key-file")
    if not text.strip().isprintable():
        raise InvalidInput("what was given is no key")
    return Secret(text.strip())


def _show(name: str, one: Profile, *, used: bool) -> dict[str, Any]:
    where = str(one.key_file) if one.key_file else "kept" if one.key else None
    return {"name": name, "url": one.url, "key": where, "used": used}


def _tell(how: How, made: dict[str, Any], line: str) -> None:
    if how == "json":
        output.write_json(made)
    else:
        click.echo(line)
