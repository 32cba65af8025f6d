"""The control server: the JSON API and the console on one port.

It speaks to the database as `dd0c_app`, which sees one tenant at a time, and refuses to start where
that would not hold.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import uuid
from contextlib import AsyncExitStack
from functools import partial
from types import FrameType

import uvicorn
import uvloop
from fastapi import FastAPI

from dd0c.app import entrance, worker
from dd0c.base import home, notify, process
from dd0c.base.clock import SystemClock
from dd0c.base.errors import InvalidInput, SetupError, Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.auth import pepper, permissions
from dd0c.kernel.auth.last_used import Uses
from dd0c.kernel.auth.oidc import Provider
from dd0c.kernel.autonomy import flag_publishing, watching
from dd0c.kernel.autonomy.brake import Brake
from dd0c.kernel.cache import client
from dd0c.kernel.cache import fitness as cache_fitness
from dd0c.kernel.content import configured as places
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.db import address, reach, roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.guard import breakers, flags
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import CALL_WITHIN_S
from dd0c.kernel.guard.rates import Rates
from dd0c.kernel.manifest import Manifest
from dd0c.kernel.parts import heartbeat
from dd0c.kernel.parts import part as parts
from dd0c.kernel.plans import catalogue
from dd0c.kernel.plans.catalogue import Plan
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.web import app as web
from dd0c.kernel.web import dependencies
from dd0c.kernel.web.paging import Cursors
from dd0c.kernel.web.probes import Probe
from dd0c.kernel.web.resources import Resources
from dd0c.products.route.manifest import MANIFEST as ROUTE
from dd0c.products.run.manifest import MANIFEST as RUN

MANIFESTS: tuple[Manifest, ...] = (ROUTE, RUN)
POOL_SIZE = 8
QUEUE_POOL_SIZE = 2
CACHE_CONNECTIONS = 2
CONNECTIONS_MAX = 1000
HEAD_BYTES_MAX = 1_048_576  # beyond it the parser closes; up to it we answer 431 in our own words
ORPHAN_MAX_S = 3.0  # what a process may live on without its supervisor
LINGER_S = 0.2

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Tells when it serves. Asked to stop it first lets go of the door, which may be another's too,
    and leaves a moment to those who came in just before: their request is still on its way."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        notify.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            super().handle_exit(sig, frame)
        else:
            asyncio.get_running_loop().call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """Take nobody new, and end when what is open is answered."""
        for server in self.servers if self.started else ():
            server.close()
        asyncio.get_running_loop().call_later(LINGER_S, setattr, self, "should_exit", True)


def main(settings: Settings, *, listen_fd: int | None = None) -> int:
    """Serve until SIGTERM or SIGINT (again: cut), or until the supervisor is gone.

    `listen_fd` is an inherited listening socket instead of an address.
    """
    settings, _ = entrance.enter(settings)
    with (
        _listen(settings.console_host, settings.console_port, listen_fd) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, listener))
    return 0


def _listen(host: str, port: int, listen_fd: int | None) -> socket.socket:
    if listen_fd is not None:
        return socket.socket(fileno=listen_fd)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise SetupError(
            f"the console cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}",
            hint="choose another port with --console-port or DD0C_CONSOLE_PORT",
        ) from error


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with AsyncExitStack() as stack:
        app = await build(settings, stack)
        log.info("the console listens on %s port %d", *listener.getsockname()[:2])
        await _until_stopped(serve_with(app, settings), listener)


def serve_with(app: FastAPI, settings: Settings) -> Server:
    """The HTTP server for the application, bounded."""
    config = uvicorn.Config(
        app,
        http="h11",  # the one that bounds the head of a request
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=int(settings.drain_s),
    )
    server = Server(config)
    app.state.live.is_stopping = lambda: server.should_exit
    return server


async def build(settings: Settings, stack: AsyncExitStack) -> FastAPI:
    """The application over everything that it needs; the stack closes what was opened."""
    clock, place = SystemClock(), home.find(settings.home)
    pool = await reach.patiently(
        lambda: open_pool(address.conninfo(settings, roles.APP), roles.APP, POOL_SIZE), log.warning
    )
    stack.push_async_callback(pool.close)
    queue = await open_pool(address.conninfo(settings, roles.JOBS), roles.JOBS, QUEUE_POOL_SIZE)
    stack.push_async_callback(queue.close)
    await entrance.refuse_unfit(pool, settings, place)
    uses = Uses(clock)
    await stack.enter_async_context(uses.writing(pool))
    cache = client.open_client(settings, CACHE_CONNECTIONS)
    stack.push_async_callback(cache.aclose)
    try:
        await cache_fitness.judge(cache)
    except Unavailable as error:
        log.warning("%s: %s", error.message, error.hint)
    guard = client.open_client(settings, CACHE_CONNECTIONS, within_s=CALL_WITHIN_S)
    stack.push_async_callback(guard.aclose)
    flagged = await stack.enter_async_context(flags.following(settings))
    publisher = await stack.enter_async_context(flag_publishing.publishing(pool, cache))
    peppered = pepper.load(place)
    brake = Brake()
    panic_cache = client.open_client(settings, watching.CACHE_CONNECTIONS, watching.POLL_EVERY_S)
    stack.push_async_callback(panic_cache.aclose)
    conninfo = address.conninfo(settings, roles.APP)
    await stack.enter_async_context(watching.watching(brake, conninfo, panic_cache, place.path))
    broken = Breakers(guard, breakers.rules_of(settings), clock)
    vault = Vault(configured.load(settings, place, broken.named))
    counters = Counters(guard, f"control.{uuid.uuid4().hex}")
    resources = Resources(
        settings=settings,
        pool=pool,
        queue=queue,
        brake=brake,
        panic_cache=panic_cache,
        clock=clock,
        pepper=peppered,
        grants=permissions.merge(
            [permissions.KERNEL, *(manifest.grants for manifest in MANIFESTS)]
        ),
        cursors=Cursors(peppered.derive(b"dd0c cursors")),
        uses=uses,
        vault=vault,
        contents=Contents(pool, vault, places.places(settings, pool), clock),
        counters=counters,
        rates=Rates(counters),
        plan=_plan(settings),
        flags=flagged,
        publisher=publisher,
        provider=Provider(settings, broken.named("oidc")) if settings.oidc_issuer else None,
        breakers=broken,
    )
    added = web.Added(
        api=[manifest.api for manifest in MANIFESTS],
        pages=[manifest.pages for manifest in MANIFESTS],
        sections=[manifest.section for manifest in MANIFESTS],
        probes=list_probes(resources, cache),
        jobs=worker.JOBS,
        limit_key=next((m.limit_key for m in MANIFESTS if m.limit_key), None),
        counts={quota: query for m in MANIFESTS for quota, query in m.counts.items()},
    )
    app = web.create(resources, added)  # long enough that a beat beside it would be late
    me = parts.this("control", clock)
    await stack.enter_async_context(heartbeat.reporting(pool, me, partial(_facts, settings)))
    return app


def list_probes(use: Resources, cache: client.Client) -> list[Probe]:
    """All that health exercises besides the database."""
    return [
        dependencies.cache_probe(cache),
        dependencies.worker_probe(address.conninfo(use.settings, roles.JOBS), use.clock),
        dependencies.audit_probe(address.conninfo(use.settings, roles.CHAINER)),
        dependencies.disk_probe(use.settings.home),
        dependencies.breakers_probe(use.pool, use.breakers),
        *(probe for manifest in MANIFESTS for probe in manifest.probes(use)),
    ]


def _plan(settings: Settings) -> Plan:
    try:
        return catalogue.get(settings.plan)
    except InvalidInput as error:
        raise SetupError(f"DD0C_PLAN: {error.message}", hint=error.hint) from None


def _facts(settings: Settings) -> dict[str, str]:
    """What the other parts are told of this one."""
    return {"console_url": f"http://{settings.console_host}:{settings.console_port}"}


async def _until_stopped(server: Server, listener: socket.socket) -> None:
    """Serve; the server handles signals itself and repeats them here, where they do nothing."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve([listener]))
    orphaned = asyncio.create_task(process.supervisor_gone())
    await asyncio.wait([serving, orphaned], return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        log.warning("the supervisor is gone, stopping")
        loop.call_later(ORPHAN_MAX_S, os._exit, 1)
        server.should_exit = True
    orphaned.cancel()
    await serving
