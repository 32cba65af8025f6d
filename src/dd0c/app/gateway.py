"""The gateway's parent process: composes what follows the database, supervises and ships.

Workers get secrets over the socketpair only. Of our environment they get what a Python process
needs and nothing else: a key that somebody exported must not be found in theirs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import uvloop

from dd0c.app import entrance
from dd0c.base import home, process
from dd0c.base.clock import SystemClock
from dd0c.base.home import Home
from dd0c.base.settings import Settings
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import address, roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.parts import heartbeat
from dd0c.kernel.parts import part as parts
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route.gateway import identity, listeners
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.feed import Feed
from dd0c.products.route.gateway.fleet import Fleet, Spawn
from dd0c.products.route.gateway.identity import Identity
from dd0c.products.route.gateway.parent import Gateway
from dd0c.products.route.gateway.saved import Shelf
from dd0c.products.route.gateway.standby import Standby
from dd0c.products.route.hotpath import limits
from dd0c.products.route.hotpath.snapshot import PriceWanted
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from dd0c.products.route.shipper.folder import Folder

PREDECESSOR_S = 6.0  # what the workers of a killed gateway may still need
ORPHAN_MAX_S = 3.5
SHIPPER_CONNECTIONS = 2
SHIPPER_CLOSE_S = 1.0
PRICES_MAX = 50_000  # names of models come from callers
PASSED_ON = ("PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "LD_LIBRARY_PATH", "SSL_CERT")
"""Beginnings of the variables that workers get, besides a drill's crash point."""


def main(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT (again: cut), or until the supervisor is gone."""
    settings, place = entrance.enter(settings)
    with identity.claim(place, patience_s=PREDECESSOR_S) as me:
        doors = listeners.open_listeners(
            settings.gateway_host, settings.gateway_port, settings.worker_count
        )
        uvloop.run(_serve(settings, place, me, doors))
    return 0


async def _serve(
    settings: Settings, place: Home, me: Identity, doors: Sequence[socket.socket]
) -> None:
    prices = PriceTable()
    configuration = Configuration(pepper.load(place).reveal())

    def find_price(wanted: PriceWanted) -> None:
        found = prices.find(wanted.provider, wanted.model)
        if found is None or configuration.price_count >= PRICES_MAX:
            return
        if (change := configuration.add_prices([found])) is not None:
            fleet.tell(change)

    key, clock = local.load(place), SystemClock()
    fleet = Fleet(doors, _spawner(settings, me), configuration.greeting, find_price)
    feed = Feed(
        address.conninfo(settings, roles.GATEWAY), Vault(key), prices, configuration, fleet.tell
    )
    shelf = Shelf(place, key, clock)
    standby = Standby(
        shelf, configuration, feed, fleet.tell, max_stale_s=settings.max_stale_s, clock=clock
    )
    addresses: dict[str, Any] = {}
    async with AsyncExitStack() as stack:

        def facts() -> dict[str, Any]:
            return {**addresses, **gateway.report().facts}

        def answers_at(admin_port: int) -> None:
            addresses.update(_addresses(me, doors[0], admin_port))
            home.write_atomically(written, json.dumps(addresses) + "\n")

        ledger = _Ledger(settings, me, prices, place=place, facts=facts, stack=stack)
        gateway = Gateway(settings, configuration, fleet, feed=feed, standby=standby, ledger=ledger)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, gateway.stop)
        orphaned = asyncio.create_task(_end_without_supervisor(gateway))
        stack.callback(orphaned.cancel)
        written = place.run / "gateway.json"
        stack.callback(written.unlink, missing_ok=True)
        await gateway.run(answers_at)


class _Ledger:
    """The ledger of this gateway: its pool, its row among the parts, its shipper. What was opened
    is closed with `stack`."""

    def __init__(
        self,
        settings: Settings,
        me: Identity,
        prices: PriceTable,
        *,
        place: Home,
        facts: heartbeat.Facts,
        stack: AsyncExitStack,
    ):
        self._conninfo = address.conninfo(settings, roles.SHIPPER)
        self._me = me
        self._prices = prices
        self._place = place
        self._facts = facts
        self._stack = stack
        self._part = parts.this("gateway", SystemClock())

    async def open(self) -> Shipper:
        async with AsyncExitStack() as attempt:
            pool = await open_pool(self._conninfo, roles.SHIPPER, SHIPPER_CONNECTIONS)
            attempt.push_async_callback(pool.close, SHIPPER_CLOSE_S)
            await entrance.refuse_unfit(pool, self._place)
            reporting = heartbeat.reporting(pool, self._part, self._facts)
            await attempt.enter_async_context(reporting)
            await self._stack.enter_async_context(attempt.pop_all())
        return Shipper(self._me.spool, pool, self._prices, SystemClock())

    def backlog_bytes(self) -> int:
        return Folder(self._me.spool).unshipped_bytes()


def _addresses(me: Identity, door: socket.socket, admin_port: int) -> dict[str, Any]:
    """Where this gateway answers, for the control server and the command line."""
    host, port = door.getsockname()[:2]
    return {
        "gateway_id": me.id,
        "pid": os.getpid(),
        "admin_url": f"http://127.0.0.1:{admin_port}",
        "gateway_url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
    }


def _spawner(settings: Settings, me: Identity) -> Spawn:
    bounds = msgspec.json.encode(limits.of(settings)).decode()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PASSED_ON) or name == "DD0C_CRASH_AT"
    }

    def spawn(slot: int, control: int, listener: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dd0c.app.gateway_worker", "--slot", str(slot)]
        command += ["--control-fd", str(control), "--listen-fd", str(listener)]
        command += ["--spool", str(me.spool), "--limits", bounds]
        command += ["--log-format", settings.log_format]
        return process.spawn(
            command,
            death_signal=signal.SIGTERM,
            env=environment,
            pass_fds=(control, listener, me.lock),
        )

    return spawn


async def _end_without_supervisor(gateway: Gateway) -> None:
    await process.supervisor_gone()
    logging.getLogger(__name__).warning("the supervisor is gone, stopping")
    asyncio.get_running_loop().call_later(ORPHAN_MAX_S, os._exit, 1)
    gateway.abandon()
