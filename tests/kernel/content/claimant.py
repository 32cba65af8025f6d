"""Claims a content, or ends one, in a process that a drill may kill."""

from __future__ import annotations

import asyncio
import sys
import uuid
from dataclasses import replace
from pathlib import Path

from dd0c.base import settings
from dd0c.base.clock import SystemClock
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.kernel.content import configured
from dd0c.kernel.content.chunks import CHUNK_BYTES
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.content.kinds import HOOK_BODY
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Transaction, open_pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault

DATA = b"claimed" * (2 * CHUNK_BYTES // 7)


async def point(tx: Transaction, org: uuid.UUID, content: uuid.UUID) -> None:
    """Refer to a content: here by a team that has its id."""
    await tx.execute(
        "INSERT INTO kernel.teams (id, org, name) VALUES (%s, %s, %s)", (content, org, str(content))
    )


async def list_pointers(tx: Transaction) -> set[uuid.UUID]:
    """Which contents are referred to."""
    cursor = await tx.execute("SELECT id FROM kernel.teams WHERE removed_at IS NULL")
    return {row[0] for row in await cursor.fetchall()}


async def main(keys: str, home: str, place: str, org: str, ended: str) -> None:
    """Put, keep and point; `ended`: the content that is ended afterwards."""
    pool = await open_pool(Secret(sys.stdin.readline().strip()), roles.APP, 1)
    found = replace(settings.load({"home": home}, {}), content=place)
    vault = Vault(local.load(Home(Path(keys), "")))
    contents = Contents(pool, vault, configured.places(found, pool), SystemClock())
    whose = uuid.UUID(org)
    blob = await contents.put(whose, HOOK_BODY, DATA)
    assert blob is not None
    async with tenancy.tenant(pool, whose) as tx:
        content = await contents.keep(tx, blob)
        await point(tx, whose, content)
    async with tenancy.tenant(pool, whose) as tx:
        row = await contents.forget(tx, uuid.UUID(ended))
        await tx.execute("UPDATE kernel.teams SET removed_at = now() WHERE id = %s", (ended,))
    await contents.remove(whose, row)
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
