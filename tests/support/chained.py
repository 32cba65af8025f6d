"""The audit log of a served database: what the job worker would chain, chained for the block."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg

from dd0c.base.secrets import Secret
from dd0c.kernel.audit import chainer
from dd0c.kernel.audit.checkpoint import FINGERPRINT, Signer
from dd0c.kernel.db import fitness, roles, tenancy
from dd0c.kernel.db.pool import open_pool
from tests.support.control import Served

SIGNER = Signer(Secret("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
INSTALLATION = "ins_01jcq8z5m3t7abcdefghjkmnpq"


TELL = """
INSERT INTO kernel.audit_outbox (id, org, name, actor, subject, facts)
SELECT uuidv7(), %s, 'KeyCreated', 'system', 'system', '{}' FROM generate_series(1, %s)
"""
COLUMNS = "id, org, at, name, actor, subject, facts, commitment"
ASIDE = f"DELETE FROM kernel.audit_outbox WHERE org IS DISTINCT FROM %s RETURNING {COLUMNS}"
BACK = f"INSERT INTO kernel.audit_outbox ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"


def chain(served: Served) -> None:
    """Chain all that waits; in a thread, as a browser's loop tolerates no other beside it."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _chain(served)).result()


def chain_of(served: Served, org: uuid.UUID, more: int) -> None:
    """Chain what waits of one organisation, and so many other events; the rest goes on waiting."""
    conninfo = served.database.conninfo(roles.OWNER).reveal()
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute(TELL, (org, more))
        aside = owner.execute(ASIDE.encode(), (org,)).fetchall()
        chain(served)
        owner.cursor().executemany(BACK.encode(), aside)


async def _chain(served: Served) -> None:
    owner = await open_pool(served.database.conninfo(roles.OWNER), roles.OWNER, 1)
    pool = await open_pool(served.database.conninfo(roles.CHAINER), roles.CHAINER, 1)
    try:
        async with tenancy.system(owner) as tx:
            await fitness.claim(tx, INSTALLATION, {FINGERPRINT: (SIGNER.public.hex(),)})
        while await chainer.chain(pool, SIGNER):
            pass
    finally:
        await pool.close()
        await owner.close()
