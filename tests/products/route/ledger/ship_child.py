"""Ships a spool folder once, in a process of its own that a drill may kill: FOLDER, then the
database's address on standard input."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper


async def main() -> None:
    pool = await pools.open_pool(Secret(sys.stdin.read()), roles.SHIPPER, 1)
    await Shipper(Path(sys.argv[1]), pool, PriceTable(), SystemClock()).ship_once()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
