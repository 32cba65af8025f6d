"""Ships a spool folder once, in a process of its own that a drill may kill: FOLDER, and a file for
what the listener is told; then the database's address on standard input."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path

from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from dd0c.products.route.shipper.listener import Shipment


class Notes:
    """Writes down what it is told, an attempt a line: its id, charge, process, folder, whether it
    came again."""

    def __init__(self, path: Path):
        self._path = path

    async def shipped(self, shipment: Shipment) -> None:
        lines = [
            f"{c.opened.request_id.hex()} {c.charged_pico} {c.pid} {c.folder} {shipment.again:d}\n"
            for c in shipment.charges
        ]
        with self._path.open("a") as file:
            file.write("".join(lines))

    async def caught_up(self, living: Collection[int]) -> None:
        with self._path.open("a") as file:
            file.write(f"caught up {len(living)}\n")


async def main() -> None:
    pool = await pools.open_pool(Secret(sys.stdin.read()), roles.SHIPPER, 1)
    notes = Notes(Path(sys.argv[2]))
    shipper = Shipper(Path(sys.argv[1]), pool, PriceTable(), SystemClock(), listener=notes)
    await shipper.ship_once()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
