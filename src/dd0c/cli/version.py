"""`dd0c version`."""

from __future__ import annotations

import platform

import click

import dd0c
from dd0c.cli import output
from dd0c.cli.output import How


@click.command()
@output.formats("json")
def version(how: How) -> None:
    """The version of dd0c and of the Python and system it runs on.

    \b
    Examples:
      dd0c version
      dd0c version --json
    """
    facts = {
        "version": dd0c.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if how == "json":
        output.write_json(facts)
    else:
        click.echo(f"dd0c {facts['version']} (Python {facts['python']}, {facts['system']})")
