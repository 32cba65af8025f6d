"""The key of the audit log, and the process that uses it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dd0c.app import auditing, entrance
from dd0c.base import home
from dd0c.base.errors import SetupError
from dd0c.base.settings import Settings
from dd0c.kernel.audit import entries, outbox, reading
from dd0c.kernel.audit.checkpoint import FINGERPRINT
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import fitness, roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import local
from tests.kernel.audit.world import event
from tests.kernel.jobs.test_process import running, wait_for
from tests.support.database import Database


def test_the_key_is_made_once_and_read_where_it_is_said(tmp_path: Path) -> None:
    """Readable by its owner only, the same at every start, or in a file elsewhere (K-50)."""
    place = home.create(tmp_path / "home")
    assert auditing.find(Settings(), place) is None
    made = auditing.ensure(Settings(), place)
    assert auditing.ensure(Settings(), place).public == made.public
    file = place.secrets / auditing.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    elsewhere = replace(Settings(), audit_key=str(file.rename(tmp_path / "its.key")))
    found = auditing.find(elsewhere, place)
    assert found is not None
    assert found.public == made.public
    Path(elsewhere.audit_key).chmod(0o644)
    with pytest.raises(SetupError, match="used by others"):
        auditing.find(elsewhere, place)


@pytest.fixture
def owner(pool_as: Callable[..., Pool]) -> Pool:
    """A pool as the owner."""
    return pool_as(roles.OWNER, 1)


def test_a_job_worker_with_the_key_chains(
    database: Database, owner: Pool, app_pool: Pool, tmp_path: Path, runner: asyncio.Runner
) -> None:
    """What is told is in the log a moment later, also after kill -9 of who chained (K-50, K-6)."""
    place = home.create(tmp_path / "home")
    pepper.ensure(place)
    local.ensure(place)
    signer = auditing.ensure(database.settings, place)

    async def claim() -> None:
        async with tenancy.system(owner) as tx:
            given = entrance.fingerprints(replace(database.settings, home=place.path), place)
            assert given[FINGERPRINT] == (signer.public.hex(),)
            await fitness.claim(tx, place.installation, given)

    async def tell() -> None:
        async with tenancy.system(app_pool) as tx:
            await outbox.record(tx, None, event())

    async def size() -> int:
        async with tenancy.system(app_pool) as tx:
            assert await reading.find_key(tx) == (place.installation, signer.public)
            head = await reading.find_head(tx, entries.INSTALLATION)
        return head.size if head else 0

    def reached(told: int) -> bool:
        return runner.run(size()) >= told

    runner.run(claim())
    for told in (1, 2):
        runner.run(tell())
        with running(database, tmp_path) as (process, _):
            wait_for(partial(reached, told))
            os.kill(process.pid, signal.SIGKILL)


async def test_a_database_learns_of_a_secret_that_it_did_not_know(owner: Pool) -> None:
    """An installation of before has its audit key noted at its next start, and no other after."""
    async with tenancy.system(owner) as tx:
        await fitness.claim(tx, "ins_1", {"the pepper": ("a",)})
        await fitness.claim(tx, "ins_1", {"the pepper": ("a",), FINGERPRINT: ("b",)})
        assert await fitness.find_fingerprints(tx) == {"the pepper": "a", FINGERPRINT: "b"}
        with pytest.raises(SetupError, match="the audit key"):
            await fitness.claim(tx, "ins_1", {"the pepper": ("a",), FINGERPRINT: ("c",)})
