"""Probes of what the kernel itself stands on: database, cache, job worker."""

from __future__ import annotations

from datetime import timedelta

from psycopg import AsyncConnection, OperationalError

from dd0c.base.clock import Clock
from dd0c.base.errors import Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.cache import client
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.jobs import heartbeat
from dd0c.kernel.web.probes import Probe

SILENT_MAX = timedelta(seconds=15)  # five heartbeats


def database_probe(pool: Pool) -> Probe:
    """The database answers, and we speak to it as the role that sees one tenant."""

    async def check() -> str:
        async with tenancy.system(pool) as tx:
            cursor = await tx.execute("SELECT current_user::text")
            row = await cursor.fetchone()
        if row is None or row[0] != roles.APP:
            raise Unavailable("the database knows us as somebody else")
        return f"answers as {roles.APP}"

    return Probe("database", check)


def cache_probe(cache: client.Client) -> Probe:
    """Valkey answers."""

    async def check() -> str:
        await client.ping(cache)
        return "answers"

    return Probe("cache", check)


def worker_probe(conninfo: Secret, clock: Clock) -> Probe:
    """A job worker has reported lately. `conninfo`: as `dd0c_jobs`, used only while asking."""

    async def check() -> str:
        try:
            async with await AsyncConnection.connect(conninfo.reveal()) as connection:
                last = await heartbeat.find_last(connection)
        except OperationalError:
            raise Unavailable("the job queue cannot be read") from None
        if last is None:
            raise Unavailable("no job worker has ever reported")
        silent = clock.now() - last
        if silent > SILENT_MAX:
            raise Unavailable(f"no job worker reported for {silent.total_seconds():.0f} s")
        return f"reported {silent.total_seconds():.0f} s ago"

    return Probe("worker", check)
