"""`dd0c spool`: what gateways have written down and not yet brought into the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from dd0c.base import settings
from dd0c.base.errors import SetupError
from dd0c.cli import output, progress
from dd0c.products.route.models import dollars_text
from dd0c.products.route.shipper.survey import Survey


@click.group()
def spool() -> None:
    """Ship what a gateway left behind whose host is gone."""


@spool.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what there is, and change nothing.")
@click.option("--home", type=click.Path(path_type=Path), help="The home to ship with (DD0C_HOME).")
@output.formats("json")
def ship(directory: Path, *, dry_run: bool, home: Path | None, how: output.How) -> None:
    """Bring what lies in DIR into the ledger, each attempt once, and delete it there.

    DIR is the home of a host that is gone, its folder `spool`, or a folder gwy_… in there, in place
    or copied. A gateway that starts on its old home does the same by itself. What was in the ledger
    before stays as it is; an attempt without an end is booked as lost, at what was reserved for it.

    \b
    Examples:
      dd0c spool ship /mnt/rescued/dd0c --dry-run
      dd0c spool ship /mnt/rescued/dd0c
    """
    from dd0c.app import spool as app

    if not directory.is_dir():
        raise SetupError(f"{directory} is no folder that can be read")
    try:
        if dry_run:
            _show(app.look(directory), None, how)
            return
        with progress.working(f"shipping {directory}") as say:
            found, shipped = app.ship(settings.load({"home": home}), directory, say)
    except PermissionError as error:
        raise SetupError(f"{error.filename} cannot be used: {error.strerror}") from error
    _show(found, {"new_rows": shipped.rows, "kept_aside": shipped.kept}, how)
    if not shipped.budgets:
        told = "warning: budgets still count what that gateway held: the cache did not answer"
        click.echo(told, err=True)


def _show(found: Survey, shipped: dict[str, int] | None, how: output.How) -> None:
    facts: dict[str, Any] = {
        "attempts": found.attempts,
        "first": _moment(found.first_us),
        "last": _moment(found.last_us),
        "cost_usd": dollars_text(found.cost_pico),
        "unknown_cost": found.unknown,
        "lost": found.lost,
        "lost_reserved_usd": dollars_text(found.reserved_pico),
        "damaged": found.damaged,
        **(shipped or {}),
    }
    if how == "json":
        output.write_json(facts)
        return
    output.write_facts((name.replace("_", " "), value) for name, value in facts.items())
    if shipped is None:
        click.echo("nothing was changed: leave out --dry-run to ship it")


def _moment(us: int | None) -> str | None:
    return None if us is None else datetime.fromtimestamp(us / 1e6, UTC).isoformat()
