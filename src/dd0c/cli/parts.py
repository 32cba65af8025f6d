"""`dd0c parts`: the processes of the installation, on all its machines."""

from __future__ import annotations

import click

from dd0c.cli import client, completing, output
from dd0c.cli.output import Column, How


@click.group()
def parts() -> None:
    """List the processes of the installation; forget one that is gone (needs the role platform)."""


@parts.command("list")
@output.formats("json", "csv")
def list_parts(how: How) -> None:
    """List gateways, control servers and job workers, wherever they run.

    Each reports every 5 s. `stale`: not heard of for 20 s, so killed, hung, or cut off from the
    database.

    \b
    Examples:
      dd0c parts list
      dd0c parts list --json | jq '.items[] | select(.state == "stale")'
    """
    columns = (
        Column("id", "id", "whole"),
        Column("part", "kind"),
        Column("state", "state", "state"),
        Column("host", "host"),
        Column("process", "pid", spare=True),
        Column("version", "version", spare=True),
        Column("since", "since", "moment", spare=True),
        Column("silent s", "silent_s", spare=True),
    )
    output.write_list(how, client.call("GET", "/parts")["items"], columns)


@parts.command()
@click.argument("part_id", metavar="ID", shell_complete=completing.part_ids)
@output.formats("json")
def forget(part_id: str, how: How) -> None:
    """Forget the part with this ID (prt_…), which ended or fell silent for good.

    It is forgotten by itself after a day; until then health waits for it. One that was only cut off
    comes back by itself.

    \b
    Examples:
      dd0c parts forget prt_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c parts forget prt_01jcq8z5m3t7v9w2x4y6z8a0b1 --json
    """
    gone = client.call("DELETE", f"/parts/{part_id}")
    if how == "json":
        output.write_json(gone)
    else:
        click.echo(f"forgot {gone['kind']} on {gone['host']} (process {gone['pid']})")
