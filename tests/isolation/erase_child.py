"""The job that empties erased organisations, in a process that a drill may kill."""

from __future__ import annotations

import asyncio
import sys

from dd0c.base import settings
from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import erasure
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.jobs.job import Work


async def main(home: str) -> None:
    pool = await open_pool(Secret(sys.stdin.readline().strip()), roles.JOBS, 1)
    await erasure.empty_erased(Work(settings.load({"home": home}, {}), pool, SystemClock()))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
