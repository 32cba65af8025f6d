"""A job worker in a process of its own whose one job says that it began, and may then wait."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from dd0c.base import settings
from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.kernel.db import checks
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.jobs import runner
from dd0c.kernel.jobs.job import Job, Work
from dd0c.products.route.store.access import ACCESS

PACE = runner.Pace(heartbeat_every_s=0.2, stalled_after_s=1.0, look_every_s=0.1)
NAME = "test.wait"


def waiting_job(began: Path, seconds: float) -> Job:
    """Adds a line to `began` at each run."""

    async def run(work: Work) -> None:
        with began.open("a") as file:
            file.write(f"{os.getpid()}\n")
        await asyncio.sleep(seconds)

    return Job(NAME, run, at_start=seconds > 0)


async def judge(pool: Pool) -> None:
    """As the product judges a database, but for the secrets: these tests have none."""
    await checks.refuse_unsafe(pool, [ACCESS])


def main(home: str, began: str, seconds: str) -> None:
    conninfo = Secret(sys.stdin.readline().strip())
    found = settings.load({"home": home}, {})
    jobs = [waiting_job(Path(began), float(seconds))]
    asyncio.run(runner.serve(found, conninfo, jobs, SystemClock(), PACE, refuse_unfit=judge))


if __name__ == "__main__":
    main(*sys.argv[1:])
