"""The gateway's parent process: composes what follows the database, supervises and ships.

Workers get secrets over the socketpair only. Of our environment they get what a Python process
needs and nothing else: a key that somebody exported must not be found in theirs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import uvloop

import dd0c
from dd0c.app import entrance
from dd0c.app.succession import Succession, receive
from dd0c.base import admin, home, notify, process, redact
from dd0c.base.clock import SystemClock
from dd0c.base.errors import Error, SetupError, Unavailable
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.auth import pepper
from dd0c.kernel.auth.last_used import Uses
from dd0c.kernel.autonomy import watching
from dd0c.kernel.autonomy.brake import Brake
from dd0c.kernel.cache.client import Client, open_client
from dd0c.kernel.db import address, roles
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.kernel.guard import breakers
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import CALL_WITHIN_S
from dd0c.kernel.parts import heartbeat
from dd0c.kernel.parts import part as parts
from dd0c.kernel.parts.part import Part
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route.gateway import handover, identity, listeners
from dd0c.products.route.gateway.bank import Bank
from dd0c.products.route.gateway.charged import Charged, Neighbours
from dd0c.products.route.gateway.circuits import Circuits
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.counting import Counting
from dd0c.products.route.gateway.feed import Feed
from dd0c.products.route.gateway.fleet import Fleet, Spawn
from dd0c.products.route.gateway.handover import Handover
from dd0c.products.route.gateway.identity import Identity
from dd0c.products.route.gateway.member import Member
from dd0c.products.route.gateway.parent import Gateway, until_done
from dd0c.products.route.gateway.saved import Shelf
from dd0c.products.route.gateway.standby import Standby
from dd0c.products.route.hotpath import limits
from dd0c.products.route.hotpath.snapshot import (
    PROTOCOL,
    CountWanted,
    Dealings,
    FromWorker,
    KeysUsed,
    PriceWanted,
    ProbeWanted,
    Result,
    RulesChanged,
    Snapshot,
    ToWorker,
)
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from dd0c.products.route.shipper.folder import Folder
from dd0c.products.route.shipper.listener import Listener

PREDECESSOR_S = 6.0  # what the workers of a killed gateway may still need
ORPHAN_MAX_S = 3.5
SHIPPER_CONNECTIONS = 2
CACHE_CONNECTIONS = 2
SHIPPER_CLOSE_S = 1.0
PRICES_MAX = 50_000  # names of models come from callers
PASSED_ON = ("PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "LD_LIBRARY_PATH", "SSL_CERT")
"""Beginnings of the variables that workers get, besides a drill's crash point."""


