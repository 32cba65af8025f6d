"""Checks of the database as a serving part would use it: with this home's secrets, as its role.

A part that may not serve says so by ending. Here the same is asked without starting one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from dd0c.app import entrance
from dd0c.base.errors import Error
from dd0c.cli.checks.finding import Finding, ok, problem, warning
from dd0c.cli.checks.host import Host, Look
from dd0c.cli.checks.running import is_up
from dd0c.kernel.db import address, roles, tenancy
from dd0c.kernel.db.pool import open_pool


def look_at_database(host: Host) -> Iterator[Finding]:
    """It lets us in, its schema is this program's, its secrets are this home's, its clock is ours.

    One that belongs to a `dd0c up` that does not run is not looked at: it does not run either.
    """
    if not host.settings.database_url and not is_up(host):
        return
    try:
        told = asyncio.run(_ask(host))
    except Error as error:
        yield problem(error.message, error.hint)
        return
    except psycopg.Error as error:
        cause = str(error).partition("\n")[0]
        yield problem(f"is not as this dd0c needs it: {cause}", "run `dd0c migrate`")
        return
    yield ok("lets us in and fits this dd0c and this home")
    yield _judge_backup(host, told.backed_up_at)
    if told.clock_off > host.bounds.clock_off_warning:
        yield warning(
            f"its clock and this machine's differ by {told.clock_off.total_seconds():.0f} s",
            "let both follow a time server: spans of time and ends of keys are judged by clocks",
            name="clock",
        )
    else:
        yield ok("this machine's clock and the database's agree", name="clock")


@dataclass(frozen=True, slots=True)
class _Told:
    """How far the clocks are apart, and when a backup was last made."""

    clock_off: timedelta
    backed_up_at: datetime | None


def _judge_backup(host: Host, made_at: datetime | None) -> Finding:
    """There is a backup, and it is not old (K-33)."""
    remedy = "dd0c backup FILE, every night; of a database that is backed up otherwise: --elsewhere"
    if made_at is None:
        return warning("no backup was ever made", remedy, name="backup")
    days = (host.clock.now() - made_at) / timedelta(days=1)
    if days > host.bounds.backup_warning / timedelta(days=1):
        return warning(f"the last backup is {days:.0f} days old", remedy, name="backup")
    return ok(f"the last backup is of {made_at:%Y-%m-%d %H:%M} UTC", name="backup")


async def _ask(host: Host) -> _Told:
    conninfo = address.conninfo(host.settings, roles.APP)
    pool = await open_pool(conninfo, roles.APP, 1)
    try:
        await entrance.refuse_unfit(pool, host.settings, host.home)
        async with tenancy.system(pool) as tx:
            before = host.clock.now()
            row = await (
                await tx.execute(
                    "SELECT clock_timestamp(), (SELECT backed_up_at FROM kernel.installation)"
                )
            ).fetchone()
            after = host.clock.now()
    finally:
        await pool.close()
    assert row is not None
    theirs = row[0]
    assert isinstance(theirs, datetime)
    return _Told(max(before - theirs, theirs - after, timedelta(0)), row[1])


CHECKS: Mapping[str, Look] = {"database fit": look_at_database}
