"""The control server over real HTTP on a real database, with two organisations."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import uvicorn
import uvloop
from fastapi import FastAPI

from dd0c.app import control
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.auth import organisations, pepper
from dd0c.kernel.cache.embedded import SOCKET, EmbeddedValkey, read_password
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.guard import rollout
from dd0c.kernel.guard.rollout import Document
from dd0c.kernel.vault import local
from dd0c.kernel.web.console import live
from tests.support import servers
from tests.support.database import Cluster, Database
from tests.support.plain import NO_TLS

NO_CACHE = Secret("valkey://:none@127.0.0.1:1/0")
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running control server. `platform` is the first owner key, the others own their tenants."""

    url: str
    database: Database
    settings: Settings
    platform: str
    acme: str
    globex: str
    app: FastAPI

    def client(self, key: str | None = None) -> httpx.Client:
        """A client that sends the key."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=TIMEOUT_S, verify=NO_TLS, trust_env=False
        )

    def key(self, maker: str, **wanted: object) -> str:
        """The text of a new key, made through the API with the key `maker`."""
        with self.client(maker) as client:
            made = client.post("/api/v1/keys", json={"name": "test"} | wanted)
        assert made.status_code == 201, made.text
        return str(made.json()["key"])


@contextmanager
def serving_live(cluster: Cluster, **changed: Any) -> Iterator[Served]:
    """Like `serving`, with a cache: what flags turn on is on."""
    with servers.temporary_folder() as folder:
        place, _ = servers.open_home(folder)
        server = EmbeddedValkey(place)
        server.start()
        try:
            url = f"unix://{place.sockets / SOCKET}?password={read_password(place).reveal()}"
            with serving(cluster, valkey_url=Secret(url), **changed) as served:
                deadline = time.monotonic() + TIMEOUT_S
                while not served.app.state.live.flags.is_on(live.FLAG):
                    assert time.monotonic() < deadline, "the flags were never read"
                    time.sleep(0.02)
                yield served
        finally:
            server.stop()


@contextmanager
def informed(served: Served) -> Iterator[None]:
    """A server without a cache knows for the block what would be published if nobody had set a
    flag: what flags turn on is on, and counters are away."""
    ended = threading.Event()

    def tell() -> None:
        while True:
            served.app.state.resources.flags.learn(rollout.encode(Document(0, {})))
            if ended.wait(1):
                return

    thread = threading.Thread(target=tell, name="flags")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TIMEOUT_S)


@contextmanager
def serving(cluster: Cluster, **changed: Any) -> Iterator[Served]:
    """A control server on a database of its own, for the block; with other settings as told."""
    with cluster.clone() as database:
        found = replace(database.settings, **({"valkey_url": NO_CACHE} | changed))
        platform = asyncio.run(_first_key(cluster, database))
        with socket.create_server(("127.0.0.1", 0)) as listener, _running(found, listener) as app:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            served = Served(url, database, found, platform, "", "", app)
            with served.client(platform) as client:
                keys = {
                    name: client.post("/api/v1/orgs", json={"name": name}).json()["owner_key"]
                    for name in ("acme", "globex")
                }
            yield replace(served, **keys)


@contextmanager
def serving_again(served: Served) -> Iterator[Served]:
    """Another control server of the same installation, for the block: one that was started anew."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _running(served.settings, listener) as app,
    ):
        yield replace(served, url=f"http://127.0.0.1:{listener.getsockname()[1]}", app=app)


async def _first_key(cluster: Cluster, database: Database) -> str:
    pool = await open_pool(database.conninfo(roles.APP), roles.APP, 1)
    try:
        text = organisations.first_key(cluster.home)
        await organisations.ensure_first(pool, pepper.ensure(cluster.home), text)
        local.ensure(cluster.home)
    finally:
        await pool.close()
    return text.reveal()


@contextmanager
def _running(settings: Settings, listener: socket.socket) -> Iterator[FastAPI]:
    """The application, served by a thread with a loop of its own."""
    apps: list[FastAPI] = []
    servers: list[uvicorn.Server] = []
    ready, failures = threading.Event(), []

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            apps.append(await control.build(settings, stack))
            servers.append(control.serve_with(apps[0], settings))
            ready.set()
            await servers[0].serve([listener])

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as failure:
            failures.append(failure)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="control")
    thread.start()
    try:
        assert ready.wait(TIMEOUT_S)
        assert not failures, failures
        yield apps[0]
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(TIMEOUT_S)
