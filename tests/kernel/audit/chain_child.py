"""Chains what waits, and notes heads, in a process that a drill kills."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from dd0c.base.secrets import Secret
from dd0c.kernel.audit import chainer
from dd0c.kernel.audit.checkpoint import Signer
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from tests.kernel.audit.world import SEED


async def main() -> None:
    """With the address of the database from standard input."""
    pool = await open_pool(Secret(sys.stdin.readline().strip()), roles.CHAINER, 1)
    while await chainer.chain(pool, Signer(Secret(SEED)), 250):
        await chainer.note_heads(pool, timedelta(0))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
