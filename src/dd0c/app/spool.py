"""`dd0c spool ship`: brings what a dead gateway left into the ledger, once (R-15).

It takes the lock that a gateway of that home would hold, so neither of them finds the other's work
half done. What is shipped is deleted. Budgets that the dead gateway held money of are then counted
anew: until somebody has shipped its spool, that money counts as spent.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from dd0c.app import entrance
from dd0c.base import locks
from dd0c.base.clock import SystemClock
from dd0c.base.errors import NotFound, SetupError, Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.auth import organisations
from dd0c.kernel.cache.client import open_client
from dd0c.kernel.db import address, roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import CALL_WITHIN_S
from dd0c.products.route.gateway.configuration import rule_of
from dd0c.products.route.gateway.estate import Estate
from dd0c.products.route.hotpath.rules import Rules
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper, survey
from dd0c.products.route.shipper.folder import Folder
from dd0c.products.route.shipper.survey import Left, Survey
from dd0c.products.route.store import rules as rule_store

SAY_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Shipped:
    """What came of it. `rows` were new in the ledger; `kept`: records that have no place there.
    `budgets`: whether they are counted without what the gateway held of them."""

    rows: int
    kept: int
    budgets: bool


def look(given: Path) -> Survey:
    """What there is to ship; nothing is changed, and no database is needed."""
    return survey.take(survey.find(given).folders)


def ship(settings: Settings, given: Path, say: Callable[[str], None]) -> tuple[Survey, Shipped]:
    """Ship it; SetupError when its gateway lives, or when it is of another installation."""
    left = survey.find(given)
    with locks.held(
        left.lock,
        within_s=0,
        taken=f"the gateway of {given} still runs, and ships it itself",
        hint="stop it first, or leave it to it",
    ):
        found = survey.take(left.folders)
        return found, asyncio.run(_ship(settings, left, found, say))


async def _ship(
    settings: Settings, left: Left, found: Survey, say: Callable[[str], None]
) -> Shipped:
    settings, place = entrance.enter(settings)
    await _refuse_foreign(settings, found.orgs, left)
    rules = await _load_rules(settings)
    pool = await open_pool(address.conninfo(settings, roles.SHIPPER), roles.SHIPPER, 2)
    try:
        await entrance.refuse_unfit(pool, settings, place)
        rows, kept, budgets = 0, 0, True
        for path in left.folders:
            estate = Estate(rules)
            shipper = Shipper(path, pool, PriceTable(), SystemClock(), left=(), listener=estate)
            shipping = asyncio.create_task(shipper.ship_once())
            while not shipping.done():
                await asyncio.wait([shipping], timeout=SAY_EVERY_S)
                say(f"{rows + shipper.counts.rows:,} of {found.attempts:,} attempts")
            await shipping
            Folder(path).remove_if_empty()
            budgets &= await _divide(settings, estate, path.name)
            rows, kept = rows + shipper.counts.rows, kept + shipper.counts.rejected
        return Shipped(rows, kept, budgets)
    finally:
        await pool.close()


async def _load_rules(settings: Settings) -> Rules:
    pool = await open_pool(address.conninfo(settings, roles.GATEWAY), roles.GATEWAY, 1)
    try:
        async with tenancy.system(pool) as tx:
            return Rules(map(rule_of, await rule_store.list_rules(tx)))
    finally:
        await pool.close()


async def _divide(settings: Settings, estate: Estate, gateway: str) -> bool:
    client = open_client(settings, 1, CALL_WITHIN_S)
    try:
        return await estate.divide(Counters(client, f"spool.{uuid.uuid4().hex}"), gateway)
    except Unavailable:
        return False
    finally:
        await client.aclose()


async def _refuse_foreign(settings: Settings, orgs: Collection[bytes], left: Left) -> None:
    pool = await open_pool(address.conninfo(settings, roles.APP), roles.APP, 1)
    try:
        for org in orgs:
            async with tenancy.tenant(pool, uuid.UUID(bytes=org)) as tx:
                await organisations.get_own(tx)
    except NotFound:
        raise SetupError(
            f"{left.folders[0]} is of another installation: its organisation is unknown here",
            hint="run this where DD0C_HOME and DD0C_DATABASE_URL are those of its installation",
        ) from None
    finally:
        await pool.close()
