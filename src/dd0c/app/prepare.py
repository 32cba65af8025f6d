"""The short child of `dd0c up`, and all of `dd0c migrate`: what must be so before anything serves.

Roles, schema and queue; the secrets of the installation and whose database this is; the first
organisation and its owner key; the providers that the environment names. All of it may run again at
every start, and after a kill at any point. Nothing else ever holds the owner's database role or an
administrator's.

`dd0c up` beside an external database without an administrator's address prepares nothing that needs
one: it looks whether somebody's `dd0c migrate` did.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from json import dumps

from dd0c.app import auditing, entrance
from dd0c.base import home, settings
from dd0c.base import log as logs
from dd0c.base.errors import Error, SetupError
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.audit import checkpoint
from dd0c.kernel.auth import organisations, pepper
from dd0c.kernel.db import address, fitness, migrate, reach, roles, tenancy
from dd0c.kernel.db.migrate import Say
from dd0c.kernel.db.pool import Pool, Transaction, open_pool
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route import providers
from dd0c.products.route.store import providers as provider_store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was done just now, what requests will be answered by, and what deserves a warning."""

    steps: tuple[str, ...]
    migrations: tuple[str, ...]
    real: tuple[str, ...]
    warnings: tuple[str, ...]


def main(
    settings: Settings, simulator_url: str | None = None, say: Say = lambda step: None
) -> Findings:
    """Do all of it; SetupError where the database or the home does not allow it.

    `simulator_url` None: `dd0c migrate`, which has none. `say` hears of each step as it begins.
    """
    place = home.create(settings.home)
    if settings.database_url and not settings.database_admin_url and simulator_url is not None:
        return asyncio.run(reach.patiently(lambda: _look(settings, place), log.warning))
    return asyncio.run(
        reach.patiently(lambda: _prepare(settings, place, simulator_url, say), log.warning)
    )


async def _prepare(
    settings: Settings, place: Home, simulator_url: str | None, say: Say
) -> Findings:
    done = await migrate.migrate(settings, entrance.PRODUCTS, say=say)
    say("secrets and the first key")
    async with _pool(settings, roles.OWNER) as pool, tenancy.system(pool) as tx:
        await _claim(tx, settings, place)
    async with _pool(settings, roles.APP) as pool:
        text = organisations.first_key(place)
        await organisations.ensure_first(pool, pepper.load(place), text)
    say("providers")
    vault = Vault(configured.load(settings, place))
    async with _pool(settings, roles.OWNER) as pool, tenancy.system(pool) as tx:
        warnings = await providers.ensure_from_environment(settings, tx, vault, simulator_url)
        real = await _real_dialects(tx)
    return Findings(tuple(done.steps), tuple(done.applied), real, (*done.warnings, *warnings))


async def _look(settings: Settings, place: Home) -> Findings:
    if missing := entrance.list_missing(settings, place):
        raise SetupError(
            f"{place.secrets} lacks {' and '.join(missing)}",
            hint=f"set {entrance.ADMIN_URL} too, or {entrance.COPY}",
        )
    async with _pool(settings, roles.APP) as pool:
        await entrance.refuse_unfit(pool, settings, place)
        async with tenancy.system(pool) as tx:
            real = await _real_dialects(tx)
    given = settings.openai_api_key or settings.anthropic_api_key
    warning = f"provider keys of the environment are registered only with {entrance.ADMIN_URL}"
    return Findings((), (), real, (warning,) if given else ())


async def _claim(tx: Transaction, settings: Settings, place: Home) -> None:
    """Database and secrets of this home belong together; the first home that comes makes them."""
    known = await fitness.find_fingerprints(tx)
    in_use = known is not None or await organisations.find(tx, organisations.FIRST) is not None
    if in_use and (missing := entrance.list_missing(settings, place)):
        raise SetupError(
            f"this database is in use, and {place.secrets} lacks {' and '.join(missing)}",
            hint=entrance.COPY,
        )
    pepper.ensure(place)
    configured.ensure(settings, place)
    if checkpoint.FINGERPRINT not in (known or {}):  # else it is elsewhere, where the log is signed
        auditing.ensure(settings, place)
    await fitness.claim(tx, place.installation, entrance.fingerprints(settings, place))


async def _real_dialects(tx: Transaction) -> tuple[str, ...]:
    known = await provider_store.list_visible(tx)
    real = {p.dialect for p in known if p.org is None and p.enabled and not p.simulated}
    return tuple(sorted(real))


@asynccontextmanager
async def _pool(settings: Settings, role: str) -> AsyncIterator[Pool]:
    pool = await open_pool(address.conninfo(settings, role), role, 1)
    try:
        yield pool
    finally:
        await pool.close()


def _child(simulator_url: str, report_fd: int) -> int:
    """Write the findings to the supervisor's pipe; what went wrong goes to the log (stderr)."""
    logs.configure("prepare")
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