def main(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT (again: cut), or until the supervisor is gone."""
    settings, place = entrance.enter(settings)
    before = handover.take()
    lock = before.lock if before else None
    with identity.claim(place, patience_s=PREDECESSOR_S, inherited=lock) as me:
        if before is None:
            doors = listeners.open_listeners(
                settings.gateway_host, settings.gateway_port, settings.worker_count
            )
            counter = admin.open_door(settings.gateway_admin_port, "DD0C_GATEWAY_ADMIN_PORT")
        else:
            doors = listeners.adopt(before.listeners, settings.worker_count)
            counter = socket.socket(fileno=before.admin)
        uvloop.run(_serve(settings, place, me, Doors(doors, counter, before)))
    return 0


def check(settings: Settings) -> str:
    """Whether a gateway could start with these settings, or take over; else SetupError."""
    settings, place = entrance.enter(settings)
    pepper.load(place)
    configured.load(settings, place)
    before = handover.find()
    wanted = (settings.gateway_host, settings.gateway_port)
    if before is not None and wanted not in ((before.host, before.port), (before.host, 0)):
        raise SetupError(
            f"the running gateway listens on {before.host} port {before.port}, "
            f"not on {wanted[0]} port {wanted[1]}",
            hint="stop it and start it again: a reload keeps the address",
        )
    try:
        asyncio.run(_look_at_database(settings, place))
    except Unavailable as error:
        return f"a gateway can start here, without PostgreSQL for now: {error.message}"
    return "a gateway can start here"


async def _look_at_database(settings: Settings, place: Home) -> None:
    pool = await open_pool(address.conninfo(settings, roles.SHIPPER), roles.SHIPPER, 1)
    try:
        await entrance.refuse_unfit(pool, settings, place)
    finally:
        await pool.close(SHIPPER_CLOSE_S)


class Doors(NamedTuple):
    """Where the gateway listens, where its admin port is, and what the program before us left."""

    callers: Sequence[socket.socket]
    admin: socket.socket
    before: Handover | None


class Switchboard:
    """Passes on what workers say to those parts of the parent that it is for, and what those say to
    the workers. `fleet`, `bank` and `circuits` are set before anybody speaks."""

    fleet: Fleet
    bank: Bank
    circuits: Circuits

    def __init__(
        self, prices: PriceTable, configuration: Configuration, counting: Counting, uses: Uses
    ):
        self._prices = prices
        self._configuration = configuration
        self._counting = counting
        self._uses = uses

    def hear(self, worker: Member, message: FromWorker) -> None:
        """A worker says something."""
        match message:
            case PriceWanted():
                self._find_price(message)
            case CountWanted():
                self._counting.ask(message, worker.tell)
            case Dealings():
                self.bank.hear(worker, message)
            case Result() | ProbeWanted():
                self.circuits.hear(message, worker.tell)
            case KeysUsed():
                self._uses.note(uuid.UUID(bytes=key) for key in message.keys)

    def greet(self) -> list[ToWorker]:
        """What a worker that starts is told."""
        told = self._configuration.greeting(), self.bank.greeting(), self.circuits.greeting()
        return list(itertools.chain.from_iterable(told))

    def tell(self, message: ToWorker) -> None:
        """The configuration has changed."""
        if isinstance(message, Snapshot | RulesChanged):
            self.bank.replace_rules(message.rules)
        self.fleet.tell(message)

    def _find_price(self, wanted: PriceWanted) -> None:
        found = self._prices.find(wanted.provider, wanted.model)
        if found is None or self._configuration.price_count >= PRICES_MAX:
            return
        if (change := self._configuration.add_prices([found])) is not None:
            self.fleet.tell(change)


async def _serve(settings: Settings, place: Home, me: Identity, doors: Doors) -> None:
    prices, clock = PriceTable(), SystemClock()
    configuration, counting = Configuration(pepper.load(place).secret), Counting()
    key, uses = configured.load(settings, place), Uses(clock)
    board = Switchboard(prices, configuration, counting, uses)
    board.fleet = fleet = _raise_fleet(settings, me, doors, board)
    conninfo, part = address.conninfo(settings, roles.GATEWAY), _part(doors.before)
    feed = Feed(conninfo, Vault(key), prices, configuration, board.tell)
    shelf = Shelf(place, key, clock)
    standby = Standby(
        shelf, configuration, feed, board.tell, max_stale_s=settings.max_stale_s, clock=clock
    )
    neighbours = Neighbours(part)
    configuration.brake.changed = lambda: fleet.tell(configuration.panic_changed())
    async with AsyncExitStack() as stack:
        await _watch_for_panics(configuration.brake, conninfo, settings, place, stack)
        written, news = Written(place, me, doors), asyncio.Event()
        board.bank = bank = _open_bank(
            settings, me, doors, fleet=fleet, alone=neighbours.alone, stack=stack
        )
        board.circuits = circuits = _open_circuits(settings, configuration, fleet, stack)

        def facts() -> dict[str, Any]:
            return {**written.facts, **gateway.report().facts}

        ledger = _Ledger(
            settings,
            me,
            prices,
            place=place,
            beside=(
                lambda pool: heartbeat.reporting(pool, part, facts, news),
                counting.learning,
                uses.writing,
                neighbours.watching,
            ),
            listener=bank,
            stack=stack,
        )
        gateway = Gateway(
            settings,
            configuration,
            fleet,
            feed=feed,
            standby=standby,
            ledger=ledger,
            counting=counting,
            bank=bank,
            circuits=circuits,
        )
        succession = Succession(
            settle=gateway.settle,
            leave=lambda: _leave(doors, me, part, fleet, bank),
            refused=written.refused,
        )
        _listen_to_signals(gateway, succession)
        watching = (
            until_done(succession.run),
            _tell_when_ready(fleet, news),
            _end_without_supervisor(gateway),
        )
        for work in watching:
            stack.callback(asyncio.create_task(work).cancel)
        stack.callback(written.remove)
        written.write()
        await gateway.run(doors.admin)


def _raise_fleet(settings: Settings, me: Identity, doors: Doors, board: Switchboard) -> Fleet:
    return Fleet(
        doors.callers,
        _spawner(settings, me),
        board.greet,
        board.hear,
        count=settings.worker_count,
        before=doors.before,
        drain_s=settings.drain_s,
    )


def _listen_to_signals(gateway: Gateway, succession: Succession) -> None:
    loop = asyncio.get_running_loop()

    def hang_up() -> None:
        if not succession.ask():
            gateway.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN or not succession.at_terminal:
        loop.add_signal_handler(signal.SIGHUP, hang_up)  # else nohup: the terminal may go
    receive()


def _part(before: Handover | None) -> Part:
    """This gateway among the parts; one that replaced itself goes on with its row."""
    part = parts.this("gateway", SystemClock())
    if before is None:
        return part
    started_at = datetime.fromtimestamp(before.started_us / 1_000_000, UTC)
    return replace(part, id=uuid.UUID(bytes=before.part), started_at=started_at)


def _open_cache(
    settings: Settings, size: int, within_s: float, stack: AsyncExitStack
) -> Client | None:
    """A client; None where no cache is set up, which is as if it was away."""
    try:
        client = open_client(settings, size, within_s)
    except SetupError:
        return None
    stack.push_async_callback(client.aclose)
    return client


def _open_circuits(
    settings: Settings, configuration: Configuration, fleet: Fleet, stack: AsyncExitStack
) -> Circuits:
    client = _open_cache(settings, CACHE_CONNECTIONS, breakers.CALL_WITHIN_S, stack)
    shared = Breakers(client, breakers.rules_of(settings))
    return Circuits(shared, lambda: configuration.providers, fleet.tell)


def _open_bank(
    settings: Settings,
    me: Identity,
    doors: Doors,
    *,
    fleet: Fleet,
    alone: Callable[[], Awaitable[bool]],
    stack: AsyncExitStack,
) -> Bank:
    """The bank, which speaks to the counters under a name of this program's own."""
    client = _open_cache(settings, CACHE_CONNECTIONS, CALL_WITHIN_S, stack)
    counters = None if client is None else Counters(client, f"{me.id}.{os.urandom(4).hex()}")
    charged = Charged(address.conninfo(settings, roles.GATEWAY))
    stack.push_async_callback(charged.close)
    return Bank(
        counters,
        charged.count,
        fleet.living,
        gateway=f"{me.id}.",
        alone=alone,
        tell=fleet.tell,
        before=doors.before.leases if doors.before else (),
    )


async def _watch_for_panics(
    brake: Brake, conninfo: Secret, settings: Settings, place: Home, stack: AsyncExitStack
) -> None:
    client = _open_cache(settings, watching.CACHE_CONNECTIONS, watching.POLL_EVERY_S, stack)
    await stack.enter_async_context(watching.watching(brake, conninfo, client, place.path))


def _leave(doors: Doors, me: Identity, part: Part, fleet: Fleet, bank: Bank) -> Handover:
    host, port = doors.callers[0].getsockname()[:2]
    return Handover(
        format=handover.FORMAT,
        version=dd0c.__version__,
        generation=_generation(doors) + 1,
        host=host,
        port=port,
        lock=me.lock,
        admin=doors.admin.fileno(),
        listeners=tuple(door.fileno() for door in doors.callers),
        part=part.id.bytes,
        started_us=int(part.started_at.timestamp() * 1_000_000),
        workers=fleet.leave(),
        counters=fleet.retired,
        restarts=fleet.restarts,
        leases=bank.keep(),
    )


def _generation(doors: Doors) -> int:
    """How many programs this process has been as a gateway."""
    return doors.before.generation if doors.before else 1


class Written:
    """`run/gateway.json`: where this gateway answers, and how reloads went, for the command line
    and the control server."""

    def __init__(self, place: Home, me: Identity, doors: Doors):
        host, port = doors.callers[0].getsockname()[:2]
        self._path = place.run / "gateway.json"
        self.facts: dict[str, Any] = {
            "gateway_id": me.id,
            "pid": os.getpid(),
            "version": dd0c.__version__,
            "admin_url": f"http://127.0.0.1:{doors.admin.getsockname()[1]}",
            "gateway_url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
            "generation": _generation(doors),
            "refused": {"number": 0, "message": "", "hint": ""},
        }

    def write(self) -> None:
        home.write_atomically(self._path, redact.scrub(json.dumps(self.facts)) + "\n")

    def refused(self, error: Error) -> None:
        """A reload came to nothing."""
        number = self.facts["refused"]["number"] + 1
        self.facts["refused"] = {"number": number, "message": error.message, "hint": error.hint}
        self.write()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class _Ledger:
    """The ledger of this gateway: its pool, its shipper, and what works `beside` it on the pool.
    What was opened is closed with `stack`."""

    def __init__(
        self,
        settings: Settings,
        me: Identity,
        prices: PriceTable,
        *,
        place: Home,
        beside: Sequence[Callable[[Pool], AbstractAsyncContextManager[None]]],
        listener: Listener,
        stack: AsyncExitStack,
    ):
        self._settings = settings
        self._me = me
        self._prices = prices
        self._place = place
        self._beside = beside
        self._listener = listener
        self._stack = stack

    async def open(self) -> Shipper:
        conninfo = address.conninfo(self._settings, roles.SHIPPER)
        async with AsyncExitStack() as attempt:
            pool = await open_pool(conninfo, roles.SHIPPER, SHIPPER_CONNECTIONS)
            attempt.push_async_callback(pool.close, SHIPPER_CLOSE_S)
            await entrance.refuse_unfit(pool, self._settings, self._place)
            for work in self._beside:
                await attempt.enter_async_context(work(pool))
            await self._stack.enter_async_context(attempt.pop_all())
        return Shipper(self._me.spool, pool, self._prices, SystemClock(), listener=self._listener)

    def backlog_bytes(self) -> int:
        return Folder(self._me.spool).unshipped_bytes()


def _spawner(settings: Settings, me: Identity) -> Spawn:
    bounds = msgspec.json.encode(limits.of(settings)).decode()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PASSED_ON) or name == "DD0C_CRASH_AT"
    }

    def spawn(slot: int, control: int, listening: Sequence[int]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dd0c.app.gateway_worker", "--slot", str(slot)]
        command += ["--protocol", str(PROTOCOL), "--control-fd", str(control)]
        command += [f"--listen-fd={descriptor}" for descriptor in listening]
        command += ["--spool", str(me.spool), "--limits", bounds]
        command += ["--log-format", settings.log_format]
        return process.spawn(
            command,
            death_signal=signal.SIGTERM,
            env=environment,
            pass_fds=(control, *listening, me.lock),
        )

    return spawn


async def _tell_when_ready(fleet: Fleet, news: asyncio.Event) -> None:
    await fleet.complete.wait()
    notify.ready()
    news.set()


async def _end_without_supervisor(gateway: Gateway) -> None:
    await process.supervisor_gone()
    logging.getLogger(__name__).warning("the supervisor is gone, stopping")
    asyncio.get_running_loop().call_later(ORPHAN_MAX_S, os._exit, 1)
    gateway.abandon()
