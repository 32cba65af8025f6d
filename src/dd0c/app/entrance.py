"""What every part does before it serves: finds its home and secrets, and judges the database.

A part that stands alone beside an external database has a home too: for the secrets that all
machines of an installation share, for its spool and its logs. It is made where there is none; the
secrets never are, because only those with which the database was first prepared open it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from dd0c.app import auditing
from dd0c.base import home
from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.audit import checkpoint
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import fitness
from dd0c.kernel.db.fitness import Fingerprints
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.db.schema import Source
from dd0c.kernel.hooks import sealed
from dd0c.kernel.vault import configured, local, rotation
from dd0c.kernel.vault.holding import Holding
from dd0c.products import route, run
from dd0c.products.route.store import providers
from dd0c.products.route.store.access import ACCESS as ROUTE_ACCESS
from dd0c.products.run.store import versions
from dd0c.products.run.store.access import ACCESS as RUN_ACCESS

ADMIN_URL = "DD0C_DATABASE_ADMIN_URL"
COPY = "copy the folder `secrets` of the home in which `dd0c migrate` ran first"

PRODUCTS = (
    Source("route", Path(route.__file__).parent / "migrations", ROUTE_ACCESS),
    Source("run", Path(run.__file__).parent / "migrations", RUN_ACCESS),
)

HOLDINGS = (
    providers.HOLDING,
    Holding("kernel", "audit_contents"),
    Holding("kernel", "contents"),
    sealed.HOLDING,
    versions.HOLDING,
)
"""Every table with sealed secrets."""


def enter(settings: Settings) -> tuple[Settings, Home]:
    """The settings without what a serving part must not have, and its home.

    SetupError for an administrator's address in the environment: everything that can read a
    process's memory or environment would then own the database (K-2). One in dd0c.toml is not
    handed on.
    """
    if os.environ.get(ADMIN_URL):
        raise SetupError(
            f"{ADMIN_URL} is set for a part that serves, which must not have it",
            hint="set it for `dd0c migrate` (or `dd0c up`, which hands it on to nobody) only",
        )
    place = home.create(settings.home) if settings.database_url else home.find(settings.home)
    if settings.database_url and (missing := list_missing(settings, place)):
        raise SetupError(
            f"{place.secrets} lacks {' and '.join(missing)}", hint=f"run `dd0c migrate`, or {COPY}"
        )
    return replace(settings, database_admin_url=Secret("")), place


def list_missing(settings: Settings, place: Home) -> list[str]:
    """The names of the shared secrets that this home should have and does not."""
    wanted = (pepper.FILE, local.FILE) if configured.uses_file(settings) else (pepper.FILE,)
    return [name for name in wanted if not (place.secrets / name).exists()]


def fingerprints(settings: Settings, place: Home) -> Fingerprints:
    """What tells the secrets of this home from those of another."""
    signer = auditing.find(settings, place)
    return {
        "the key pepper": (pepper.load(place).derive(b"dd0c fingerprint").hex(),),
        rotation.NAME: tuple(key.name for key in configured.load(settings, place)),
        **({checkpoint.FINGERPRINT: (signer.public.hex(),)} if signer else {}),
    }


async def refuse_unfit(pool: Pool, settings: Settings, place: Home) -> None:
    """SetupError when a part with this home must not serve from this database."""
    await fitness.refuse_unfit(pool, PRODUCTS, fingerprints(settings, place))
