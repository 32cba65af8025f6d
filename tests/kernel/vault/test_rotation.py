"""New data keys and new key-encryption keys while everything is read, and killed in between."""

from __future__ import annotations

import asyncio
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from dd0c.app import entrance
from dd0c.app import vault as app
from dd0c.base import ids
from dd0c.base.errors import Internal
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction, open_pool
from dd0c.kernel.vault import local, rotation
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.kernel.vault.rotation import Moved
from dd0c.products.route.store import providers
from tests.conftest import TwoOrgs
from tests.kernel.vault.installation import EACH, Installation, read_all
from tests.support.database import Database
from tests.support.product import until
from tests.support.told import told as told_in

WITHIN_S = 20.0


@dataclass
class Reading:
    """How often somebody read everything, and what went wrong."""

    passes: int = 0
    failure: BaseException | None = None

    def await_passes(self, more: int) -> None:
        """Everything was read so often from now on, unless it failed."""
        wanted = self.passes + more
        until(lambda: self.failure is not None or self.passes >= wanted, "everything is read")


@contextmanager
def reading(full: Installation) -> Iterator[Reading]:
    """Somebody reads everything again and again, for the block."""
    told, stop = Reading(), threading.Event()

    async def read() -> None:
        pool = await open_pool(full.database.conninfo(roles.GATEWAY), roles.GATEWAY, 1)
        try:
            while not stop.is_set():
                await read_all(full, pool)
                told.passes += 1
        finally:
            await pool.close()

    def run() -> None:
        try:
            asyncio.run(read())
        except BaseException as failure:
            told.failure = failure
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(WITHIN_S)


def test_a_kill_at_any_point_of_a_rotation_loses_nothing(full: Installation) -> None:
    """K-31: both rotations, killed at each named point, one on top of the other, while everything
    is read: no secret fails to open; then it is finished, and nothing is under an old key. Each
    organisation's log is told of its new key (K-50)."""
    first = {key.name for key in local.load(full.home)}
    begun = {one.org: one.newest_at for one in app.look(full.settings).survey.sealings}
    with reading(full) as told:
        for verb, points in (
            (("rotate",), rotation.POINTS_DATA_KEYS),
            (("rotate", "--kek"), rotation.POINTS_KEK),
        ):
            for point in points:
                full.age()
                assert full.vault(*verb, crash_at=point) == -signal.SIGKILL, point
                told.await_passes(2)
                assert told.failure is None, point
        full.age()
        assert full.vault("rewrap") == 0
    assert told.failure is None
    seen = app.look(full.settings)
    assert seen.survey.is_done
    [only] = seen.survey.wrappings
    assert only.name == seen.keys[0] not in first
    assert first < set(seen.keys)
    heard = told_in(full.database)
    whose = {one.org and ids.text(ids.Kind.ORGANISATION, one.org) for one in seen.survey.sealings}
    assert {each.org for each in heard if each.name == "DataKeyRenewed"} == whose
    assert {each.facts["key"] for each in heard if each.name == "KekChosen"} >= {seen.keys[0]}
    for one in seen.survey.sealings:
        assert (one.secrets, one.data_keys, one.retired) == (EACH, 1, 0)
        assert one.newest_at > begun[one.org]


async def test_nothing_comes_in_under_a_key_that_is_being_retired(
    full: Installation, two_orgs: TwoOrgs, app_pool: Pool
) -> None:
    """K-31: a secret sealed in a transaction that is still open holds up its key's retirement, so
    that the secrets of before are all there to be re-encrypted."""
    keys, row = local.load(full.home), ids.new()
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        before = await Vault(keys).seal(tx, two_orgs.acme, row, Secret("sk-late"))
        retiring = asyncio.create_task(rotation.retire(full.owner, Vault(keys), Moved(), untold))
        await asyncio.to_thread(until, lambda: somebody_waits(full), "it waits for the lock")
        assert not retiring.done()
    async with asyncio.timeout(WITHIN_S):
        await retiring
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        after = await Vault(keys).seal(tx, two_orgs.acme, row, Secret("sk-later"))
        assert after.data_key != before.data_key
        assert await Vault(keys).open(tx, two_orgs.acme, row, before) == Secret("sk-late")


