"""The short child of `dd0c up`, and all of `dd0c migrate`: what must be so before anything serves.

Roles, schema and queue; the first organisation and its owner key; the providers that the
environment names. All of it may run again at every start, and after a kill at any point. Nothing
else ever holds the owner's database role or an administrator's.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

from dd0c.base import home, log, settings
from dd0c.base.errors import Error
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.auth import organisations, pepper
from dd0c.kernel.db import address, migrate, roles, tenancy
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.kernel.db.schema import Source
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.products import route
from dd0c.products.route import providers
from dd0c.products.route.store import providers as provider_store

ROUTE = Source("route", Path(route.__file__).parent / "migrations")


@dataclass(frozen=True, slots=True)
class Findings:
    """What was done just now, what requests will be answered by, and what deserves a warning."""

    migrations: tuple[str, ...]
    real: tuple[str, ...]
    warnings: tuple[str, ...]


def main(settings: Settings, simulator_url: str | None = None) -> Findings:
    """Do all of it; SetupError where the database or the home does not allow it."""
    return asyncio.run(_prepare(settings, home.create(settings.home), simulator_url))


async def _prepare(settings: Settings, place: Home, simulator_url: str | None) -> Findings:
    applied = await migrate.migrate(settings, [ROUTE])
    async with _pool(settings, roles.APP) as pool:
        text = organisations.first_key(place)
        await organisations.ensure_first(pool, pepper.ensure(place), text)
    vault = Vault(local.ensure(place))
    async with _pool(settings, roles.OWNER) as pool, tenancy.system(pool) as tx:
        warnings = await providers.ensure_from_environment(settings, tx, vault, simulator_url)
        known = await provider_store.list_visible(tx)
    real = {p.dialect for p in known if p.org is None and p.enabled and not p.simulated}
    return Findings(tuple(applied), tuple(sorted(real)), tuple(warnings))


@asynccontextmanager
async def _pool(settings: Settings, role: str) -> AsyncIterator[Pool]:
    pool = await open_pool(address.conninfo(settings, role), role, 1)
    try:
        yield pool
    finally:
        await pool.close()


def _child(simulator_url: str, report_fd: int) -> int:
    """Write the findings to the supervisor's pipe; what went wrong goes to the log (stderr)."""
    log.configure("prepare")
    try:
        findings = main(settings.load(), simulator_url)
    except Error as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        return error.exit_status
    with open(report_fd, "w") as report:
        report.write(dumps(asdict(findings)))
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1], int(sys.argv[2])))
