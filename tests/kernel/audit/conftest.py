"""A database with an installation, two organisations and a key that signs their logs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dd0c.base.secrets import Secret
from dd0c.kernel.audit.checkpoint import FINGERPRINT, Signer
from dd0c.kernel.db import fitness, roles, tenancy
from dd0c.kernel.db.pool import Pool
from tests.conftest import TwoOrgs
from tests.kernel.audit.world import INSTALLATION, SEED, World
from tests.support.database import Database


@pytest.fixture
def world(
    database: Database,
    app_pool: Pool,
    pool_as: Callable[..., Pool],
    two_orgs: TwoOrgs,
    runner: asyncio.Runner,
) -> World:
    """The database of a test, as those who tell, chain and own it."""
    world = World(
        database,
        app_pool,
        pool_as(roles.CHAINER, 1),
        pool_as(roles.OWNER, 1),
        Signer(Secret(SEED)),
        two_orgs.acme,
        two_orgs.globex,
    )
    runner.run(_claim(world))
    return world


async def _claim(world: World) -> None:
    async with tenancy.system(world.owner) as tx:
        await fitness.claim(tx, INSTALLATION, {FINGERPRINT: (world.signer.public.hex(),)})