async def untold(tx: Transaction, org: uuid.UUID | None) -> None:
    """Nobody hears of it."""


def somebody_waits(full: Installation) -> bool:
    """Whether a transaction waits for another's lock."""
    with full.database.cluster.admin(full.database.name) as admin:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return admin.execute(waiting.encode()).fetchone() is not None


async def test_a_damaged_secret_is_named_and_keeps_nothing_up(full: Installation) -> None:
    """K-31: a secret or data key that does not open stays as it is, is told, and keeps its old key;
    the others move. Data keys that were swapped between organisations open nothing."""
    with full.database.cluster.admin(full.database.name) as admin:
        victim = next(iter(full.secrets))
        admin.execute("UPDATE route.providers SET secret = '\\x0102' WHERE id = %s", (victim,))
    vault, moved = Vault(local.load(full.home)), Moved()
    await rotation.retire(full.owner, vault, moved, untold)
    await rotation.reseal(full.owner, vault, entrance.HOLDINGS, moved, lambda _: None)
    full.age()
    await rotation.forget(full.owner, entrance.HOLDINGS, moved)
    assert (moved.retired, moved.resealed, moved.forgotten) == (3, 3 * EACH - 1, 2)
    [only] = moved.unreadable
    assert f"route.providers {victim}" in only
    with full.database.cluster.admin(full.database.name) as admin:
        admin.execute(
            "UPDATE kernel.data_keys d SET wrapped = other.wrapped FROM kernel.data_keys other"
            " WHERE other.id <> d.id AND other.retired_at IS NULL AND d.retired_at IS NULL"
        )
    async with tenancy.system(full.owner) as tx:
        row = (await providers.list_sealed(tx))[-1]
        assert row.secret is not None
        assert row.data_key is not None
        sealed, fresh = Sealed(row.data_key, row.secret), Vault(local.load(full.home))
        with pytest.raises(Internal, match="does not open"):
            await fresh.open(tx, row.org, row.id, sealed)


def test_other_machines_get_the_key_before_anything_is_under_it(full: Installation) -> None:
    """K-31: beside a running part of another machine a new key in the file wraps nothing, and who
    has to copy it where is told; `rewrap` then goes on."""
    with full.database.cluster.admin(full.database.name) as admin:
        admin.execute(
            "INSERT INTO kernel.parts (id, role, kind, host, pid, version, started_at, facts)"
            " VALUES (%s, 'dd0c_shipper', 'gateway', 'elsewhere', 1, '0', now(), '{}')",
            (ids.new(),),
        )
    before = app.look(full.settings)
    told = app.rotate_kek(full.settings, lambda _: None)
    after = app.look(full.settings)
    assert told.hosts == ("elsewhere",)
    assert after.keys[1:] == before.keys
    assert [one.name for one in after.survey.wrappings] == list(before.keys)
    assert app.rewrap(full.settings, lambda _: None).moved.rewrapped == 3
    assert [one.name for one in app.look(full.settings).survey.wrappings] == [after.keys[0]]


def test_every_table_with_secrets_is_known_to_rotations(database: Database) -> None:
    """K-31: whatever refers to a data key is listed, or a rotation would leave its secrets behind;
    products add a row to HOLDINGS in dd0c/app/entrance.py."""
    with database.cluster.admin(database.name) as admin:
        found = admin.execute(
            "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint"
            " WHERE confrelid = 'kernel.data_keys'::regclass AND conparentid = 0"
        ).fetchall()
    assert {str(row[0]) for row in found} == {str(holding) for holding in entrance.HOLDINGS}
