"""`dd0c job`: runs of background jobs: what waits, what failed, another try."""

from __future__ import annotations

from urllib.parse import quote

import click

from dd0c.cli import client, output
from dd0c.cli.output import Column, How

STATES = ("queued", "running", "failed", "dead")


@click.group()
def job() -> None:
    """List runs of background jobs; try one again, or take it away (needs the role platform)."""


@job.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@output.formats("json", "csv")
def list_jobs(state: str | None, how: How) -> None:
    """List runs that wait, are worked at, or failed, the newest first.

    `failed` waits for its next attempt. `dead` gave up after its attempts, and waits for you.

    \b
    Examples:
      dd0c job list
      dd0c job list --state dead --json | jq -r '.items[].error'
    """
    columns = (
        Column("id", "id", "whole"),
        Column("job", "job"),
        Column("subject", "subject", spare=True),
        Column("state", "state", "state"),
        Column("attempts", "attempts", "number"),
        Column("since", "changed_at", "moment", spare=True),
        Column("next", "next_at", "moment", spare=True),
        Column("error", "error"),
    )
    output.write_list(how, client.list_all("/jobs", {"state": state}), columns)


@job.command()
@click.argument("job_id", metavar="ID")
@output.formats("json")
def retry(job_id: str, how: How) -> None:
    """Try the run with this ID (job_…) again: a dead one once more, a failed one at once.

    \b
    Examples:
      dd0c job retry job_00000000000000000000000a1b
      dd0c job list --state dead --json | jq -r '.items[].id' | xargs -n 1 dd0c job retry
    """
    _change(job_id, "retry", "put back", how)


@job.command()
@click.argument("job_id", metavar="ID")
@output.formats("json")
def cancel(job_id: str, how: How) -> None:
    """Take the run with this ID (job_…) away, unless a worker is at it.

    What runs by the clock comes again at its next time.

    \b
    Examples:
      dd0c job cancel job_00000000000000000000000a1b
    """
    _change(job_id, "cancel", "took away", how)


def _change(job_id: str, verb: str, done: str, how: How) -> None:
    found = client.call("POST", f"/jobs/{quote(job_id, safe='')}/{verb}")
    if how == "json":
        output.write_json(found)
    else:
        click.echo(f"{done} {found['job']} ({found['id']})")
